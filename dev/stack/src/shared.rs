//! One Temporal and one Postgres for all tests of a process.
//!
//! They start when the first test asks and end with the process, however it ends. A test that kills
//! a server starts its own instead.

use std::sync::OnceLock;

use anyhow::Result;

use crate::postgres::{Postgres, PostgresOptions};
use crate::temporal::{Temporal, TemporalOptions};
use crate::{ports, scratch};

/// The shared Temporal: in memory, without a UI.
pub fn temporal() -> Result<&'static Temporal> {
    static SHARED: OnceLock<Result<Temporal, String>> = OnceLock::new();
    once(&SHARED, || {
        let folder = scratch::folder("temporal")?;
        Temporal::start(TemporalOptions::new(ports::free()?, &folder.join("temporal.log")))
    })
}

/// The shared Postgres: not durable; give each test a database.
pub fn postgres() -> Result<&'static Postgres> {
    static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
    once(&SHARED, || Postgres::start(private_postgres("postgres")?))
}

/// Options for a Postgres of one's own, in this run's scratch folder.
pub fn private_postgres(name: &str) -> Result<PostgresOptions> {
    let folder = scratch::folder(name)?;
    Ok(PostgresOptions {
        data_dir: folder.join("data"),
        port: ports::free()?,
        durable: false,
        password: "tenantry-test-password".to_owned(),
        log_file: folder.join("postgres.log"),
    })
}

fn once<T>(cell: &'static OnceLock<Result<T, String>>, start: impl FnOnce() -> Result<T>) -> Result<&'static T> {
    let started = cell.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    started.as_ref().map_err(|error| anyhow::Error::msg(error.clone()))
}
