//! `cargo measure`: what the product promises about time and memory, measured on this machine and
//! printed, side by side with what it is compared to.
//!
//! Nothing here is a test: figures depend on the machine and on what else it does.

mod acks;
mod database;
mod event_to_row;
mod fsync;
mod histogram;
mod import;
mod load;
mod machine;
mod receiver;
mod runs;
mod table;
mod town;

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Parser, ValueEnum};
use stack::{binaries, deadline};

use crate::acks::Plan;
use crate::database::Database;
use crate::load::Window;
use crate::table::{mib, millis};
use crate::town::{NAME, Town};

/// Measures the shim and the import beside programs for Node, the way from a change to the row, and
/// what operators do with failed runs
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these parts; all, if none is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// About a minute for everything, to see that it runs; its figures mean little
    #[arg(long)]
    quick: bool,
    /// Rounds of the shim and of the Node handler, in turns, at each number of connections
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Seconds of one round, after its warm-up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    secs: u8,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Events per second and the time of the ack, beside the Node handler; memory
    Acks,
    /// The same of the shim alone, while it hands over to Temporal and a worker syncs
    HandOver,
    /// From a change at Stripe to `licensed_user_count`
    EventToRow,
    /// Tenants per second of a full import, beside a script in Node; memory of the worker
    Import,
    /// Listing failed runs among ten thousand, and how many a second a batch starts again
    Runs,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    binaries::binary("webhook")?;
    let database = Database::start()?;
    machine::print(database.folder())?;
    print_commits(&database, if arguments.quick { 1 } else { 3 })?;
    if arguments.wants(Part::Acks) {
        under("Acks, Temporal away: the shim and the Node handler in turns");
        acks::compare(&database, arguments.plan())?;
    }
    if arguments.wants(Part::Import) {
        let (tenants, by_script) = if arguments.quick { (1_000, 50) } else { (10_000, 500) };
        under("An import of every tenant, and a script that does the same");
        import::measure(&database, tenants, by_script)?;
    }
    if arguments.wants(Part::Runs) {
        let (failed, replayed) = if arguments.quick { (1_000, 60) } else { (10_000, 600) };
        under("Failed runs: listing them, and starting them again");
        runs::measure(&database, failed, replayed)?;
    }
    if arguments.wants(Part::HandOver) || arguments.wants(Part::EventToRow) {
        in_town(&arguments, &database)?;
    }
    println!("Load of the machine at the end: {}", machine::load_average());
    Ok(())
}

/// The parts that need everything to run.
fn in_town(arguments: &Arguments, database: &Database) -> Result<()> {
    let time = Duration::from_secs(if arguments.quick { 5 } else { 60 });
    let town = Town::start(database, event_to_row::tenants(time))?;
    if arguments.wants(Part::EventToRow) {
        under("From a change at Stripe to the licence count");
        event_to_row::measure(database, &town)?;
    }
    if arguments.wants(Part::HandOver) {
        under("Acks of the shim while Temporal and a worker run");
        let subscriptions: Vec<String> = town.subscriptions.iter().map(|it| it.id.clone()).collect();
        // One round each: what is acknowledged in seconds takes Temporal minutes to work off.
        let plan = Plan { rounds: 1, ..arguments.plan() };
        acks::with_temporal(database, &town.shim, plan, &subscriptions, |acknowledged| {
            wait_until_settled(database, acknowledged)
        })?;
        for (name, pid) in town.others() {
            println!("  Most memory of the {name} at once: {}", mib(machine::peak_memory(pid)?));
        }
        println!();
    }
    Ok(())
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    fn plan(&self) -> Plan {
        let secs = |secs: f64| Duration::from_secs_f64(secs);
        match self.quick {
            true => Plan { rounds: 1, window: Window { warm_up: secs(0.5), measured: secs(1.0) } },
            false => Plan {
                rounds: self.rounds.into(),
                window: Window { warm_up: secs(1.0), measured: secs(self.secs.into()) },
            },
        }
    }
}

/// A heading, and how busy the machine is before it.
fn under(heading: &str) {
    println!("{heading}  (load of the machine before: {})\n", machine::load_average());
}

fn print_commits(database: &Database, secs: u64) -> Result<()> {
    println!("Commits   {}", database.assert_durable()?);
    let times = fsync::measure(database.folder(), Duration::from_secs(secs))?;
    let [half, most] = [0.5, 0.99].map(|share| millis(times.percentile(share)));
    let rate = times.total() / secs;
    println!("fsync     8 KiB and fdatasync, one after the other: {rate} a second, p50 {half}, p99 {most}\n");
    Ok(())
}

/// Lets the backlog of a round drain before the next, and says how long that took.
fn wait_until_settled(database: &Database, acknowledged: usize) -> Result<()> {
    let began = Instant::now();
    let waiting = "SELECT count(*) FROM stripe_webhook_events WHERE processing_status = 'pending'";
    let left: u64 = database.value(NAME, waiting)?.parse()?;
    deadline::poll_every("the backlog to be settled", Duration::from_secs(600), Duration::from_millis(500), || {
        Ok((database.value(NAME, waiting)? == "0").then_some(()))
    })?;
    let secs = began.elapsed().as_secs_f64();
    println!(
        "  of {acknowledged} acknowledged events {left} were not settled at the round's end, and all {secs:.1} s later"
    );
    Ok(())
}
