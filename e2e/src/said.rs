//! What a command answers.

use anyhow::{Result, ensure};

/// What a command said and how it exited.
#[derive(Debug)]
pub struct Said {
    pub(crate) command: String,
    pub(crate) code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Said {
    /// Fails unless the exit code is that.
    pub fn exits(self, code: i32) -> Result<Self> {
        ensure!(self.code == Some(code), "`{}` exits {:?}, not {code}: {}", self.command, self.code, self.everything());
        Ok(self)
    }

    /// Fails unless the exit code is one of those.
    pub fn exits_with_one_of(self, codes: &[i32]) -> Result<Self> {
        let is_one = self.code.is_some_and(|code| codes.contains(&code));
        ensure!(is_one, "`{}` exits {:?}, none of {codes:?}: {}", self.command, self.code, self.everything());
        Ok(self)
    }

    /// Both streams.
    pub fn everything(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}
