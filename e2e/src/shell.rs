//! A shell in a world: what an operator types, run as it is typed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use stack::{binaries, tools};

use crate::said::Said;
use crate::world::World;

impl World {
    /// Runs lines of shell in a folder. `tenantry`, `temporal`, `psql` and its kin are on `PATH` and
    /// find this world by its settings, of which some may be changed.
    pub fn shell(&self, lines: &str, folder: &Path, settings: &[(String, String)]) -> Result<Said> {
        let mut shell = Command::new("/bin/sh");
        stack::command::isolate(&mut shell);
        binaries::forget_the_package(&mut shell);
        shell.args(["-c", lines]).current_dir(folder).env("PATH", self.path()?);
        // The user's own file would tell `temporal` of other servers.
        shell.envs(self.environment()).env("XDG_CONFIG_HOME", self.folder());
        shell.envs(settings.iter().map(|(name, value)| (name, value)));
        let output = stack::command::output(&mut shell)?;
        Ok(Said {
            command: lines.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Where programs are found: ours and Temporal's by their names, then Postgres', then all others.
    fn path(&self) -> Result<std::ffi::OsString> {
        let bin = self.folder().join("bin");
        if !bin.exists() {
            std::fs::create_dir(&bin)?;
            std::os::unix::fs::symlink(binaries::binary("tenantry")?, bin.join("tenantry"))?;
            std::os::unix::fs::symlink(tools::temporal_cli()?, bin.join("temporal"))?;
        }
        let others = std::env::var_os("PATH").unwrap_or_default();
        let all: Vec<PathBuf> =
            [bin, tools::postgres_bin_dir()?].into_iter().chain(std::env::split_paths(&others)).collect();
        Ok(std::env::join_paths(all)?)
    }
}
