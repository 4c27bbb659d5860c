//! `tenantry runs`: which runs there are, what became of each, why, and what to do about it.

mod filter;
mod found;
mod history;
mod list;
mod reader;
mod stuck;
mod wire;
mod workflow_type;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) use found::Found;
#[cfg(test)]
pub(crate) use workflow_type::WorkflowType;

/// What to do about runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List the latest run of each workflow id, and where it stands
    List(list::Args),
}

/// Does it.
pub(crate) async fn run(command: Runs, output: Output) -> Result<Exit, Failure> {
    match command {
        Runs::List(args) => list::run(args, output).await,
    }
}
