//! A folder per run, removed when the run is over; what a killed run left behind is swept by the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::file_lock::FileLock;
use crate::{unique, unprivileged};

const PREFIX: &str = "tenantry-run-";
const LOCK: &str = "lock";

/// The folder of this process. It lasts until the process ends: the next run removes it.
pub fn of_this_process() -> Result<&'static Path> {
    static DIR: OnceLock<Result<(PathBuf, FileLock), String>> = OnceLock::new();
    let made = DIR.get_or_init(|| create().map_err(|error| format!("{error:#}")));
    made.as_ref().map(|(dir, _)| dir.as_path()).map_err(|error| anyhow::Error::msg(error.clone()))
}

/// A new folder inside it, `name` made unique.
pub fn folder(name: &str) -> Result<PathBuf> {
    let dir = of_this_process()?.join(format!("{name}-{}", unique::number()));
    unprivileged::open_folder(&dir)?;
    Ok(dir)
}

/// Made under another name and moved once it is locked, so that a sweeper never sees it unlocked.
fn create() -> Result<(PathBuf, FileLock)> {
    let temp = unprivileged::temp_dir(unprivileged::user()?)?;
    sweep(&temp);
    let pid = std::process::id();
    let fresh = temp.join(format!("tenantry-new-{pid}"));
    unprivileged::open_folder(&fresh)?;
    let lock = FileLock::try_take(&fresh.join(LOCK))?.context("a new folder is locked already")?;
    let dir = temp.join(format!("{PREFIX}{pid}"));
    fs::rename(&fresh, &dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok((dir, lock))
}

/// Removes the folders of runs that are over. Others may be sweeping too, or own some: no errors.
fn sweep(temp: &Path) {
    let Ok(entries) = fs::read_dir(temp) else { return };
    for dir in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        if is_over(&dir.path()) {
            let _ = fs::remove_dir_all(dir.path());
        }
    }
}

fn is_over(dir: &Path) -> bool {
    let Ok(lock) = fs::File::open(dir.join(LOCK)) else { return false };
    lock.try_lock().is_ok()
}
