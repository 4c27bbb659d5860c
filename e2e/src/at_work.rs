//! `tenantry` while it is at work: what it has said so far, and Ctrl-C.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result};
use stack::{binaries, deadline, scratch};

use crate::said::Said;
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(60);

/// A command that has not ended. It is killed when this is dropped.
#[derive(Debug)]
pub struct AtWork {
    command: String,
    child: Child,
    dir: PathBuf,
}

impl World {
    /// Starts `tenantry` in this world and does not wait for it.
    pub fn tenantry_at_work(&self, args: &[&str]) -> Result<AtWork> {
        let dir = scratch::folder("tenantry")?;
        let mut tenantry = Command::new(binaries::binary("tenantry")?);
        stack::command::isolate(&mut tenantry);
        let (stdout, stderr) = (File::create(dir.join("stdout"))?, File::create(dir.join("stderr"))?);
        tenantry.args(args).envs(self.environment()).current_dir(self.folder()).stdout(stdout).stderr(stderr);
        Ok(AtWork { command: args.join(" "), child: tenantry.spawn()?, dir })
    }
}

impl AtWork {
    /// What Ctrl-C in its terminal does.
    pub fn interrupt(&self) -> Result<()> {
        stack::command::stdout(Command::new("kill").args(["-INT", &self.child.id().to_string()])).map(drop)
    }

    /// Waits until it has said that on stderr.
    pub fn wait_until_it_says(&self, words: &str) -> Result<()> {
        self.wait_for("stderr", words)
    }

    /// Waits until that stands on stdout.
    pub fn wait_until_it_prints(&self, words: &str) -> Result<()> {
        self.wait_for("stdout", words)
    }

    fn wait_for(&self, stream: &str, words: &str) -> Result<()> {
        let said = || Ok(self.said(stream)?.contains(words).then_some(()));
        deadline::poll(&format!("`tenantry {}` to say {words:?}", self.command), PATIENCE, said)
            .with_context(|| self.said(stream).unwrap_or_default())
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Result<Said> {
        let code = deadline::poll(&format!("`tenantry {}` to end", self.command), PATIENCE, || {
            Ok(self.child.try_wait()?.map(|status| status.code()))
        })?;
        let (stdout, stderr) = (self.said("stdout")?, self.said("stderr")?);
        Ok(Said { command: format!("tenantry {}", self.command), code, stdout, stderr })
    }

    fn said(&self, stream: &str) -> Result<String> {
        Ok(fs::read_to_string(self.dir.join(stream))?)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
