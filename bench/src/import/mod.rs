//! An import of everything: tenants a second, the worker's memory meanwhile, and how often Stripe is
//! asked; beside it the way that a script goes, tenant by tenant.

mod city;
mod script;
mod watch;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::acks::met;
use crate::database::Database;
use crate::table::{self, mib};
use city::City;
use script::Script;
use watch::Watched;

/// What Stripe takes to answer.
const ANSWER_MS: u64 = 20;
/// What one worker may have at most while it imports.
const MEMORY_MAX: u64 = 150 << 20;
const READS_PER_TENANT_MAX: f64 = 0.05;
const READS_OF_ONE_MAX: usize = 3;

/// Imports that many tenants, one more alone, and has the script do a share of them.
pub(crate) fn measure(database: &Database, tenants: usize, by_script: usize) -> Result<()> {
    let city = City::build(database, tenants)?;
    city.stripe.answer_after(ANSWER_MS)?;
    city.stripe.forget_requests()?;
    let ours = city.import_all(database)?;
    let (reads, tags) = (city.asked("GET")?, city.asked("POST")?);
    let totals = &ours.result["result"]["totals"];
    ensure!(totals["imported"] == tenants, "not everything was imported: {}", ours.result);
    city.welcome(database)?;
    city.stripe.forget_requests()?;
    city.import_one()?;
    let reads_of_one = city.asked("GET")?;
    let script = script::run(database, &city, by_script)?;
    print(&ours, tenants, tags, &script);
    let per_tenant = reads as f64 / tenants as f64;
    println!(
        "  Stripe was read {reads} times for {tenants} tenants, {per_tenant:.4} for each, wanted: {READS_PER_TENANT_MAX} at most  {}",
        met(per_tenant <= READS_PER_TENANT_MAX)
    );
    println!(
        "  One tenant alone: {reads_of_one} reads, wanted: {READS_OF_ONE_MAX} at most  {}",
        met(reads_of_one <= READS_OF_ONE_MAX)
    );
    let most = ours.memory.most;
    println!(
        "  Most memory of the worker: {}, wanted: under {}  {}\n",
        mib(most),
        mib(MEMORY_MAX),
        met(most < MEMORY_MAX)
    );
    Ok(())
}

fn print(ours: &Watched, tenants: usize, tags: usize, script: &Script) {
    let rate = |tenants: usize, secs: f64| format!("{:.0}", tenants as f64 / secs);
    let memory = |memory: &watch::Memory| [memory.start, memory.most, memory.end].map(mib);
    let [start, most, end] = memory(&ours.memory);
    let [script_start, script_most, script_end] = memory(&script.memory);
    let row = |name: &str, tenants: usize, secs: f64, tags: usize, memory: [&str; 3]| {
        let mut row =
            vec![name.to_owned(), tenants.to_string(), format!("{secs:.1} s"), rate(tenants, secs), tags.to_string()];
        row.extend(memory.map(str::to_owned));
        row
    };
    let rows = [
        row("import, until all rows are written", tenants, ours.rows_secs, 0, [&start, "", ""]),
        row("import, tags at Stripe included", tenants, ours.secs, tags, ["", &most, &end]),
        row(
            "Node, tenant by tenant, without tags",
            script.tenants,
            script.secs,
            0,
            [&script_start, &script_most, &script_end],
        ),
    ];
    let heading = ["", "tenants", "time", "tenants/s", "tags", "memory: start", "most", "end"];
    table::print(&heading, &rows);
    println!("  Stripe answers after {ANSWER_MS} ms and has no limit.");
}

/// A number in a document.
fn number(document: &Value, field: &str) -> usize {
    document[field].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}
