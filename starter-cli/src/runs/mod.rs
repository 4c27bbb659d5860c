//! `tenantry runs`: which runs there are, what became of each, why, and what to do about it.

mod cancel;
mod correction;
mod decision;
mod ending;
mod filter;
mod found;
mod history;
mod list;
mod reader;
mod replay;
mod replay_plan;
mod start_again;
mod stuck;
mod wire;
mod workflow_type;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// What to do about runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List the latest run of each workflow id, and where it stands
    List(list::Args),
    /// Start a failed run again, as it was or corrected
    Replay(replay::Args),
    /// End a run between two of its steps
    Cancel(cancel::Args),
}

/// Does it.
pub(crate) async fn run(command: Runs, output: Output) -> Result<Exit, Failure> {
    match command {
        Runs::List(args) => list::run(args, output).await,
        Runs::Replay(args) => replay::run(args, output).await,
        Runs::Cancel(args) => cancel::run(args, output).await,
    }
}
