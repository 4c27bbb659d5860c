//! Our own binaries, built once by whoever asks first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::file_lock::FileLock;
use crate::{command, progress, workspace};

/// The path of one of the workspace's binaries, after a build in the profile and target folder of
/// the program that runs now.
///
/// Always the whole workspace: building one package alone would choose other features for the heavy
/// crates that it shares with the others, and compile them all again.
pub fn binary(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let path = built.clone().map_err(anyhow::Error::msg)?.join(name);
    if path.is_file() { Ok(path) } else { bail!("the workspace has no binary `{name}`") }
}

fn build() -> Result<PathBuf> {
    let folder = profile_folder()?;
    let target = folder.parent().context("the target folder has no parent")?;
    let _lock = FileLock::wait(&target.join("stack-build.lock"), "building the workspace")?;
    let mut cargo = cargo(&folder, target);
    progress::during("building the workspace's binaries", || command::watched(&mut cargo))
        .context("the workspace does not build (a C compiler is needed: `apt-get install gcc libc6-dev`)")?;
    Ok(folder)
}

fn cargo(folder: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--workspace", "--bins", "--target-dir"]).arg(target);
    cargo.current_dir(workspace::root());
    match folder.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => {}
        Some(profile) => drop(cargo.args(["--profile", profile])),
    }
    forget_the_package(&mut cargo);
    cargo
}

/// Takes away what `cargo run` and `cargo test` tell about the package that runs. ring's build script
/// asks to be run again when that changes, and would take all of TLS with it on every build.
pub fn forget_the_package(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_about_a_package)) {
        command.env_remove(name);
    }
}

fn is_about_a_package(variable: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
    prefixes.iter().any(|prefix| variable.starts_with(prefix)) || variable == "OUT_DIR"
}

/// `target/debug` of `target/debug/stack` and of `target/debug/deps/some_test-0123`.
fn profile_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let folder = own.parent().context("this program lies nowhere")?;
    let in_deps = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    let folder = if in_deps { folder.parent().context("deps lies nowhere")? } else { folder };
    Ok(folder.to_owned())
}
