//! The Postgres that everything commits to, and how it is known that it does.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use e2e::MASTER;
use stack::postgres::PostgresOptions;
use stack::psql::Rows;
use stack::{Postgres, binaries, command, shared};

/// Without each of these a commit may be lost, and costs nothing.
const DURABLE: [&str; 3] = ["fsync", "synchronous_commit", "full_page_writes"];

/// A durable server, its data in a folder of this run.
#[derive(Debug)]
pub(crate) struct Database {
    postgres: Postgres,
    data: PathBuf,
}

impl Database {
    /// Starts it with Postgres' own settings. Commits get a timestamp, so that they can be timed.
    pub(crate) fn start() -> Result<Self> {
        let options = PostgresOptions { durable: true, ..shared::private_postgres("measured")? };
        let data = options.data_dir.clone();
        let database = Self { postgres: Postgres::start(options)?, data };
        database.sql("postgres", "ALTER SYSTEM SET track_commit_timestamp = on")?;
        database.postgres.stop()?;
        database.postgres.start_again()?;
        Ok(database)
    }

    /// The folder of the data.
    pub(crate) fn folder(&self) -> &Path {
        self.data.parent().unwrap_or(&self.data)
    }

    /// Says how the server commits, and refuses one that does not wait for the disk.
    pub(crate) fn assert_durable(&self) -> Result<String> {
        for setting in DURABLE {
            let value = self.value("postgres", &format!("SHOW {setting}"))?;
            if value != "on" {
                bail!("{setting} is {value}: what is measured would not be durable");
            }
        }
        Ok(format!("{} on, wal_sync_method {}", DURABLE.join(", "), self.value("postgres", "SHOW wal_sync_method")?))
    }

    /// An empty database with our schema; its URL.
    pub(crate) fn create(&self, name: &str) -> Result<String> {
        let url = self.postgres.create_database(name)?;
        let mut tenantry = Command::new(binaries::binary("tenantry")?);
        command::isolate(&mut tenantry);
        tenantry.env("DATABASE_URL", &url).args(["migrate", "--master-tenant", MASTER]);
        command::stdout(&mut tenantry).context("tenantry migrate failed")?;
        Ok(url)
    }

    pub(crate) fn sql(&self, database: &str, sql: &str) -> Result<Rows> {
        self.postgres.psql(&self.postgres.url(database), sql)
    }

    pub(crate) fn value(&self, database: &str, sql: &str) -> Result<String> {
        self.postgres.value(&self.postgres.url(database), sql)
    }

    /// The events that are rows.
    pub(crate) fn event_ids(&self, database: &str) -> Result<HashSet<String>> {
        let rows = self.sql(database, "SELECT stripe_event_id FROM stripe_webhook_events")?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Empties the inbox and writes out what is dirty, so that every round begins alike.
    pub(crate) fn empty_inbox(&self, database: &str) -> Result<()> {
        self.sql(database, "TRUNCATE stripe_webhook_events, stripe_webhook_receipts")?;
        self.sql(database, "CHECKPOINT").map(drop)
    }

    /// How often the log was flushed to the disk so far. Sessions report it within seconds.
    pub(crate) fn log_flushes(&self) -> Result<f64> {
        let version: u32 = self.value("postgres", "SHOW server_version_num")?.parse()?;
        let sql = match version {
            180_000.. => "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'",
            0..180_000 => "SELECT wal_sync FROM pg_stat_wal",
        };
        Ok(self.value("postgres", sql)?.parse()?)
    }

    /// The server's first process, whose children do the work.
    pub(crate) fn pid(&self) -> Result<u32> {
        let file = fs::read_to_string(self.data.join("postmaster.pid")).context("Postgres has ended")?;
        file.lines().next().and_then(|pid| pid.parse().ok()).context("no pid of Postgres")
    }
}
