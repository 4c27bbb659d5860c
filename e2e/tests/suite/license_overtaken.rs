//! Somebody else is faster in the very middle of a change of licences, or its answer is lost there:
//! nothing of ours undoes their number later, and nothing that was begun stays behind.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Ending, Run, Tenant, World};
use serde_json::{Value, json};

const SCHEDULES: &str = "/v1/subscription_schedules";

fn schedule(world: &World, tenant: &Tenant) -> Result<Value> {
    Ok(world.stripe.get(&format!("/subscriptions/{}", tenant.purchase.subscription))?["schedule"].clone())
}

/// Ten licences, perhaps with a decrease that waits, and a change of them that stops at the place.
fn stopped_at(world: &World, place: &str, waiting: Option<i64>, quantity: i64) -> Result<(Tenant, Run)> {
    let tenant = world.tenant_with(10)?;
    waiting.map(|waiting| world.change_licenses(&tenant, waiting)).transpose()?;
    // The steps of the preparation are not held.
    world.stop_worker()?;
    world.start_worker(&[("TENANTRY_HOLD_AT", place)])?;
    let run = world.start_license_change(&tenant.id, quantity, &json!({}))?;
    ensure!(world.wait_until_held()? == place, "held elsewhere than at {place}");
    Ok((tenant, run))
}

fn ends_cancelled(run: &Run) -> Result<()> {
    let ending = run.ending(Duration::from_secs(90))?;
    ensure!(ending == Ending::Cancelled, "{ending:?}");
    Ok(())
}

/// The dashboard sets the very number that was asked for, while a decrease still waits.
#[test]
fn what_waited_does_not_undo_the_number_that_somebody_else_set() -> Result<()> {
    for (place, waiting, asked) in [("before:releaseSchedule", 6, 15), ("before:writeSchedule", 4, 6)] {
        let world = World::named(&format!("license-same-{asked}")).start()?;
        let (tenant, run) = stopped_at(&world, place, Some(waiting), asked)?;
        world.stripe.set_quantity(&tenant.purchase.subscription, asked)?;
        world.release()?;
        let result = run.result().context(place)?;
        ensure!(result["outcome"] == "changed" && result["taken_back"] == waiting, "{place}: {result}");
        world.assert_licenses(&tenant, asked, None).context(place)?;
        ensure!(schedule(&world, &tenant)?.is_null(), "{place}: a schedule is left behind");
    }
    Ok(())
}

/// The number that a run was decided on is the first attempt's, also where that died at once.
#[test]
fn a_second_attempt_does_not_decide_anew() -> Result<()> {
    let world = World::named("license-decided").start()?;
    let (tenant, run) = stopped_at(&world, "after:resolveLicenseChange", None, 15)?;
    world.kill_worker()?;
    world.stripe.set_quantity(&tenant.purchase.subscription, 20)?;
    world.start_worker(&[])?;
    let (kind, message) = run.failure()?;
    ensure!(kind == "ConflictError" && message.contains("it was decided on 10"), "{kind}: {message}");
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (20, None));
    Ok(())
}

/// The worker died before it could be told which schedule was made.
#[test]
fn a_schedule_whose_making_was_never_answered_is_released() -> Result<()> {
    let world = World::named("license-unanswered").start()?;
    let tenant = world.tenant_with(10)?;
    let hold = world.stripe.hold("POST", SCHEDULES, "after", 0)?;
    let run = world.start_license_change(&tenant.id, 6, &json!({}))?;
    world.stripe.wait_until_held(&hold)?;
    world.kill_worker()?;
    world.stripe.release(&hold)?;
    ensure!(!schedule(&world, &tenant)?.is_null(), "no schedule was made");
    run.cancel()?;
    world.start_worker(&[])?;
    ends_cancelled(&run)?;
    ensure!(schedule(&world, &tenant)?.is_null(), "a schedule is left behind");
    world.assert_licenses(&tenant, 10, None)
}

/// The increase takes effect while what waited is being put back, between the two calls of that.
#[test]
fn an_increase_that_comes_in_the_middle_of_the_put_back_leaves_no_schedule() -> Result<()> {
    let world = World::named("license-middle").start()?;
    let (tenant, run) = stopped_at(&world, "after:releaseSchedule", Some(6), 15)?;
    // After the first look of the taking back, and that of its first step.
    let path = format!("/v1/subscriptions/{}", tenant.purchase.subscription);
    let look_to_write = world.stripe.hold("GET", &path, "before", 2)?;
    run.cancel()?;
    world.release()?;
    world.stripe.wait_until_held(&look_to_write)?;
    ensure!(!schedule(&world, &tenant)?.is_null(), "nothing was begun");
    world.stripe.set_quantity(&tenant.purchase.subscription, 15)?;
    world.stripe.release(&look_to_write)?;
    ensure!(run.result()?["outcome"] == "changed", "it is not done");
    world.assert_licenses(&tenant, 15, None)?;
    ensure!(schedule(&world, &tenant)?.is_null(), "a schedule is left behind");
    Ok(())
}

/// Between our look and our call somebody else does the same, and Stripe refuses the call.
#[test]
fn what_stripe_refuses_because_it_is_done_is_done() -> Result<()> {
    let world = World::named("license-done").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let waiting = schedule(&world, &tenant)?.as_str().context("a schedule")?.to_owned();
    let hold = world.stripe.hold("POST", &format!("{SCHEDULES}/*/release"), "before", 0)?;
    let run = world.start_license_change(&tenant.id, 10, &json!({}))?;
    world.stripe.wait_until_held(&hold)?;
    world.stripe.post(&format!("/subscription_schedules/{waiting}/release"), &[])?;
    world.stripe.release(&hold)?;
    ensure!(run.result()?["outcome"] == "unchanged", "it is not done");
    world.assert_licenses(&tenant, 10, None)
}

/// What was terminated could not say so itself.
#[test]
fn a_terminated_change_is_closed_by_the_next() -> Result<()> {
    let world = World::named("license-terminated").start()?;
    let (tenant, run) = stopped_at(&world, "after:resolveLicenseChange", None, 15)?;
    run.terminate()?;
    world.release()?;
    assert_eq!(world.license_requests(&tenant)?, ["open 10 15 -"]);
    world.change_licenses(&tenant, 12)?;
    assert_eq!(world.license_requests(&tenant)?, ["Cancelled 10 15 -", "changed 10 12 -"]);
    let said = world.value("SELECT failure_message FROM license_requests ORDER BY license_request_id LIMIT 1")?;
    assert_eq!(said, "the run ended without a word");
    world.assert_licenses(&tenant, 12, None)
}
