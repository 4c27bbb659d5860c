//! `tenantry runs`: which runs there are, what became of each, why, and what to do about it.

pub(crate) mod batch;
mod cancel;
mod correction;
mod decision;
mod ending;
mod explanation;
mod filter;
mod found;
mod history;
mod list;
mod next_command;
mod reader;
mod replay;
mod replay_failed;
mod replay_plan;
mod resolve;
mod show;
mod start_again;
mod stuck;
mod timeline;
mod verdict;
mod watch;
mod why;
mod wire;
mod workflow_type;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) use cancel::Cancelled;
pub(crate) use filter::{Filter, failure_kind, is, ours, workflow_type};
pub(crate) use found::Found;
pub(crate) use replay_plan::Plan;
pub(crate) use resolve::{Which, ids_beginning_with};
pub(crate) use show::Shown;
pub(crate) use why::Why;
pub(crate) use workflow_type::WorkflowType;

/// What to do about runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List the latest run of each workflow id, and where it stands
    List(list::Args),
    /// Show one run: its steps with their tries, what went in and what came out
    Show(show::Args),
    /// Explain why a run stands where it stands, and what to do about it
    Why(why::Args),
    /// Follow a run until it ends
    Watch(watch::Args),
    /// Start a failed run again, as it was or corrected; with --failed, all that failed
    Replay(Box<replay::Args>),
    /// Look at batches of such starts, stop them, resume them
    #[command(subcommand)]
    Batch(Box<batch::Batch>),
    /// End a run between two of its steps
    Cancel(cancel::Args),
}

/// Does it.
pub(crate) async fn run(command: Runs, output: Output) -> Result<Exit, Failure> {
    match command {
        Runs::List(args) => list::run(args, output).await,
        Runs::Show(args) => show::run(args, output).await,
        Runs::Why(args) => why::run(args, output).await,
        Runs::Watch(args) => watch::run(args, output).await,
        Runs::Replay(args) => replay::run(*args, output).await,
        Runs::Batch(command) => batch::run(*command, output).await,
        Runs::Cancel(args) => cancel::run(args, output).await,
    }
}
