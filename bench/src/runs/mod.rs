//! Operators' work on failed runs: how long it takes to list them among ten thousand and what that
//! costs in memory, and how many a second a batch starts again, beside what the server does when
//! nothing holds it back.

mod office;
mod starts;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::acks::met;
use crate::database::Database;
use crate::machine;
use crate::table::{self, mib, spread};
use office::{Listed, Office};

/// How long listing failed runs may take.
const LIST_MAX: Duration = Duration::from_secs(2);
/// What the command may have at most meanwhile.
const LIST_MEMORY_MAX: u64 = 100 << 20;
/// Of each list; the middle one is told.
const ROUNDS: usize = 5;

/// Lets that many runs fail for good, and twice `replayed` for a cause that is mended, and does with
/// them what operators do.
pub(crate) fn measure(database: &Database, failed: usize, replayed: usize) -> Result<()> {
    let mut office = Office::open(database, failed, replayed)?;
    let lists = [("runs list --failed", None), ("runs list --failed --limit, all of them", Some(failed))];
    let listed: Vec<_> =
        lists.iter().map(|(name, limit)| Ok((*name, list(&office, *limit)?))).collect::<Result<_>>()?;
    print_lists(&listed, failed + 2 * replayed);
    office.mend()?;
    let batch = timed(|| office.replay_newest(replayed))?;
    let direct = timed(|| office.start_the_rest())?;
    ensure!(office.completed()? == 2 * replayed, "not every run was finished");
    print_rates(replayed, batch, direct, office.memory_of_temporal()?);
    Ok(())
}

fn list(office: &Office, limit: Option<usize>) -> Result<Vec<Listed>> {
    (0..ROUNDS).map(|_| office.list(limit)).collect()
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    work().map(|()| began.elapsed())
}

fn print_lists(listed: &[(&str, Vec<Listed>)], runs: usize) {
    let rows = listed.iter().map(|(name, rounds)| {
        let [least, middle, most] = spread(&rounds.iter().map(|one| one.secs).collect::<Vec<_>>());
        let memory = rounds.iter().map(|one| one.memory).max().unwrap_or_default();
        let shown = rounds.first().map_or(0, |one| one.runs);
        let secs = |secs: f64| format!("{secs:.2} s");
        vec![(*name).to_owned(), shown.to_string(), secs(least), secs(middle), secs(most), mib(memory)]
    });
    println!("  Of {runs} failed runs:\n");
    table::print(&["", "shown", "time: least", "middle", "most", "memory"], &rows.collect::<Vec<_>>());
    let Some((_, rounds)) = listed.first() else { return };
    let [_, middle, _] = spread(&rounds.iter().map(|one| one.secs).collect::<Vec<_>>());
    let memory = rounds.iter().map(|one| one.memory).max().unwrap_or_default();
    let (wanted, wanted_memory) = (LIST_MAX.as_secs_f64(), mib(LIST_MEMORY_MAX));
    println!("  The list: {middle:.2} s, wanted: under {wanted} s  {}", met(middle < wanted));
    println!("  Its memory: {}, wanted: under {wanted_memory}  {}\n", mib(memory), met(memory < LIST_MEMORY_MAX));
}

fn print_rates(runs: usize, batch: Duration, direct: Duration, temporal: u64) {
    let row = |name: &str, took: Duration| {
        let secs = took.as_secs_f64();
        vec![name.to_owned(), runs.to_string(), format!("{secs:.1} s"), format!("{:.1}", runs as f64 / secs)]
    };
    let rows = [
        row("runs replay --failed, at its highest rate", batch),
        row("the same runs started all at once: the server's own limit", direct),
    ];
    table::print(&["", "runs", "time", "runs/s"], &rows);
    println!("  Most memory of Temporal at once: {}", mib(temporal));
    println!("  Load of the machine: {}\n", machine::load_average());
}
