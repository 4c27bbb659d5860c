//! An increase that does not come about changes nothing: not at Stripe, not in the rows, not in
//! the count, and not what waited before.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Tenant, World};
use serde_json::json;
use stack::deadline;

const MONTH: u64 = 32 * 24 * 60 * 60;

/// Asks for fifteen and answers the message of the failure.
fn fails(world: &World, tenant: &Tenant, kind: &str) -> Result<String> {
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    let failure = run.failure()?;
    ensure!(failure.0 == kind, "{failure:?}");
    assert_eq!(run.search_attribute("FailureKind")?, kind);
    Ok(failure.1)
}

#[test]
fn a_declined_card_changes_nothing() -> Result<()> {
    let world = World::named("license-declined").start()?;
    let cases = [
        ("pm_card_chargeCustomerFail", "(generic_decline): Your card was declined. The number was not changed"),
        ("pm_card_authenticationRequired", "authentication"),
    ];
    for (card, says) in cases {
        let tenant = world.tenant_with(10)?;
        world.stripe.pay_with(&tenant.purchase.customer, card)?;
        let message = fails(&world, &tenant, "PaymentDeclined")?;
        ensure!(message.starts_with("the payment did not go through (") && message.contains(says), "{card}: {message}");
        world.assert_licenses(&tenant, 10, None)?;
        assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 1, "{card}");
        assert_eq!(world.license_requests(&tenant)?, ["PaymentDeclined 10 15 -"]);
        // Mended, and started again.
        world.stripe.pay_with(&tenant.purchase.customer, "pm_card_visa")?;
        world.change_licenses(&tenant, 15)?;
        world.assert_licenses(&tenant, 15, None)?;
    }
    Ok(())
}

#[test]
fn what_waited_waits_again_when_the_card_is_declined() -> Result<()> {
    let world = World::named("license-again").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail")?;
    let message = fails(&world, &tenant, "PaymentDeclined")?;
    ensure!(
        message.contains("; the change to 6 that waited waits again; Stripe has 10 licences and 6 from 20"),
        "{message}"
    );
    world.assert_licenses(&tenant, 10, Some(6))?;
    let read = world.stripe.get(&format!("/subscriptions/{}?expand[]=schedule", tenant.purchase.subscription))?;
    ensure!(read["schedule"]["metadata"]["tenantry"] == "1", "{}", read["schedule"]);
    // It comes as if nothing had been.
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_visa")?;
    world.stripe.advance(MONTH)?;
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (6, None));
    Ok(())
}

#[test]
fn what_waited_waits_again_when_twenty_hours_did_not_help() -> Result<()> {
    let world = World::named("license-exhausted").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let path = format!("/v1/subscriptions/{}", tenant.purchase.subscription);
    for _ in 0..20 {
        world.stripe.fault("POST", &path, "server_error", 0)?;
    }
    let hold = world.stripe.hold("POST", &path, "before", 0)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.stripe.wait_until_held(&hold)?;
    world.stripe.release(&hold)?;
    run.wait_for_attempt(2)?;
    // Nobody waits twenty hours: the server is told that the step's time is over.
    run.end_the_week_of_the_step()?;
    let (kind, message) = run.failure()?;
    ensure!(kind == "Exhausted" && message.starts_with("twenty hours of trying did not help"), "{kind}: {message}");
    ensure!(message.contains("; the change to 6 that waited waits again; Stripe has 10 licences and 6"), "{message}");
    world.assert_licenses(&tenant, 10, Some(6))?;
    assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 1);
    Ok(())
}

/// The subscription was set to cancel in the moment between: a decrease at its end means nothing
/// any more, and putting it back would take the cancellation away.
#[test]
fn what_cannot_be_put_back_is_said() -> Result<()> {
    let world = World::named("license-ends").setting("TENANTRY_HOLD_AT", "before:setLicenseQuantity").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    world.wait_until_held()?;
    let path = format!("/subscriptions/{}", tenant.purchase.subscription);
    world.stripe.post(&path, &[("cancel_at_period_end", "true")])?;
    world.release()?;
    let (kind, message) = run.failure()?;
    ensure!(kind == "ConflictError" && message.contains("is set to cancel"), "{kind}: {message}");
    ensure!(message.contains("the change to 6 that waited could not be put back (ConflictError: "), "{message}");
    ensure!(message.ends_with("Stripe has 10 licences"), "{message}");
    ensure!(world.stripe.get(&path)?["cancel_at_period_end"] == true, "the cancellation is gone");
    world.assert_licenses(&tenant, 10, None)
}

#[test]
fn a_put_back_that_stripe_refuses_is_said_with_what_stripe_has() -> Result<()> {
    let world = World::named("license-lost").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail")?;
    world.stripe.fault("POST", "/v1/subscription_schedules", "not_found", 0)?;
    let message = fails(&world, &tenant, "PaymentDeclined")?;
    ensure!(message.contains("the change to 6 that waited could not be put back (StripeNotFound: "), "{message}");
    ensure!(message.ends_with("; Stripe has 10 licences"), "{message}");
    world.assert_licenses(&tenant, 10, None)
}

/// The last try took effect, and its answer never came: the last look finds it.
#[test]
fn what_took_effect_in_the_last_try_is_done() -> Result<()> {
    let world = World::named("license-in-time").start()?;
    let tenant = world.tenant_with(10)?;
    let path = format!("/v1/subscriptions/{}", tenant.purchase.subscription);
    world.stripe.fault("POST", &path, "reset_after", 0)?;
    for _ in 0..20 {
        // Skipped are the read that decides and the look before the write.
        world.stripe.fault("GET", &path, "server_error", 2)?;
    }
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    run.wait_for_attempt(2)?;
    run.end_the_week_of_the_step()?;
    deadline::poll("the last look", Duration::from_secs(60), || {
        Ok(run.under_way()?.iter().any(|(step, _)| step == "importLicenseChange").then_some(()))
    })?;
    world.stripe.forget_faults()?;
    ensure!(run.result()?["outcome"] == "changed", "it is not done");
    world.assert_licenses(&tenant, 15, None)?;
    assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 2);
    Ok(())
}
