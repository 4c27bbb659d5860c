//! What every request handler shares.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::faults::Faults;
use super::holds::Holds;
use super::journal::Journal;
use super::key::Expired;
use super::pace::Pace;
use crate::world::World;
use crate::world::deliveries::Errand;

/// One running double. No two of its locks are ever held at once.
pub(crate) struct App {
    world: Mutex<World>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) holds: Mutex<Holds>,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) pace: Mutex<Pace>,
    pub(crate) expired_keys: Mutex<Expired>,
    /// Something may have to be delivered.
    pub(crate) deliver: Notify,
    /// Something may have to be saved.
    pub(crate) save: Notify,
    pub(crate) retry_after: Duration,
}

impl App {
    pub(crate) fn new(world: World, retry_after: Duration, pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::new(world),
            faults: Mutex::default(),
            holds: Mutex::default(),
            journal: Mutex::default(),
            pace: Mutex::new(pace),
            expired_keys: Mutex::default(),
            deliver: Notify::new(),
            save: Notify::new(),
            retry_after,
        })
    }

    /// Looks at or changes the world, and wakes those who wait for changes.
    pub(crate) fn with_world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let outcome = work(&mut lock(&self.world));
        self.deliver.notify_one();
        self.save.notify_one();
        outcome
    }

    /// What couriers are to be started for. Wakes nobody.
    pub(crate) fn take_errands(&self) -> Vec<Errand> {
        lock(&self.world).deliveries.take_errands()
    }

    /// Looks at the world.
    pub(crate) fn read_world<T>(&self, work: impl FnOnce(&World) -> T) -> T {
        work(&lock(&self.world))
    }
}

/// A request that panicked must not take the others with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
