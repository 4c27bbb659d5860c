//! Where this checkout is, and where its local things go.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// `.dev`: tools, data and logs of this checkout, ignored by git.
pub fn dev_dir() -> PathBuf {
    root().join(".dev")
}

/// A name that is this checkout's own, for what has to live outside it.
pub fn checkout_name() -> String {
    name_of(&root())
}

/// The same for any other folder.
pub fn name_of(folder: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    format!("tenantry-{:016x}", hasher.finish())
}
