//! The alerts that no other section makes fire, and the page's own queries of Temporal.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{MASTER, Shim, World};
use stack::deadline;

use super::alerts::{HEADING, Scrape, alert, alerts, wait_until_it_fires};
use super::desk::Desk;

/// Those of which the test of another section waits until they fire.
const ELSEWHERE: [&str; 6] =
    ["OnboardingFailed", "StripeDown", "StripeKeyRefused", "NothingDelivered", "SignaturesFail", "WorkflowTaskFails"];

/// Those of this one, but for the worker's size.
const HERE: [&str; 5] = ["PostgresDown", "EventsWait", "EventsParked", "EventsFailed", "ProcessGone"];

const SIZE: &str = "WorkerIsLarge";

#[test]
pub(crate) fn every_alert_fires_when_it_should() -> Result<()> {
    let names: Vec<String> = alerts()?.into_iter().map(|alert| alert.name).collect();
    for name in &names {
        ensure!([&ELSEWHERE[..], &HERE, &[SIZE]].concat().contains(&name.as_str()), "nobody makes {name} fire");
    }
    ensure!(names.len() == ELSEWHERE.len() + HERE.len() + 1, "{names:?}");
    let world = World::named("ops-alerts").private_postgres().start()?;
    let shim = world.start_shim(&[])?;
    let rest = Scrape::of(&world, Some(&shim))?;
    size(&rest)?;
    let mut desk = Desk::open(&world, HEADING, &[("2026-11-22", "2026-01-01")])?;
    let counted = desk.next_block()?;
    ensure!(counted.iter().all(|said| said.stdout.starts_with("Total: ")), "{counted:?}");
    desk.next_block()?;
    desk.next_block()?;
    desk.done()?;
    without_postgres(&world, &rest, &shim)?;
    world.stop_worker()?;
    in_the_inbox(&world, &rest, &shim)?;
    wait_until_it_fires("ProcessGone", rest, &world, Some(&shim))
}

/// Nobody waits until it has grown; that it is told is enough.
fn size(rest: &Scrape) -> Result<()> {
    let alert = alert(SIZE)?;
    ensure!(alert.is_exposed(rest)? && !alert.fires(rest, rest)?, "a worker at rest: {}", alert.expr);
    Ok(())
}

/// Many at once, so that each of them is tried only a few times.
fn without_postgres(world: &World, rest: &Scrape, shim: &Shim) -> Result<()> {
    let purchases = (1..=8).map(|seats| world.stripe.buy(seats)).collect::<Result<Vec<_>>>()?;
    world.stop_postgres()?;
    let runs = purchases.iter().map(|purchase| world.onboard(purchase)).collect::<Result<Vec<_>>>()?;
    wait_until_it_fires("PostgresDown", rest.clone(), world, Some(shim))?;
    world.start_postgres()?;
    runs.iter().try_for_each(|run| run.result().map(drop))
}

/// Events that have waited for long, as the shim would leave them: nobody is there who could
/// settle the first of them.
fn in_the_inbox(world: &World, rest: &Scrape, shim: &Shim) -> Result<()> {
    for (status, customer) in [("pending", "NULL"), ("parked", "'cus_1Parked'"), ("failed", "NULL")] {
        world.rows(&format!(
            "INSERT INTO stripe_webhook_events (tenant, stripe_event_id, event_type, event_data, processing_status,
                 processing_error, object_id, stripe_customer_external_id, kind, livemode, stripe_created_at, created_at,
                 looked_again)
             VALUES ('{MASTER}', 'evt_1{status}', 'customer.subscription.updated', '{{}}', '{status}', 'a reason',
                 'sub_1{status}', {customer}, 'snapshot', false, now(), now() - interval '2 hours', true)"
        ))?;
    }
    for name in ["EventsWait", "EventsParked", "EventsFailed"] {
        wait_until_it_fires(name, rest.clone(), world, Some(shim))?;
    }
    let quiet = |name: &str| Ok::<_, anyhow::Error>(!alert(name)?.fires(rest, &Scrape::of(world, Some(shim))?)?);
    world.rows("DELETE FROM stripe_webhook_events")?;
    deadline::poll("the alerts to end", Duration::from_secs(120), || Ok(quiet("EventsFailed")?.then_some(())))
}
