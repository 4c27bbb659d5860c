//! How many signed events per second are accepted durably, and how long each waits for its answer.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::database::Database;
use crate::histogram::Histogram;
use crate::load::{self, Deliveries, Outcome, Window};
use crate::machine;
use crate::receiver::Receiver;
use crate::table::{self, mib, millis, spread};

/// How many connections send at once.
const CONNECTIONS: [usize; 3] = [1, 32, 256];
/// The level that the targets speak of.
const TARGET_CONNECTIONS: usize = 32;
const P99_MAX: Duration = Duration::from_millis(25);
const FACTOR_MIN: f64 = 3.0;
const MEMORY_MAX: u64 = 64 << 20;
/// Events signed for each second of a round, unless the last one was nearly that fast.
const SIGNED_PER_SEC: f64 = 20_000.0;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Rounds of each receiver at each level, in turns.
    pub(crate) rounds: usize,
    /// Of one round.
    pub(crate) window: Window,
}

/// All rounds of one receiver at one level.
#[derive(Debug, Default)]
struct Series {
    receiver: &'static str,
    connections: usize,
    rates: Vec<f64>,
    times: Histogram,
    refused: u64,
    /// Processor time of the receiver, of Postgres and of the load, in seconds.
    cpu: [f64; 3],
    log_flushes: f64,
    acknowledged: usize,
}

/// The receivers side by side, with Temporal away from the shim: Node hands nothing over either.
pub(crate) fn compare(database: &Database, plan: Plan) -> Result<()> {
    let (shim, node) = (Receiver::shim_alone(database)?, Receiver::node(database)?);
    let mut all = Vec::new();
    for connections in CONNECTIONS {
        let mut level = [Series::new(&shim, connections), Series::new(&node, connections)];
        for _ in 0..plan.rounds {
            for (receiver, series) in [&shim, &node].into_iter().zip(&mut level) {
                series.round(database, receiver, plan.window, &[])?;
                database.empty_inbox(&receiver.database)?;
            }
        }
        all.extend(level);
    }
    print(&all);
    print_targets(&all);
    print_memory(&[&shim, &node])
}

/// The shim alone, while it hands over to Temporal and a worker syncs; `settle` is called after
/// each round.
pub(crate) fn with_temporal(
    database: &Database,
    shim: &Receiver,
    plan: Plan,
    subscriptions: &[String],
    mut settle: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let mut all = Vec::new();
    for connections in CONNECTIONS {
        let mut series = Series::new(shim, connections);
        for _ in 0..plan.rounds {
            let acknowledged = series.round(database, shim, plan.window, subscriptions)?;
            settle(acknowledged)?;
            database.empty_inbox(&shim.database)?;
        }
        all.push(series);
    }
    print(&all);
    print_memory(&[shim])
}

impl Series {
    fn new(receiver: &Receiver, connections: usize) -> Self {
        Self { receiver: receiver.name, connections, ..Self::default() }
    }

    /// One round; answers how many events were acknowledged, after it has found each as a row.
    fn round(
        &mut self,
        database: &Database,
        receiver: &Receiver,
        window: Window,
        subscriptions: &[String],
    ) -> Result<usize> {
        let rate = self.rates.last().map_or(0.0, |rate| rate * 2.0).max(SIGNED_PER_SEC);
        let count = (rate * (window.warm_up + window.measured).as_secs_f64()) as usize;
        let deliveries = Deliveries::sign(next_number(count), count, subscriptions)?;
        let postgres = database.pid()?;
        let cpu = || {
            let own = machine::cpu_secs(receiver.pid());
            [own, machine::family_cpu_secs(postgres), machine::cpu_secs(std::process::id())]
        };
        let (before, flushes) = (cpu(), database.log_flushes()?);
        let (outcome, deliveries) = load::run(&receiver.address, self.connections, deliveries, window)?;
        for (sum, (after, before)) in self.cpu.iter_mut().zip(cpu().into_iter().zip(before)) {
            *sum += after - before;
        }
        self.log_flushes += database.log_flushes()? - flushes;
        find_rows(database, receiver, &outcome, &deliveries)?;
        let acknowledged = outcome.acknowledged.len();
        self.add(outcome, window)?;
        Ok(acknowledged)
    }

    fn add(&mut self, outcome: Outcome, window: Window) -> Result<()> {
        ensure!(outcome.window * 2 > window.measured, "the signed events ran out early; measure for longer");
        self.rates.push(outcome.rate());
        let (rate, p99) = (outcome.rate(), millis(outcome.times.percentile(0.99)));
        eprintln!("  {}, {} connection(s): {rate:.0} events/s, p99 {p99}", self.receiver, self.connections);
        self.times.merge(&outcome.times);
        self.refused += outcome.refused;
        self.acknowledged += outcome.acknowledged.len();
        Ok(())
    }

    fn row(&self) -> Vec<String> {
        let [least, median, greatest] = spread(&self.rates).map(|rate| format!("{rate:.0}"));
        let [own, postgres, load] = self.cpu.map(|secs| format!("{:.0}", secs * 1e6 / self.acknowledged as f64));
        let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(|share| millis(self.times.percentile(share)));
        let flushes = format!("{:.2}", self.log_flushes / self.acknowledged as f64);
        let (receiver, connections) = (self.receiver.to_owned(), self.connections.to_string());
        let refused = self.refused.to_string();
        vec![
            receiver,
            connections,
            least,
            median,
            greatest,
            half,
            most,
            nearly_all,
            refused,
            own,
            postgres,
            load,
            flushes,
        ]
    }
}

/// Every event of a process has another id.
fn next_number(count: usize) -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(count as u64, Ordering::Relaxed)
}

/// Fails if an event that was answered 2xx is not a row.
fn find_rows(database: &Database, receiver: &Receiver, outcome: &Outcome, deliveries: &Deliveries) -> Result<()> {
    let rows = database.event_ids(&receiver.database)?;
    let ids = outcome.acknowledged.iter().map(|&place| deliveries.event_id(place));
    let lost = ids.filter(|id| !rows.contains(id)).count();
    if lost > 0 {
        bail!("{} acknowledged {} events, and {lost} are not there", receiver.name, outcome.acknowledged.len());
    }
    Ok(())
}

fn print(all: &[Series]) {
    let heading = [
        "",
        "connections",
        "events/s min",
        "median",
        "max",
        "ack p50",
        "p99",
        "p99.9",
        "not 2xx",
        "µs CPU/event: own",
        "Postgres",
        "load",
        "flushes/event",
    ];
    table::print(&heading, &all.iter().map(Series::row).collect::<Vec<_>>());
    let acknowledged: usize = all.iter().map(|series| series.acknowledged).sum();
    println!("  Each of the {acknowledged} events that were answered 2xx was found as a row.");
}

fn print_targets(all: &[Series]) {
    let of = |name: &str| all.iter().find(|it| it.receiver == name && it.connections == TARGET_CONNECTIONS);
    let (Some(shim), Some(node)) = (of("shim"), of("node")) else { return };
    let p99 = shim.times.percentile(0.99);
    let factor = spread(&shim.rates)[1] / spread(&node.rates)[1];
    println!("  At {TARGET_CONNECTIONS} connections:");
    println!("    p99 of the ack       {:>10}  wanted: under {}  {}", millis(p99), millis(P99_MAX), met(p99 < P99_MAX));
    println!("    against Node's rate  {factor:>9.1}×  wanted: {FACTOR_MIN}×  {}", met(factor >= FACTOR_MIN));
}

fn print_memory(receivers: &[&Receiver]) -> Result<()> {
    for receiver in receivers {
        let peak = machine::peak_memory(receiver.pid())?;
        let target = match receiver.name {
            "shim" => format!("  wanted: under {} MiB  {}", MEMORY_MAX >> 20, met(peak < MEMORY_MAX)),
            _ => String::new(),
        };
        let (name, most, peak) = (receiver.name, CONNECTIONS[2], mib(peak));
        println!("  Most memory of the {name} at once, {most} connections included: {peak}{target}");
    }
    println!();
    Ok(())
}

/// How a target is answered.
pub(crate) fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}
