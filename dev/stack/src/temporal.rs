//! Temporal's development server, from the official CLI.

use std::ffi::OsStr;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process::{Launch, Process};
use crate::{command, tools};

/// The search attributes (all Keyword) that the workflows set; a server without them blocks every run.
pub const SEARCH_ATTRIBUTES: [&str; 4] = ["TenantId", "StripeCustomerId", "StripeSubscriptionId", "FailureKind"];

/// A first start makes the database; a loaded machine makes it slow.
const START: Duration = Duration::from_secs(60);

/// Between two times that the CLI is run to ask.
const PAUSE: Duration = Duration::from_millis(200);

/// What to start.
#[derive(Debug, Clone)]
pub struct TemporalOptions {
    /// Where gRPC listens, on 127.0.0.1.
    pub port: u16,
    /// Where the UI listens; without it there is none.
    pub ui_port: Option<u16>,
    /// Where runs are kept, for a later server to go on with; without it they end with the server.
    pub db_filename: Option<PathBuf>,
    /// Keyword search attributes to register.
    pub search_attributes: Vec<String>,
    /// How long closed runs are kept, e.g. `720h`; without it the server's own default.
    pub retention: Option<String>,
    /// Where the server's log goes.
    pub log_file: PathBuf,
}

impl TemporalOptions {
    /// In memory, without a UI, with the search attributes of the product.
    pub fn new(port: u16, log_file: &Path) -> Self {
        Self {
            port,
            ui_port: None,
            db_filename: None,
            search_attributes: SEARCH_ATTRIBUTES.map(String::from).to_vec(),
            retention: None,
            log_file: log_file.to_owned(),
        }
    }
}

/// A server that has answered; dropping it kills it.
#[derive(Debug)]
pub struct Temporal {
    cli: PathBuf,
    options: TemporalOptions,
    process: Process,
}

impl Temporal {
    /// Starts a server and waits until it answers.
    pub fn start(options: TemporalOptions) -> Result<Self> {
        let cli = tools::temporal_cli()?;
        let process = Launch::new("temporal", &cli, &options.log_file).args(server_args(&options)).spawn()?;
        let temporal = Self { cli, options, process };
        temporal.wait_until_it_answers()?;
        if let Some(retention) = &temporal.options.retention {
            temporal.cli(&["operator", "namespace", "update", "--namespace", "default", "--retention", retention])?;
        }
        Ok(temporal)
    }

    /// What `TEMPORAL_ADDRESS` takes.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.options.port)
    }

    /// Where its UI answers, if it has one.
    pub fn ui(&self) -> Option<String> {
        self.options.ui_port.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// The server's process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Runs the CLI against this server, whatever the user's own Temporal settings are, and answers
    /// its stdout.
    pub fn cli<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String> {
        command::stdout(&mut self.cli_command(args))
    }

    /// The command behind [`Temporal::cli`], for a caller that needs its exit code or its stderr.
    pub fn cli_command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(&self.cli);
        command.args(args).args(["--address", &self.address()]);
        command.args(["--disable-config-env", "--disable-config-file", "--color", "never"]);
        command
    }

    fn wait_until_it_answers(&self) -> Result<()> {
        let listening = || TcpStream::connect(("127.0.0.1", self.options.port)).ok();
        self.process.until("Temporal to listen", START, listening)?;
        let health = || self.cli(&["operator", "cluster", "health"]).ok();
        let serving = || health().is_some_and(|text| text.contains("SERVING")).then_some(());
        self.process.until_every("Temporal to answer", START, PAUSE, serving)
    }
}

fn server_args(options: &TemporalOptions) -> Vec<String> {
    let port = options.port.to_string();
    let mut args: Vec<String> =
        ["server", "start-dev", "--ip", "127.0.0.1", "--port", &port].map(String::from).to_vec();
    args.extend(["--log-level", "warn", "--ui-disable-news-fetch"].map(String::from));
    match options.ui_port {
        Some(ui_port) => args.extend(["--ui-port".to_owned(), ui_port.to_string()]),
        None => args.push("--headless".to_owned()),
    }
    if let Some(file) = &options.db_filename {
        args.extend(["--db-filename".to_owned(), file.display().to_string()]);
    }
    for name in &options.search_attributes {
        args.extend(["--search-attribute".to_owned(), format!("{name}=Keyword")]);
    }
    args
}
