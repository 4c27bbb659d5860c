//! Reconciliation and events: what was never delivered comes all the same, and what is too old goes.

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, World};
use serde_json::json;

use crate::reconcile::{onboarded, reconcile};

/// A month and a bit, in seconds.
const PAST_THE_HORIZON: u64 = 31 * 24 * 60 * 60;

fn wired(name: &str) -> Result<(World, e2e::Line, e2e::Shim, Purchase)> {
    let world = World::named(name).private_temporal().start()?;
    let (line, shim) = world.wired()?;
    let (purchase, _) = onboarded(&world, 10)?;
    world.wait_until_settled()?;
    Ok((world, line, shim, purchase))
}

/// Changes the quantity, and no endpoint hears of it.
fn change_unheard(world: &World, purchase: &Purchase, quantity: i64) -> Result<String> {
    world.stripe.delivery_policy(&json!({"drop": {}}))?;
    world.stripe.set_quantity(&purchase.subscription, quantity)?;
    world.stripe.delivery_policy(&json!({"retry_ms": 300}))?;
    let newest = &world.stripe.events("customer.subscription.updated")?[0];
    Ok(newest["id"].as_str().context("no event")?.to_owned())
}

/// An event that never came is fed from Stripe's list, counted as received, and settles by itself.
#[test]
fn an_event_that_was_never_delivered_is_fed_and_settles() -> Result<()> {
    let (world, _line, _shim, purchase) = wired("rec-fed")?;
    reconcile(&world, &[], 0)?;
    let missed = change_unheard(&world, &purchase, 12)?;
    ensure!(world.event_row(&missed)?.is_none(), "it was delivered");
    let (document, found) = reconcile(&world, &[], 6)?;
    ensure!(found.len() == 2 && document["result"]["events_fed"].as_u64() >= Some(1), "{document}");
    world.wait_for_count(&purchase.customer, 12)?;
    world.wait_until_settled()?;
    ensure!(world.event_row(&missed)?.is_some_and(|(status, _)| status == "completed"), "{missed} is not settled");
    world.assert_accounted()?;
    let (document, found) = reconcile(&world, &[], 0)?;
    ensure!(found.is_empty() && document["result"]["events_fed"] == 0, "{document}");
    Ok(())
}

/// Killed between the page and its answer, the next worker goes on behind the page: the cursor moved
/// with the events, or not at all.
#[test]
fn the_cursor_survives_a_kill_on_either_side_of_its_step() -> Result<()> {
    let (world, _line, _shim, purchase) = wired("rec-cursor")?;
    reconcile(&world, &[], 0)?;
    for (n, place) in ["before:walkEvents", "after:walkEvents"].into_iter().enumerate() {
        let quantity = 20 + n as i64;
        let missed = change_unheard(&world, &purchase, quantity)?;
        world.stop_worker()?;
        let folder = stack::scratch::folder(&format!("rec-cursor-{n}"))?;
        let dir = folder.to_str().context("a path")?;
        world.start_worker(&[("TENANTRY_HOLD_AT", place), ("TENANTRY_HOLD_DIR", dir)])?;
        world.tenantry(&["reconcile", "--no-wait"])?.exits(0)?;
        stack::deadline::poll("the worker to stop", std::time::Duration::from_secs(60), || {
            Ok(std::fs::read_to_string(folder.join("held")).ok().filter(|place| !place.is_empty()))
        })?;
        world.kill_worker()?;
        world.start_worker(&[])?;
        world.run("reconcile").result()?;
        world.wait_for_count(&purchase.customer, quantity)?;
        world.wait_until_settled()?;
        ensure!(world.event_row(&missed)?.is_some(), "{missed} was lost at {place}");
    }
    world.assert_accounted()
}

/// Nobody walked for a month: Stripe has forgotten the last event that was seen. The walk begins at
/// the horizon, and what is behind it stays unknown.
#[test]
fn after_a_month_the_walk_begins_at_the_horizon() -> Result<()> {
    let (world, _line, _shim, purchase) = wired("rec-horizon")?;
    world.stripe.advance(20 * 60)?;
    change_unheard(&world, &purchase, 11)?;
    reconcile(&world, &[], 6)?;
    world.wait_for_count(&purchase.customer, 11)?;
    world.wait_until_settled()?;
    ensure!(world.value("SELECT count(*) FROM cursors")? == "1", "nothing was seen that could be forgotten");
    let forgotten = change_unheard(&world, &purchase, 12)?;
    world.stripe.delivery_policy(&json!({"drop": {}}))?;
    world.stripe.advance(PAST_THE_HORIZON)?;
    let listed = change_unheard(&world, &purchase, 13)?;
    reconcile(&world, &[], 6)?;
    world.wait_for_count(&purchase.customer, 13)?;
    world.wait_until_settled()?;
    ensure!(world.event_row(&listed)?.is_some(), "{listed} is not fed");
    ensure!(world.event_row(&forgotten)?.is_none(), "{forgotten} is older than Stripe's list");
    world.assert_accounted()
}

/// More than a page in each direction: back to the horizon, and forward from the last event.
#[test]
fn the_walk_reads_all_pages_in_both_directions() -> Result<()> {
    let world = World::named("rec-pages").private_temporal().start()?;
    let (purchase, _) = onboarded(&world, 10)?;
    let change = |from: i64| (from..from + 130).try_for_each(|n| world.stripe.set_quantity(&purchase.subscription, n));
    change(100)?;
    let told = || Ok::<_, anyhow::Error>(world.stripe.events("customer.subscription.updated")?.len());
    let fed =
        || world.value("SELECT count(*) FROM stripe_webhook_events WHERE event_type = 'customer.subscription.updated'");
    world.tenantry(&["reconcile"])?;
    ensure!(fed()? == told()?.to_string(), "{} of {}", fed()?, told()?);
    change(300)?;
    world.tenantry(&["reconcile"])?;
    ensure!(fed()? == told()?.to_string(), "{} of {}", fed()?, told()?);
    ensure!(told()? >= 260, "too few to need pages");
    Ok(())
}

/// Settled events older than the retention go, the books add up, and what waits is kept.
#[test]
fn old_settled_events_are_pruned_and_the_books_add_up() -> Result<()> {
    let (world, _line, _shim, purchase) = wired("rec-prune")?;
    world.stripe.set_quantity(&purchase.subscription, 11)?;
    world.wait_for_count(&purchase.customer, 11)?;
    world.wait_until_settled()?;
    reconcile(&world, &[], 0)?;
    let (before, _) = world.events_and_receipts()?;
    let pair = world.rows(
        "SELECT thin.stripe_event_id, thin.snapshot_event_id FROM stripe_webhook_events thin
         JOIN stripe_webhook_events snapshot ON snapshot.stripe_event_id = thin.snapshot_event_id
         WHERE thin.object_id IS NOT NULL LIMIT 1",
    )?;
    let [open, twin] = [&pair[0][0], &pair[0][1]];
    world.rows(&format!(
        "UPDATE stripe_webhook_events SET processing_status = 'failed' WHERE stripe_event_id = '{open}'"
    ))?;
    world.rows("UPDATE stripe_webhook_events SET created_at = now() - interval '89 days', processed_at = now() - interval '89 days'")?;
    let (document, _) = reconcile(&world, &[], 0)?;
    ensure!(document["result"]["events_pruned"] == 0, "pruned too early: {document}");
    world.rows("UPDATE stripe_webhook_events SET created_at = now() - interval '91 days', processed_at = now() - interval '91 days'")?;
    let (document, _) = reconcile(&world, &[], 0)?;
    let kept = world.rows("SELECT stripe_event_id FROM stripe_webhook_events ORDER BY processing_status")?;
    ensure!(kept.len() == 2 && kept.concat().contains(twin), "kept: {kept:?}, the twin of the open one is {twin}");
    ensure!(document["result"]["events_pruned"] == before - 2, "{document} of {before}");
    let (events, receipts) = world.events_and_receipts()?;
    ensure!((events, receipts) == (2, 2), "{events} events, {receipts} received");
    world.tenantry(&["events", "accounting"])?.exits(0)?;
    Ok(())
}
