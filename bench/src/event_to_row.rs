//! How long after Stripe has answered a change the tenant's licence count says so.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use chrono::DateTime;
use serde_json::Value;

use crate::acks::met;
use crate::database::Database;
use crate::table;
use crate::town::{NAME, Subscription, Town};

const CHANGES_PER_SEC: u32 = 10;
/// Another quantity than before.
const QUANTITY: i64 = 11;
const P50_MAX: f64 = 150.0;

/// Moments of one change, in microseconds since 1970 by this machine's clock, in their order.
struct Change {
    /// The double has answered the request that changed the quantity.
    answered: i64,
    /// The statement that stored the event began.
    stored: i64,
    /// Temporal's start of the run.
    started: i64,
    /// The transaction that wrote the count began.
    writing: i64,
    /// It was about to commit; all that is left is one flush of the log.
    committed: i64,
}

/// What of the time is whose: from one moment to another.
type Span = (&'static str, fn(&Change) -> i64);

const SPANS: [Span; 5] = [
    ("answered → row of the event (delivery, signature, batch)", |it| it.stored - it.answered),
    ("row of the event → run started (ack, hand-over)", |it| it.started - it.stored),
    ("run started → count's transaction began (workflow task, step, read of Stripe)", |it| it.writing - it.started),
    ("count's transaction (locks, rows, count, audit)", |it| it.committed - it.writing),
    ("answered → committed: the whole way", |it| it.committed - it.answered),
];

/// How many tenants a measurement of so long needs: each changes once.
pub(crate) fn tenants(time: Duration) -> usize {
    (time.as_secs() * u64::from(CHANGES_PER_SEC)) as usize
}

/// Changes every subscription of the town once, ten a second, and prints how its rows followed.
pub(crate) fn measure(database: &Database, town: &Town) -> Result<()> {
    let answered = change_all(town)?;
    town.wait_for_counts(database, QUANTITY, answered.len())?;
    let changes = changes(database, &answered, &runs(town)?)?;
    ensure!(changes.len() == answered.len(), "{} of {} changes have an audit row", changes.len(), answered.len());
    print(&changes);
    Ok(())
}

/// When each subscription's change was answered. Each starts when it is due, whether or not the one
/// before is done.
fn change_all(town: &Town) -> Result<HashMap<&str, i64>> {
    let pause = Duration::from_secs(1) / CHANGES_PER_SEC;
    let began = Instant::now();
    thread::scope(|scope| {
        let mut under_way = Vec::new();
        for (subscription, number) in town.subscriptions.iter().zip(0..) {
            thread::sleep((began + pause * number).saturating_duration_since(Instant::now()));
            under_way.push((subscription, scope.spawn(|| change(town, subscription))));
        }
        let answered = under_way.into_iter().map(|(subscription, change)| {
            let answered = change.join().ok().context("a change panicked")??;
            Ok((subscription.id.as_str(), answered))
        });
        answered.collect()
    })
}

fn change(town: &Town, subscription: &Subscription) -> Result<i64> {
    let quantity = QUANTITY.to_string();
    let form = [("items[0][id]", subscription.item.as_str()), ("items[0][quantity]", &quantity)];
    town.stripe.post(&format!("/subscriptions/{}", subscription.id), &form)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_micros())?)
}

/// When each run started, as Temporal tells it.
fn runs(town: &Town) -> Result<HashMap<String, i64>> {
    let query = "WorkflowType = 'syncSubscriptionWorkflow'";
    let listed = town.temporal.cli(&["workflow", "list", "--query", query, "--limit", "100000", "--output", "json"])?;
    let listed: Vec<Value> = serde_json::from_str(&listed)?;
    let started = listed.iter().map(|run| {
        let id = run["execution"]["runId"].as_str().context("a run has an id")?;
        let at = run["startTime"].as_str().context("a run has a start")?;
        Ok((id.to_owned(), DateTime::parse_from_rfc3339(at)?.timestamp_micros()))
    });
    started.collect()
}

fn changes(database: &Database, answered: &HashMap<&str, i64>, runs: &HashMap<String, i64>) -> Result<Vec<Change>> {
    let micros = |moment: &str| format!("(extract(epoch FROM {moment}) * 1000000)::bigint");
    let sql = format!(
        "SELECT l.stripe_subscription_external_id, l.run_id, {}, {}, {}
         FROM license_changes l JOIN stripe_webhook_events e ON e.stripe_event_id = l.event_ids[1]
         WHERE l.to_count = {QUANTITY}",
        micros("e.created_at"),
        micros("l.changed_at"),
        micros("pg_xact_commit_timestamp(l.xmin)"),
    );
    let rows = database.sql(NAME, &sql)?;
    let change = |row: &Vec<String>| {
        let [subscription, run, moments @ ..] = row.as_slice() else { return Err(anyhow::anyhow!("a row is short")) };
        let moment = |place: usize| moments[place].parse::<i64>().context("a moment is missing");
        Ok(Change {
            answered: *answered.get(subscription.as_str()).context("a change that nobody made")?,
            started: *runs.get(run).context("a run that Temporal does not list")?,
            stored: moment(0)?,
            writing: moment(1)?,
            committed: moment(2)?,
        })
    };
    rows.iter().map(change).collect()
}

fn print(changes: &[Change]) {
    let mut rows = Vec::new();
    let mut median = 0.0;
    for (name, span) in SPANS {
        let mut times: Vec<f64> = changes.iter().map(|change| span(change) as f64 / 1e3).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        median = at(0.5);
        rows.push(
            [name.to_owned()]
                .into_iter()
                .chain([0.5, 0.9, 0.99, 1.0].map(|share| format!("{:.1} ms", at(share))))
                .collect(),
        );
    }
    table::print(&["", "p50", "p90", "p99", "max"], &rows);
    println!("  {} changes of different subscriptions, {CHANGES_PER_SEC} a second.", changes.len());
    println!("  p50 of the whole way {median:.1} ms, wanted: under {P50_MAX} ms  {}\n", met(median < P50_MAX));
}
