//! One process at a time.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::progress;

/// Held until dropped; the kernel lets go when the process dies, however it dies.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits until the lock is free; `what` completes "waiting for another process that is …".
    pub fn wait(path: &Path, what: &str) -> Result<Self> {
        let file = open(path)?;
        if !taken(&file)? {
            progress::say(&format!("waiting for another process that is {what}"));
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(Self { _file: file })
    }

    /// Answers `None` when another process holds it.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok(taken(&file)?.then_some(Self { _file: file }))
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

fn taken(file: &File) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => bail!("cannot lock a file: {error}"),
    }
}
