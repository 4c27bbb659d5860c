//! Somebody else is at the same licences: another operator, the portal, an event of an earlier
//! change. The order is forced by holds.

use anyhow::{Context, Result, ensure};
use e2e::{Ending, Run, Tenant, World};
use serde_json::json;

fn path(tenant: &Tenant) -> String {
    format!("/v1/subscriptions/{}", tenant.purchase.subscription)
}

fn ends_in_conflict(run: &Run, says: &str) -> Result<String> {
    let (kind, message) = run.failure()?;
    ensure!(kind == "ConflictError" && message.contains(says), "{kind}: {message}");
    Ok(message)
}

#[test]
fn of_two_operators_at_once_the_second_is_refused() -> Result<()> {
    let world = World::named("license-two").start()?;
    let tenant = world.tenant_with(10)?;
    let hold = world.stripe.hold("POST", &path(&tenant), "before", 0)?;
    let first = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.stripe.wait_until_held(&hold)?;
    // The official CLI answers a refused start with the run that is there.
    let second = world.start_license_change(&tenant.id, 20, &json!({}))?;
    assert_eq!(second.run_id, first.run_id, "two changes at once");
    world.stripe.release(&hold)?;
    ensure!(first.result()?["to"] == 15, "the first");
    world.assert_licenses(&tenant, 15, None)?;
    assert_eq!(world.license_requests(&tenant)?, ["changed 10 15 -"]);
    Ok(())
}

/// The answer to the increase is lost with the worker, the number is changed in the portal, and
/// then the step is tried again.
fn lost_answer_then(world: &World, portal: i64) -> Result<(Tenant, Run)> {
    let tenant = world.tenant_with(10)?;
    let hold = world.stripe.hold("POST", &path(&tenant), "after", 0)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.stripe.wait_until_held(&hold)?;
    world.kill_worker()?;
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?.0, 15, "the increase took no effect");
    world.stripe.release(&hold)?;
    world.stripe.set_quantity(&tenant.purchase.subscription, portal)?;
    world.start_worker(&[])?;
    Ok((tenant, run))
}

#[test]
fn after_a_lost_answer_the_portals_number_stays() -> Result<()> {
    let world = World::named("license-portal").start()?;
    let (tenant, run) = lost_answer_then(&world, 20)?;
    let message = ends_in_conflict(&run, "it has 20 licences, and it was decided on 10")?;
    ensure!(message.contains("Stripe has 20 licences"), "{message}");
    world.assert_licenses(&tenant, 20, None)?;
    assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 2, "billed once");
    assert_eq!(world.license_requests(&tenant)?, ["ConflictError 10 15 -"]);
    // Nobody asked for twenty here.
    let changes = world.rows("SELECT to_count, cause FROM license_changes ORDER BY license_change_id DESC")?;
    assert_eq!(changes[0], ["20", "subscription_import"].map(str::to_owned));
    Ok(())
}

/// The portal has put back the very number that it was decided on: the key is known to Stripe, so
/// that nothing happens again, and what is read afterwards tells.
#[test]
fn after_a_lost_answer_the_number_that_came_back_stays_too() -> Result<()> {
    let world = World::named("license-back-again").start()?;
    let (tenant, run) = lost_answer_then(&world, 10)?;
    ends_in_conflict(&run, "Stripe has 10 licences, and 15 was asked for")?;
    world.assert_licenses(&tenant, 10, None)?;
    assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 2, "billed once");
    Ok(())
}

#[test]
fn a_number_that_changed_between_look_and_write_stays() -> Result<()> {
    let world = World::named("license-between").setting("TENANTRY_HOLD_AT", "before:setLicenseQuantity").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.wait_until_held()?;
    world.stripe.set_quantity(&tenant.purchase.subscription, 12)?;
    world.release()?;
    // The decrease from ten is not put back on top of twelve: nobody decided on that.
    let message = ends_in_conflict(&run, "it has 12 licences, and it was decided on 10")?;
    ensure!(message.contains("the change to 6 that waited could not be put back"), "{message}");
    ensure!(message.ends_with("Stripe has 12 licences"), "{message}");
    world.assert_licenses(&tenant, 12, None)
}

/// The rows say ten, Stripe says twelve, and nobody has told us yet.
#[test]
fn an_increase_while_the_event_of_an_earlier_one_is_on_its_way() -> Result<()> {
    let world = World::named("license-behind").start()?;
    let (_line, _shim) = world.wired()?;
    let tenant = world.tenant_with(10)?;
    world.wait_until_settled()?;
    world.stripe.delivery_policy(&json!({"hold": {}}))?;
    world.stripe.set_quantity(&tenant.purchase.subscription, 12)?;
    assert_eq!(world.value("SELECT quantity FROM stripe_subscriptions")?, "10");
    let result = world.change_licenses(&tenant, 15)?;
    ensure!(result["from"] == 12 && result["to"] == 15, "{result}");
    world.assert_licenses(&tenant, 15, None)?;
    ensure!(!world.stripe.release_all()?.is_empty(), "nothing was on its way");
    world.wait_until_settled()?;
    world.assert_licenses(&tenant, 15, None)?;
    world.assert_accounted()
}

/// The system before this one lost a waiting decrease at the next event.
#[test]
fn a_waiting_decrease_survives_events_and_a_restart() -> Result<()> {
    let world = World::named("license-waits").start()?;
    let (_line, _shim) = world.wired()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let subscription = format!("/subscriptions/{}", tenant.purchase.subscription);
    world.stripe.post(&subscription, &[("metadata[note]", "called")])?;
    world.wait_until_settled()?;
    world.assert_licenses(&tenant, 10, Some(6))?;
    world.stop_worker()?;
    world.stripe.post(&subscription, &[("description", "seats")])?;
    world.start_worker(&[])?;
    world.wait_until_settled()?;
    world.assert_licenses(&tenant, 10, Some(6))?;
    let row = world.rows("SELECT scheduled_at > now(), stripe_schedule_external_id FROM stripe_subscriptions")?;
    let schedule = world.stripe.get(&subscription)?["schedule"].as_str().context("a schedule")?.to_owned();
    assert_eq!(row, [["t".to_owned(), schedule]]);
    // Released in the dashboard: gone from the rows too.
    let schedule = format!("/subscription_schedules/{}/release", row[0][1]);
    world.stripe.post(&schedule, &[])?;
    world.wait_until_settled()?;
    world.assert_licenses(&tenant, 10, None)
}

/// Stripe forgets a key after a day: the second write has what the first one left of the time.
#[test]
fn all_writes_end_twenty_hours_after_the_first_began() -> Result<()> {
    const TWENTY_HOURS: f64 = 72_000.0;
    let world = World::named("license-hours").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    run.result()?;
    let mut limits = Vec::new();
    for event in run.events()? {
        let scheduled = &event["activityTaskScheduledEventAttributes"];
        if let Some("releaseSchedule" | "setLicenseQuantity") = scheduled["activityType"]["name"].as_str() {
            let limit = scheduled["scheduleToCloseTimeout"].as_str().context("a limit")?;
            limits.push(limit.trim_end_matches('s').parse::<f64>()?);
        }
    }
    let [first, second] = limits[..] else { anyhow::bail!("{limits:?}") };
    ensure!(first == TWENTY_HOURS && second < first && second > first - 600.0, "{first}, then {second}");
    Ok(())
}

#[test]
fn a_cancel_before_the_change_took_effect_leaves_what_was() -> Result<()> {
    let world = World::named("license-cancel").setting("TENANTRY_HOLD_AT", "after:releaseSchedule").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.wait_until_held()?;
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (10, None));
    run.cancel()?;
    world.release()?;
    let ending = run.ending(std::time::Duration::from_secs(60))?;
    ensure!(ending == Ending::Cancelled, "{ending:?}");
    world.assert_licenses(&tenant, 10, Some(6))?;
    let said = run.state()?["error"]["message"].as_str().unwrap_or_default().to_owned();
    ensure!(
        said.starts_with("cancelled; the change to 6 that waited waits again; Stripe has 10 licences and 6"),
        "{said}"
    );
    assert_eq!(world.license_requests(&tenant)?[1], "Cancelled 10 15 -");
    Ok(())
}

/// A payment may take longer than anybody waits for its answer: the number comes when what waited
/// has just been put back. It is paid for, so it is not undone when the period ends.
#[test]
fn an_increase_that_comes_after_the_put_back_stays() -> Result<()> {
    let world = World::named("license-slow").setting("TENANTRY_HOLD_AT", "after:releaseSchedule").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    // After those of the decision, the release, the first look and the two steps that put back.
    let last_look = world.stripe.hold("GET", &path(&tenant), "before", 5)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.wait_until_held()?;
    run.cancel()?;
    world.release()?;
    world.stripe.wait_until_held(&last_look)?;
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (10, Some(6)));
    world.stripe.set_quantity(&tenant.purchase.subscription, 15)?;
    world.stripe.release(&last_look)?;
    ensure!(run.result()?["outcome"] == "changed", "it is not done");
    world.assert_licenses(&tenant, 15, None)
}

#[test]
fn a_cancel_after_the_change_took_effect_comes_too_late() -> Result<()> {
    let world = World::named("license-late").setting("TENANTRY_HOLD_AT", "after:setLicenseQuantity").start()?;
    let tenant = world.tenant_with(10)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.wait_until_held()?;
    run.cancel()?;
    world.release()?;
    ensure!(run.result()?["outcome"] == "changed", "it is not done");
    world.assert_licenses(&tenant, 15, None)
}

#[test]
fn a_cancelled_decrease_leaves_no_schedule_behind() -> Result<()> {
    let world = World::named("license-begun").setting("TENANTRY_HOLD_AT", "after:attachSchedule").start()?;
    let tenant = world.tenant_with(10)?;
    let run = world.start_license_change(&tenant.id, 6, &json!({}))?;
    world.wait_until_held()?;
    run.cancel()?;
    world.release()?;
    ensure!(run.ending(std::time::Duration::from_secs(60))? == Ending::Cancelled, "it was cancelled");
    world.assert_licenses(&tenant, 10, None)?;
    let read = world.stripe.get(&format!("/subscriptions/{}", tenant.purchase.subscription))?;
    ensure!(read["schedule"].is_null(), "{} is left behind", read["schedule"]);
    Ok(())
}
