//! What one change at Stripe costs us, in reads of Stripe and in Temporal's history.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Run, World};
use serde_json::json;
use stack::deadline;

/// One read takes what came before it, one more what came while it was under way.
const READS_MAX: usize = 2;
/// What stands in a history beside signals and workflow tasks, with two reads: start and end, two
/// search attributes, and either read scheduled, started and completed.
const OTHER_EVENTS: usize = 10;
/// Workflow tasks with two reads: one at the start and one for each answer. A signal may wake one more.
const TASKS: usize = 3;
/// A task that was scheduled, started and completed.
const OF_A_TASK: usize = 3;

/// However often it is told: by whole objects, by thin events, by invoices, and each several times.
#[test]
fn a_change_costs_at_most_two_reads_and_a_short_history() -> Result<()> {
    let world = World::named("budget").start()?;
    let line = world.line(None)?;
    // What was handed over is not handed over again while its read is held.
    let _shim = world.start_shim_on(&line, &[("EVENT_REDISPATCH_AFTER", "10m")])?;
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    world.wait_until_settled()?;
    let run = world.run(&format!("sync-subscription-{}", purchase.subscription));
    run.result()?;
    let before: usize = world.events_and_receipts()?.0.try_into()?;
    world.stripe.delivery_policy(&json!({"hold": {}}))?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    let hold = world.stripe.hold_all("GET", &format!("/v1/subscriptions/{}", purchase.subscription))?;
    let news: Vec<_> = world.stripe.release_all()?.into_iter().filter(|one| is_heard(&one.kind)).collect();
    world.stripe.wait_until_held(&hold)?;
    for one in &news {
        let endpoint = if one.kind.starts_with("v1.") { &line.thin } else { &line.snapshot };
        world.stripe.redeliver(&one.event, &endpoint.id, 5, true)?;
    }
    wait_until_handed_over(&world, before)?;
    world.stripe.release(&hold)?;
    world.wait_for_count(&purchase.customer, 12)?;
    world.wait_until_settled()?;
    let cost = Cost::of(&run)?;
    eprintln!("{} tellings of {} events cost {cost:?}", 6 * news.len(), news.len());
    ensure!(news.len() >= 3 && cost.signals >= news.len(), "{cost:?} of {news:?}");
    // One whose answer was lost may have been handed over a second time, but not a third.
    ensure!(cost.signals <= 2 * news.len(), "each telling was a signal: {cost:?}");
    ensure!((1..=READS_MAX).contains(&cost.reads), "{cost:?}");
    ensure!(cost.tasks < TASKS + cost.signals, "{cost:?}");
    ensure!(cost.events <= OTHER_EVENTS + cost.signals + OF_A_TASK * cost.tasks, "{cost:?}");
    world.assert_accounted()
}

/// What a run took.
#[derive(Debug)]
struct Cost {
    reads: usize,
    events: usize,
    tasks: usize,
    signals: usize,
}

impl Cost {
    fn of(run: &Run) -> Result<Self> {
        run.result()?;
        Ok(Self {
            // As steps: how often one is tried says more of the machine.
            reads: run.count_events("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED")?,
            events: run.events()?.len(),
            tasks: run.count_events("EVENT_TYPE_WORKFLOW_TASK_COMPLETED")?,
            signals: run.count_events("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED")?,
        })
    }
}

/// Whether somebody of ours is concerned by events of that type.
fn is_heard(kind: &str) -> bool {
    kind.contains("customer.subscription.") || ["invoice.paid", "invoice.payment_succeeded"].contains(&kind)
}

/// All that was told is in the inbox, and Temporal has what is to be looked at.
fn wait_until_handed_over(world: &World, before: usize) -> Result<()> {
    let waiting = "SELECT count(*) FILTER (WHERE dispatched_at IS NULL), count(*) FROM stripe_webhook_events
                   WHERE processing_status = 'pending'";
    deadline::poll("every event to be handed over", Duration::from_secs(60), || {
        let row = world.rows(waiting)?.remove(0);
        let on_the_way = world.stripe.deliveries("state=pending")?.len();
        let is_new = usize::try_from(world.events_and_receipts()?.0)? > before;
        Ok((is_new && on_the_way == 0 && row[0] == "0" && row[1] != "0").then_some(()))
    })
}
