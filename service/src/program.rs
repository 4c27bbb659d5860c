//! How a program that keeps running begins, and how it is told to end.

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::logging;
use crate::settings::{load_dotenv, lookup};

/// Reads `.env`, starts the log, and serves; what ends it is logged. Call it before there is a second
/// thread: it writes into the environment.
pub fn run(serve: impl FnOnce() -> Result<()>) -> ExitCode {
    if let Err(error) = load_dotenv().map_err(anyhow::Error::new).and_then(|()| Ok(logging::start(lookup)?)) {
        eprintln!("ConfigurationError: {error}");
        return ExitCode::FAILURE;
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this process is to end.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for SIGTERM and SIGINT from now on.
    pub fn listen() -> Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
        let (sender, stop) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            sender.send_replace(true);
        });
        Ok(Self(stop))
    }

    /// Waits until a signal comes; one that came before counts.
    pub async fn signalled(&mut self) {
        // An error says that nobody listens any more, as when the runtime ends.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
