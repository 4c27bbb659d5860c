//! `tenantry events`: what Stripe told us, what became of it, and how to have it handled again.

mod accounting;
mod filter;
mod hand_over;
mod list;
mod plan;
mod replay;
mod settled;
mod show;
mod words;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) use accounting::{Accounting, judge as judge_accounting};
pub(crate) use list::{Event, List, short};
pub(crate) use plan::Plan;
pub(crate) use settled::Replays;
pub(crate) use show::Shown;
pub(crate) use words::{age, length};

/// What to do about events.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// List the newest events of the inbox, and where each stands
    List(list::Args),
    /// Show one event: what it is, what became of it and why, what it changed
    Show(show::Args),
    /// Have events handled again: failed, parked or pending ones
    Replay(replay::Args),
    /// Compare what was received with what is there: nothing that was answered 2xx may be missing
    Accounting(accounting::Args),
}

/// Does it.
pub(crate) async fn run(command: Events, output: Output) -> Result<Exit, Failure> {
    match command {
        Events::List(args) => list::run(args, output).await,
        Events::Show(args) => show::run(args, output).await,
        Events::Replay(args) => replay::run(args, output).await,
        Events::Accounting(args) => accounting::run(args, output).await,
    }
}
