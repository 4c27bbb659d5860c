//! The state file: read at the start, written after changes, by way of a temporary file so that a
//! crash leaves the old state or the new one. One writes at a time, and nobody after the last.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::sleep;

use super::app::{App, lock};
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

/// Where the state is kept.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    /// Held while the file is written; true once it was written for the last time.
    is_closed: Mutex<bool>,
}

impl StateFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, is_closed: Mutex::new(false) }
    }

    /// Writes the state down now and says which it was.
    pub(crate) fn save(&self, app: &App) -> anyhow::Result<u64> {
        let is_closed = lock(&self.is_closed);
        if *is_closed { Ok(app.read_world(World::revision)) } else { self.write(app) }
    }

    /// Writes the state down for the last time: the file may be another's from now on.
    pub(crate) fn close(&self, app: &App) -> anyhow::Result<()> {
        let mut is_closed = lock(&self.is_closed);
        if !*is_closed {
            self.write(app)?;
            *is_closed = true;
        }
        Ok(())
    }

    fn write(&self, app: &App) -> anyhow::Result<u64> {
        let (revision, bytes) = app.read_world(|world| (world.revision(), serde_json::to_vec(world)));
        let part = self.path.with_extension("part");
        fs::write(&part, bytes?).with_context(|| format!("write {}", part.display()))?;
        fs::rename(&part, &self.path).with_context(|| format!("replace {}", self.path.display()))?;
        Ok(revision)
    }
}

/// Writes the state down whenever it changed.
pub(crate) async fn run(app: Arc<App>, file: Arc<StateFile>) {
    let mut saved = app.read_world(World::revision);
    loop {
        app.save.notified().await;
        let revision = app.read_world(World::revision);
        if revision == saved {
            continue;
        }
        sleep(SETTLE).await;
        match file.save(&app) {
            Ok(revision) => saved = revision,
            Err(error) => eprintln!("stripe-sim: failed to {error:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::serve::pace::Pace;

    fn file(name: &str) -> (Arc<App>, StateFile, Config) {
        let path = std::env::temp_dir().join(format!("stripe-sim-{name}-{}.json", std::process::id()));
        let config = Config { state: Some(path.clone()), ..Config::default() };
        (
            App::new(World::new(config.account.clone(), false), config.retry_after, Pace::default()),
            StateFile::new(path),
            config,
        )
    }

    #[test]
    fn those_who_save_at_once_do_not_disturb_each_other() {
        let (app, file, config) = file("at-once");
        let save_often = || (0..100).all(|_| file.save(&app).is_ok());
        let all_saved = thread::scope(|scope| {
            let savers: Vec<_> = (0..4).map(|_| scope.spawn(save_often)).collect();
            savers.into_iter().all(|saver| saver.join().is_ok_and(|saved| saved))
        });
        assert!(all_saved);
        assert_eq!(load(&config).expect("a state").account, config.account);
        fs::remove_file(&file.path).expect("the file goes");
    }

    #[test]
    fn nobody_writes_after_the_last_save() {
        let (app, file, _) = file("last");
        file.close(&app).expect("a save");
        fs::remove_file(&file.path).expect("the file goes");
        file.save(&app).expect("nothing to do");
        assert!(!file.path.exists());
    }
}
