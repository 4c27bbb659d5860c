//! Who runs Postgres: it refuses to run as root, so root lends it to `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::command;

/// The account that every Unix has and that owns nothing.
const NAME: &str = "nobody";

/// An account to run something as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Whom to run Postgres as: `None` when we are not root and can run it ourselves.
pub fn user() -> Result<Option<User>> {
    static USER: OnceLock<Result<Option<User>, String>> = OnceLock::new();
    let user = USER.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    user.clone().map_err(anyhow::Error::msg)
}

/// Our own user id.
pub fn own_uid() -> Result<u32> {
    id(&["-u"])
}

/// A folder under the temporary directory that `user` can enter. A private `TMPDIR` is passed over.
pub fn temp_dir(user: Option<User>) -> Result<PathBuf> {
    let candidates = [std::env::temp_dir(), PathBuf::from("/tmp")];
    candidates
        .into_iter()
        .find(|dir| can_enter(user, dir))
        .with_context(|| format!("no temporary directory that {NAME} can enter: set TMPDIR"))
}

/// Whether `user` may enter the folder (or run the file); `None` is ourselves.
pub fn can_enter(user: Option<User>, path: &Path) -> bool {
    let mut test = Command::new("/bin/sh");
    test.args(["-c", "test -x \"$1\"", "test"]).arg(path).current_dir("/");
    as_user(&mut test, user);
    command::output(&mut test).is_ok_and(|output| output.status.success())
}

/// Makes the command run as `user`; `None` is ourselves.
pub fn as_user(command: &mut Command, user: Option<User>) {
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
}

/// Gives the file or folder to `user`; `None` leaves it ours.
pub fn give(path: &Path, user: Option<User>) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    chown(path, Some(user.uid), Some(user.gid)).with_context(|| format!("cannot give {} to {NAME}", path.display()))
}

/// Creates a folder that everybody may enter and only we may write. One that somebody else put
/// there is refused: names under the temporary directory can be guessed.
pub fn open_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
    if fs::symlink_metadata(path)?.uid() != own_uid()? {
        bail!("{} belongs to another user: remove it", path.display());
    }
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn find() -> Result<Option<User>> {
    if own_uid()? != 0 {
        return Ok(None);
    }
    let no_nobody = || format!("Postgres refuses to run as root and there is no user `{NAME}`: run as another user");
    let user =
        User { uid: id(&["-u", NAME]).with_context(no_nobody)?, gid: id(&["-g", NAME]).with_context(no_nobody)? };
    Ok(Some(user))
}

fn id(args: &[&str]) -> Result<u32> {
    Ok(command::stdout(Command::new("id").args(args))?.trim().parse()?)
}
