//! The two that are compared, each a process with a database of its own.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use e2e::MASTER;
use stack::process::Launch;
use stack::{Process, binaries, ports, scratch, tools, workspace};

use crate::database::Database;
use crate::load::SECRET;

const START: Duration = Duration::from_secs(60);
/// What both may open; it is the product's default.
const DATABASE_CONNECTIONS: &str = "10";

/// A running receiver of webhooks.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    /// Its database's name.
    pub(crate) database: String,
    process: Process,
}

impl Receiver {
    /// The shim with Temporal away: events are committed and wait. The account's row, which a
    /// worker would write, is written here.
    pub(crate) fn shim_alone(database: &Database) -> Result<Self> {
        let url = database.create("shim")?;
        let account = format!(
            "INSERT INTO stripe_accounts (tenant, stripe_account_external_id, livemode) VALUES ('{MASTER}', 'acct_measured', false)"
        );
        database.sql("shim", &account)?;
        let address = format!("127.0.0.1:{}", ports::free()?);
        let nobody = format!("127.0.0.1:{}", ports::free()?);
        let settings =
            [("DATABASE_URL", url), ("TEMPORAL_ADDRESS", nobody), ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned())];
        Self::shim(address, "shim", &settings)
    }

    /// The shim with these settings, besides those that are the same for all.
    pub(crate) fn shim(address: String, database: &str, settings: &[(&str, String)]) -> Result<Self> {
        let launch = Launch::new("webhook", &binaries::binary("webhook")?, &log("webhook")?)
            .isolated()
            .env([("WEBHOOK_ADDR", address.as_str()), ("ADMIN_ADDR", "127.0.0.1:0"), ("RUST_LOG", "info")])
            .env(settings.iter().map(|(name, value)| (*name, value)));
        Self::start("shim", launch, address, database)
    }

    /// The Node handler.
    pub(crate) fn node(database: &Database) -> Result<Self> {
        let url = database.create("node")?;
        let port = ports::free()?.to_string();
        let packages = tools::node_modules()?.display().to_string();
        let launch = Launch::new("node", &tools::node()?, &log("node")?)
            .isolated()
            .args([workspace::root().join("bench/node/receiver.js")])
            .env([("NODE_ENV", "production"), ("NODE_PATH", &packages), ("PORT", &port), ("DATABASE_URL", &url)])
            .env([("STRIPE_WEBHOOK_SECRET", SECRET)]);
        Self::start("node", launch, format!("127.0.0.1:{port}"), "node")
    }

    fn start(name: &'static str, launch: Launch, address: String, database: &str) -> Result<Self> {
        let both = [("DATABASE_MAX_CONNECTIONS", DATABASE_CONNECTIONS), ("MASTER_BILLING_TENANT_ID", MASTER)];
        let process = launch.env(both).spawn()?;
        process.until("the receiver to listen", START, || TcpStream::connect(&address).ok())?;
        Ok(Self { name, address, database: database.to_owned(), process })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

pub(crate) fn log(name: &str) -> Result<PathBuf> {
    Ok(scratch::folder(name)?.join(format!("{name}.log")))
}
