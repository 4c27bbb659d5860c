//! `cargo dev`: every part of Tenantry on this machine, and one purchase through all of them.
//!
//! Here: the command line, the signals and the exit code. What happens is in [`dev`].

mod dev;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use stack::{deadline, workspace};
use tokio::signal::unix::{SignalKind, signal};

/// After that long, whatever is left is left to its guard. Longer than all graces together: 5 s each
/// for the shim, the worker, the double and Temporal, 10 s for Postgres.
const HURRY: Duration = Duration::from_secs(35);

/// The exit code of a program that Ctrl-C ended before it was done.
const INTERRUPTED: u8 = 130;

/// Everything on one machine: Temporal with its UI, Postgres, a Stripe double, the worker and the
/// webhook shim, and a demo purchase and a change of it that go through all of them.
#[derive(Debug, Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev", after_help = HELP)]
struct Args {
    /// Exit after the demo: 0 if the tenant has what Stripe says, else 1
    #[arg(long)]
    once: bool,

    /// The first of seven ports: Temporal, its UI, Postgres, the Stripe double, the webhook shim,
    /// the worker's health and metrics, the shim's
    #[arg(long, value_name = "N", default_value_t = 7400, value_parser = clap::value_parser!(u16).range(1024..=65000))]
    port_base: u16,

    /// Where data, logs, settings and the lock are kept; tools stay in .dev/tools [default: .dev]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const HELP: &str = "\
The first start installs what is missing (Temporal, Postgres) into .dev/tools and builds the \
workspace; later starts take seconds and go on with the data in .dev/data.

While everything is ready, and only then, .dev/env is there and holds every setting:
  source .dev/env                      in another terminal

Logs are in .dev/logs. Ctrl-C stops everything. A worker or a shim that dies is started again, so
kill them as often as you like. To start over, stop it and remove .dev/data.

Own programs instead of the installed ones: TEMPORAL_CLI (the `temporal` CLI), PG_BIN (a folder
with postgres, initdb and psql, version 15 or later).

Examples:
  cargo dev                            start, buy, stay
  cargo dev --once                     start, buy, stop: for CI
  cargo dev --port-base 8400           beside another checkout's that uses the usual ports
  cargo dev --port-base 8400 --dir .dev/second
                                       beside this checkout's own";

fn main() -> ExitCode {
    let args = Args::parse();
    thread::spawn(heed_signals);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        // Whatever failed after the signal failed because of it.
        Err(_) if deadline::interrupted() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("cargo dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder is made absolute, because servers run in `/`.
fn run(args: Args) -> Result<()> {
    let dir = args.dir.map_or_else(|| Ok(workspace::dev_dir()), std::path::absolute)?;
    dev::run(args.port_base, &dir, args.once)
}

/// The first signal ends every wait, so that `dev` stops its servers in order; a second one, or too
/// long a goodbye, ends us at once, and the guards end the servers.
fn heed_signals() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        any_signal().await;
        deadline::interrupt();
        eprintln!("\nstopping ...");
        tokio::select! {
            () = any_signal() => {}
            () = tokio::time::sleep(HURRY) => {}
        }
    });
    std::process::exit(INTERRUPTED.into());
}

async fn any_signal() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut int), Ok(mut term), Ok(mut hup)] = kinds.map(signal) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
        _ = hup.recv() => {}
    }
}
