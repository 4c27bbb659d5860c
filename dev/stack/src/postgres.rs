//! Postgres: a cluster of our own on 127.0.0.1, with a password, that can be stopped and started again.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{Launch, Process};
use crate::psql::{self, Rows, Session};
use crate::unprivileged::{self, User};
use crate::{command, tools};

/// The role that owns everything.
pub const ROLE: &str = "tenantry";

/// A start after a crash recovers first, and waits for the last children of the dead server.
const START: Duration = Duration::from_secs(60);

/// Between two times that a program is run to ask.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a stop may write its last checkpoint.
const STOP: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Where the cluster lies; it is made if it is not there. Its parent must be a folder that the
    /// user who runs Postgres can enter.
    pub data_dir: PathBuf,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Whether data survives a crash of the machine; without it, everything is faster.
    pub durable: bool,
    /// The password of [`ROLE`], set when the cluster is made.
    pub password: String,
    /// Where the server's log goes.
    pub log_file: PathBuf,
}

/// A cluster that has answered; dropping it stops the server and leaves the data.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    user: Option<User>,
    options: PostgresOptions,
    process: Mutex<Option<Process>>,
}

impl Postgres {
    /// Makes the cluster if there is none, starts the server and waits until it answers.
    pub fn start(options: PostgresOptions) -> Result<Self> {
        let postgres =
            Self { bin: tools::postgres_bin_dir()?, user: unprivileged::user()?, options, process: Mutex::new(None) };
        postgres.make_cluster()?;
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Starts a stopped server on the same port and data; one that runs is left alone.
    pub fn start_again(&self) -> Result<()> {
        let mut process = self.process();
        if process.as_ref().is_some_and(Process::is_running) {
            return Ok(());
        }
        let end = Instant::now() + START;
        loop {
            match self.launch() {
                Ok(started) => break *process = Some(started),
                // The children of a killed server hold its shared memory for a moment.
                Err(error) if Instant::now() < end && format!("{error:#}").contains("still in use") => {
                    thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stops the server: sessions are cut, what was committed is on disk.
    pub fn stop(&self) -> Result<()> {
        if let Some(process) = self.process().take() {
            process.stop("INT", STOP)?;
        }
        Ok(())
    }

    /// Kills the server without warning.
    pub fn kill9(&self) -> Result<()> {
        if let Some(process) = self.process().take() {
            process.kill9()?;
        }
        Ok(())
    }

    /// Whether the server has not ended.
    pub fn is_running(&self) -> bool {
        self.process().as_ref().is_some_and(Process::is_running)
    }

    /// The end of the server's log, for an error message.
    pub fn last_words(&self) -> String {
        command::tail(&fs::read_to_string(&self.options.log_file).unwrap_or_default())
    }

    /// The password of [`ROLE`].
    pub fn password(&self) -> &str {
        &self.options.password
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.options.port)
    }

    /// The URL of a database, password included: not for people's eyes.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}:{}@{}/{database}", self.options.password, self.address())
    }

    /// Creates an empty database and answers its URL.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.copy_database("template1", name)
    }

    /// Creates a database as a copy of another, to which nobody may be connected, and answers its
    /// URL: much faster than migrating each.
    pub fn copy_database(&self, template: &str, name: &str) -> Result<String> {
        let sql = format!("CREATE DATABASE {} TEMPLATE {}", quoted(name)?, quoted(template)?);
        self.psql(&self.url("postgres"), &sql)?;
        Ok(self.url(name))
    }

    /// Whether the database is there.
    pub fn has_database(&self, name: &str) -> Result<bool> {
        let sql = format!("SELECT 1 FROM pg_database WHERE datname = '{}'", quoted(name)?.trim_matches('"'));
        Ok(!self.psql(&self.url("postgres"), &sql)?.is_empty())
    }

    /// Runs SQL and answers the rows as text, column by column; NULL is the empty text.
    pub fn psql(&self, url: &str, sql: &str) -> Result<Rows> {
        psql::run(&self.bin, url, sql)
    }

    /// Opens a session that lasts over many statements: for a transaction that holds its locks while
    /// others run.
    pub fn session(&self, url: &str) -> Result<Session> {
        Session::open(&self.bin, url)
    }

    /// Runs SQL that answers one value.
    pub fn value(&self, url: &str, sql: &str) -> Result<String> {
        let mut rows = self.psql(url, sql)?;
        match (rows.pop(), rows.is_empty()) {
            (Some(mut row), true) if row.len() == 1 => Ok(row.remove(0)),
            (_, _) => bail!("not one value: {sql}"),
        }
    }

    fn launch(&self) -> Result<Process> {
        // `INT` is Postgres' fast shutdown; `TERM` would wait for every client to leave.
        let process = Launch::new("postgres", &self.bin.join("postgres"), &self.options.log_file)
            .args(server_args(&self.options))
            .user(self.user)
            .farewell("INT", STOP)
            .spawn()?;
        let listening = || TcpStream::connect(("127.0.0.1", self.options.port)).ok();
        process.until("Postgres to listen", START, listening)?;
        let url = self.url("postgres");
        process.until_every("Postgres to answer", START, PAUSE, || self.psql(&url, "SELECT 1").ok())?;
        Ok(process)
    }

    /// Beside its place first and then moved, so that a cluster which is there is whole.
    fn make_cluster(&self) -> Result<()> {
        let data = &self.options.data_dir;
        if data.exists() {
            return Ok(());
        }
        let fresh = data.with_extension("new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
        unprivileged::give(&fresh, self.user)?;
        self.initdb(&fresh)?;
        fs::rename(&fresh, data).with_context(|| format!("cannot create {}", data.display()))
    }

    fn initdb(&self, fresh: &Path) -> Result<()> {
        let password_file = fresh.with_extension("password");
        fs::write(&password_file, &self.options.password)?;
        unprivileged::give(&password_file, self.user)?;
        let mut initdb = Command::new(self.bin.join("initdb"));
        initdb.args(["--username", ROLE, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]);
        initdb.arg("--pgdata").arg(fresh).arg("--pwfile").arg(&password_file).current_dir("/");
        if !self.options.durable {
            initdb.arg("--no-sync");
        }
        unprivileged::as_user(&mut initdb, self.user);
        let made = command::stdout(&mut initdb);
        fs::remove_file(&password_file)?;
        made.map(drop)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    /// Stopped rather than killed: a killed server leaves shared memory behind for good.
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// No Unix socket: a path of ours may be longer than one may be.
fn server_args(options: &PostgresOptions) -> Vec<String> {
    let mut args = vec!["-D".to_owned(), options.data_dir.display().to_string()];
    let port = format!("port={}", options.port);
    let mut settings =
        vec![port.as_str(), "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=400"];
    if !options.durable {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
    }
    args.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
    args
}

/// The names that tests and we give: nothing that would need escaping.
fn quoted(name: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        bail!("a database name is made of a-z, 0-9 and _, not {name:?}");
    }
    Ok(format!("\"{name}\""))
}
