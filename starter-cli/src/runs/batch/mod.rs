//! `tenantry runs batch`: the jobs that start failed runs again, which `runs replay --failed` begins.

pub(super) mod candidates;
pub(super) mod finish;
mod follow;
mod list;
mod look;
pub(super) mod plan;
pub(super) mod report;
mod resume;
mod show;
pub(super) mod start;
mod stop;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) use list::Batches;
pub(crate) use plan::Plan;
pub(crate) use report::{BatchReport, ItemReport, Replayed};
pub(crate) use stop::Stopping;

/// What to do about batches.
#[derive(Debug, Subcommand)]
pub(crate) enum Batch {
    /// List the newest batches, and how far each is
    List(list::Args),
    /// Show a batch: who began it and why, and what became of each run
    Show(show::Args),
    /// Have a batch start nothing more; what it has started goes on
    Stop(stop::Args),
    /// Have a batch go on with what it has not started
    Resume(resume::Args),
}

/// Does it.
pub(super) async fn run(command: Batch, output: Output) -> Result<Exit, Failure> {
    match command {
        Batch::List(args) => list::run(args, output).await,
        Batch::Show(args) => show::run(args, output).await,
        Batch::Stop(args) => stop::run(args, output).await,
        Batch::Resume(args) => resume::run(args, output).await,
    }
}
