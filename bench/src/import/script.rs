//! The script that one would write otherwise, in Node: two reads of Stripe for each tenant.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::{MASTER, SECRET_KEY};
use stack::{command, tools, workspace};

use super::city::{self, City};
use super::number;
use super::watch::{self, Memory};
use crate::database::Database;

/// Its database: the same tenants, nothing imported.
const NAME: &str = "script";

/// What it took.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) tenants: usize,
    pub(super) secs: f64,
    pub(super) memory: Memory,
}

/// Has it do that many of the city's tenants.
pub(super) fn run(database: &Database, city: &City, tenants: usize) -> Result<Script> {
    let url = database.create(NAME)?;
    city::settle(database, NAME, city.tenants)?;
    let mut node = Command::new(tools::node()?);
    command::isolate(&mut node);
    node.arg(workspace::root().join("bench/node/import.js"))
        .env("NODE_ENV", "production")
        .env("NODE_PATH", tools::node_modules()?)
        .envs([("DATABASE_URL", url), ("STRIPE_API_BASE", city.stripe.base()), ("TENANTS", tenants.to_string())])
        .envs([("STRIPE_SECRET_KEY", SECRET_KEY), ("MASTER_BILLING_TENANT_ID", MASTER)]);
    let watched = watch::of_itself(node)?;
    let imported = number(&watched.result, "imported");
    ensure!(imported == tenants, "the script imported {imported} of {tenants} tenants");
    let secs = watched.result["secs"].as_f64().unwrap_or(watched.secs);
    Ok(Script { tenants, secs, memory: watched.memory })
}
