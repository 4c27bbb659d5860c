//! A world's private servers: killed without warning, and started again on their data.

use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use stack::temporal::TemporalOptions;
use stack::{Postgres, Temporal, ports, scratch};

use crate::world::{Db, World};

/// A Temporal that keeps its runs on disk. It answers at one address through all its lives.
#[derive(Debug)]
pub(crate) struct PrivateTemporal {
    options: TemporalOptions,
    /// The life after the first.
    again: Mutex<Option<Temporal>>,
}

impl PrivateTemporal {
    /// Its first life lasts as long as this process, or until it is killed.
    pub(crate) fn start(name: &str) -> Result<(Self, &'static Temporal)> {
        let folder = scratch::folder(&format!("{name}-temporal"))?;
        let options = TemporalOptions {
            db_filename: Some(folder.join("temporal.db")),
            ..TemporalOptions::new(ports::free()?, &folder.join("temporal.log"))
        };
        let first = Box::leak(Box::new(Temporal::start(options.clone())?));
        Ok((Self { options, again: Mutex::new(None) }, first))
    }
}

impl World {
    /// Stops Postgres, if it is the world's own.
    pub fn stop_postgres(&self) -> Result<()> {
        self.own_postgres()?.stop()
    }

    /// Kills it without warning.
    pub fn kill_postgres(&self) -> Result<()> {
        self.own_postgres()?.kill9()
    }

    /// Starts it again.
    pub fn start_postgres(&self) -> Result<()> {
        self.own_postgres()?.start_again()
    }

    fn own_postgres(&self) -> Result<&Postgres> {
        match &self.postgres {
            Db::Private(postgres) => Ok(postgres),
            Db::Shared(_) => bail!("this world shares its Postgres"),
        }
    }

    /// Kills this world's own Temporal without warning.
    pub fn kill_temporal(&self) -> Result<()> {
        let mut again = self.own_temporal()?.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match again.take() {
            Some(temporal) => temporal.process().kill9().map(drop),
            None => self.temporal.process().kill9().map(drop),
        }
    }

    /// Starts it again, on the data that it left.
    pub fn start_temporal_again(&self) -> Result<()> {
        let own = self.own_temporal()?;
        let started = Temporal::start(own.options.clone())?;
        *own.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(started);
        Ok(())
    }

    fn own_temporal(&self) -> Result<&PrivateTemporal> {
        self.private_temporal.as_ref().context("this world shares its Temporal")
    }
}
