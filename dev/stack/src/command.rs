//! Commands that run to their end.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::deadline;

/// Runs to the end and answers stdout; a failure carries the last lines of stderr.
pub fn stdout(command: &mut Command) -> Result<String> {
    let name = program_name(command);
    let output = output(command)?;
    if !output.status.success() {
        bail!("{name} failed ({}): {}", output.status, last_words(&output));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} wrote text that is not UTF-8"))
}

/// Runs to the end, whatever the end is; an interrupt kills it.
pub fn output(command: &mut Command) -> Result<Output> {
    let name = program_name(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = loop {
        if let Some(status) = wait_a_little(&mut child)? {
            break status;
        }
        if deadline::interrupted() {
            child.kill()?;
        }
    };
    Ok(Output { status, stdout: join(stdout), stderr: join(stderr) })
}

/// Runs with this process's own output, for commands that show their progress themselves.
pub fn watched(command: &mut Command) -> Result<()> {
    let name = program_name(command);
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot run {name}"))?;
    loop {
        if let Some(status) = wait_a_little(&mut child)? {
            return if status.success() { Ok(()) } else { bail!("{name} failed ({status})") };
        }
        if deadline::interrupted() {
            child.kill()?;
        }
    }
}

/// Takes the user's own settings away: variables of the product's names, and the `.env` of the
/// folder and its parents, by running in `/`. Variables are added after this, not before.
pub fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_a_setting)) {
        command.env_remove(name);
    }
    command.current_dir("/");
}

fn is_a_setting(variable: &str) -> bool {
    let prefixes = [
        "STRIPE_",
        "TEMPORAL_",
        "DATABASE_",
        "NEXT_PUBLIC_",
        "WEBHOOK_",
        "WORKER_",
        "TENANTRY_",
        "EVENT_",
        "STRANDED_",
    ];
    let is_one = matches!(
        variable,
        "LICENSE_PRICE_IDS"
            | "MASTER_BILLING_TENANT_ID"
            | "APP_URL"
            | "ENTITLED_STATUSES"
            | "ADMIN_ADDR"
            | "LOG_FORMAT"
            | "RUST_LOG"
    );
    is_one || prefixes.iter().any(|prefix| variable.starts_with(prefix))
}

/// The first file of that name on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The end of a text, a few lines, for an error message.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

fn wait_a_little(child: &mut Child) -> Result<Option<std::process::ExitStatus>> {
    let status = child.try_wait()?;
    if status.is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(status)
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A broken pipe ends the text; the exit status tells the rest.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn join(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().unwrap_or_default()
}

fn last_words(output: &Output) -> String {
    let stderr = tail(&String::from_utf8_lossy(&output.stderr));
    if stderr.is_empty() { tail(&String::from_utf8_lossy(&output.stdout)) } else { stderr }
}

fn program_name(command: &Command) -> String {
    let program: &OsStr = command.get_program();
    Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::is_a_setting;

    #[test]
    fn what_a_developer_has_set_for_the_product_is_told_from_the_rest() {
        let ours = ["DATABASE_URL", "STRIPE_MODE", "APP_URL", "LOG_FORMAT", "RUST_LOG", "TENANTRY_HOLD_AT"];
        assert!(ours.into_iter().all(is_a_setting));
        assert!(!["PATH", "HOME", "RUST_BACKTRACE", "PGPASSWORD"].into_iter().any(is_a_setting));
    }
}
