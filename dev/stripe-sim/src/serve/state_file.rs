//! The state file: read at the start, written after changes, by way of a temporary file so that a
//! crash leaves the old state or the new one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::sleep;

use super::app::App;
use crate::Config;
use crate::world::World;

/// Changes that come close together are written once.
const SETTLE: Duration = Duration::from_millis(200);

/// The world of the state file, or a new one.
pub(crate) fn load(config: &Config) -> anyhow::Result<World> {
    let fresh = World::new(config.account.clone(), config.livemode);
    let Some(path) = &config.state else { return Ok(fresh) };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(fresh),
        Err(error) => return Err(error).with_context(|| format!("read the state in {}", path.display())),
    };
    let world: World =
        serde_json::from_slice(&bytes).with_context(|| format!("understand the state in {}", path.display()))?;
    ensure!(world.livemode == config.livemode, "the state in {} is of the other mode", path.display());
    Ok(world)
}

/// Writes the state down whenever it changed.
pub(crate) async fn run(app: Arc<App>, path: PathBuf) {
    let mut saved = app.read_world(World::revision);
    loop {
        app.save.notified().await;
        let revision = app.read_world(World::revision);
        if revision == saved {
            continue;
        }
        sleep(SETTLE).await;
        match save(&app, &path) {
            Ok(revision) => saved = revision,
            Err(error) => eprintln!("stripe-sim: failed to {error:#}"),
        }
    }
}

/// Writes the state down now and says which it was.
pub(crate) fn save(app: &App, path: &Path) -> anyhow::Result<u64> {
    let (revision, bytes) = app.read_world(|world| (world.revision(), serde_json::to_vec(world)));
    let part = path.with_extension("part");
    fs::write(&part, bytes?).with_context(|| format!("write {}", part.display()))?;
    fs::rename(&part, path).with_context(|| format!("replace {}", path.display()))?;
    Ok(revision)
}
