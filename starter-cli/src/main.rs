//! `tenantry`: what an operator does by hand, one command per file.
//!
//! Every flag is parsed into a domain type before anything happens. Data goes to stdout, errors
//! to stderr, and the exit code says which kind of error ([`exit::Exit`]). What it leaves out:
//! the work itself, which is the workflows', and all SQL, which is the store's.

mod cli;
mod completions;
mod confirm;
mod database;
mod doctor;
mod events;
mod exit;
mod failure;
mod import;
mod license;
mod man;
mod migrate;
mod money;
mod ndjson;
mod operator;
mod output;
mod payload;
mod progress;
mod reconcile;
mod run;
mod runs;
mod schedule;
mod schema;
mod screen;
mod settings;
mod since;
#[cfg(test)]
mod snapshot;
mod standing;
mod start_tenant;
mod style;
mod table;
mod temporal;
mod tenant_show;
mod tenant_why;
mod ui;
mod wait;

use std::process::ExitCode;

use cli::{Cli, Command, Start, Tenant};
use exit::Exit;
use failure::Failure;
use output::Output;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Before the flags, of which one has its default in the environment.
    let dotenv = settings::load_dotenv();
    if completions::answered() {
        return Exit::Done.into();
    }
    log_to_stderr();
    obey(dotenv)
}

#[tokio::main(flavor = "current_thread")]
async fn obey(dotenv: Result<(), Failure>) -> ExitCode {
    let (output, command) = match cli::parse() {
        Ok(Cli { output, command }) => (output, command),
        Err(ended) => return ended.into(),
    };
    let done = match dotenv {
        Ok(()) => run(command, output).await,
        Err(failure) => Err(failure),
    };
    done.unwrap_or_else(|failure| failure.report(output)).into()
}

async fn run(command: Command, output: Output) -> Result<Exit, Failure> {
    match command {
        Command::Start(Start::Tenant(args)) => start_tenant::run(*args, output).await,
        Command::Tenant(Tenant::Show(args)) => tenant_show::run(args, output).await,
        Command::Tenant(Tenant::Why(args)) => tenant_why::run(args, output).await,
        Command::Import(command) => import::run(*command, output).await,
        Command::License(command) => license::run(*command, output).await,
        Command::Events(command) => events::run(*command, output).await,
        Command::Runs(command) => runs::run(*command, output).await,
        Command::Ui(args) => ui::run(args, output).await,
        Command::Reconcile(args) => reconcile::run(args, output).await,
        Command::Schedule(command) => schedule::run(command, output).await,
        Command::Migrate(args) => migrate::run(args, output).await,
        Command::Doctor => doctor::run(output).await,
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Silent unless `RUST_LOG` asks for more: stderr belongs to the errors, which scripts read.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
