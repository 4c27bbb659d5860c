//! `tenantry runs cancel`: a run ends between two of its steps, and what is there is said.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, Run, World};
use serde_json::{Value, json};
use stack::deadline;

const REASON: &str = "bought twice, ticket 4711";

fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("no JSON: {text}"))
}

/// Waits until the run has been asked to end.
fn until_asked(run: &Run) -> Result<()> {
    deadline::poll("the run to be asked to end", Duration::from_secs(60), || {
        Ok((run.count_events("EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED")? > 0).then_some(()))
    })
}

/// Cancels an onboarding that stopped at that place, and answers what the command said.
fn cancelled_at(world: &World, purchase: &Purchase) -> Result<Value> {
    let run = world.onboard(purchase)?;
    world.wait_until_held_in(&run)?;
    let flags = ["runs", "cancel", &run.workflow_id, "--reason", REASON, "--output", "json"];
    let cancel = world.tenantry_at_work(&flags)?;
    until_asked(&run)?;
    // The step under way is waited for.
    assert_eq!(run.describe()?["workflowExecutionInfo"]["status"], "WORKFLOW_EXECUTION_STATUS_RUNNING");
    world.release()?;
    let said = document(&cancel.ended()?.exits(0)?.stdout)?;
    assert_eq!((&said["status"], &said["reason"]), (&json!("cancelled"), &json!(REASON)));
    assert_eq!(said["next"], json!(format!("tenantry runs replay {}", run.workflow_id)));
    ensure!(run.readable_history()?.contains(REASON), "the reason is not in its history");
    assert_eq!(run.search_attribute("FailureKind")?, "Cancelled");
    Ok(said)
}

/// A replay goes on, and each step has its effect once.
fn goes_on(world: &World, purchase: &Purchase, said: &Value) -> Result<()> {
    let id = said["workflow_id"].as_str().context("an id")?;
    world.tenantry(&["runs", "replay", id, "--wait"])?.exits(0)?;
    let tenant = world.value("SELECT tenant FROM stripe_customers")?;
    world.assert_onboarded(purchase, &tenant)
}

#[test]
fn cancelled_at_its_second_step_it_leaves_the_tenant() -> Result<()> {
    let world = World::named("cancel-second").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let purchase = world.stripe.buy(10)?;
    let said = cancelled_at(&world, &purchase)?;
    assert_eq!(said["done"], json!(["resolvePurchase", "createTenant"]));
    let tenant = world.value("SELECT tenant FROM stripe_customers")?;
    let stays = json!([format!("tenant {tenant}"), format!("its customer {}", purchase.customer)]);
    assert_eq!(said["stays"], stays);
    goes_on(&world, &purchase, &said)
}

#[test]
fn cancelled_at_its_fourth_step_it_leaves_the_subscription_too() -> Result<()> {
    let world = World::named("cancel-fourth").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    let said = cancelled_at(&world, &purchase)?;
    let done = ["resolvePurchase", "createTenant", "insertStripeCustomer", "importSubscription"];
    assert_eq!(said["done"], json!(done));
    let subscription = json!(format!("its subscription {}", purchase.subscription));
    ensure!(said["stays"].as_array().is_some_and(|stays| stays.contains(&subscription)), "{said}");
    assert_eq!(world.stripe.effects(&format!("/subscriptions/{}", purchase.subscription))?, 0, "it went on");
    goes_on(&world, &purchase, &said)
}

/// The worker that stops has reported the step's end; the next one is told of both at once.
#[test]
fn cancelled_as_a_step_ends_it_ends_after_that_step() -> Result<()> {
    let world = World::named("cancel-both").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held_in(&run)?;
    world.drain_worker(|| Ok(()))?;
    let flags = ["runs", "cancel", &run.workflow_id, "--reason", REASON, "--output", "json"];
    let cancel = world.tenantry_at_work(&flags)?;
    until_asked(&run)?;
    world.start_worker(&[])?;
    let said = document(&cancel.ended()?.exits(0)?.stdout)?;
    assert_eq!(said["done"][3], "importSubscription", "{said}");
    assert_eq!(run.attempts("importSubscription")?, 1);
    goes_on(&world, &purchase, &said)
}

#[test]
fn a_step_that_is_tried_again_and_again_is_given_up() -> Result<()> {
    let world = World::named("cancel-stuck").start()?;
    let purchase = world.stripe.buy(10)?;
    for _ in 0..20 {
        world.stripe.fault("GET", &format!("/v1/customers/{}", purchase.customer), "server_error", 0)?;
    }
    let run = world.onboard(&purchase)?;
    run.wait_for_attempt(2)?;
    let said = world.tenantry(&["runs", "cancel", &run.workflow_id, "--reason", REASON])?.exits(0)?;
    for words in ["ended     cancelled", "done      nothing", "stays     nothing", REASON, "tenantry runs replay "] {
        ensure!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    assert_eq!(world.tenants()?, 0);
    Ok(())
}

#[test]
fn it_came_to_its_end_before() -> Result<()> {
    let world = World::named("cancel-late").setting("TENANTRY_HOLD_AT", "before:setLicensedUserCount").start()?;
    // Without Stripe's data that step is the last.
    let input = json!({"email": "ann@example.com", "client_name": "Ann", "initial_license_count": 3}).to_string();
    let run = world.start_with("create-tenant-late", &input)?;
    world.wait_until_held_in(&run)?;
    let cancel = world.tenantry_at_work(&["runs", "cancel", &run.workflow_id, "--reason", REASON])?;
    until_asked(&run)?;
    world.release()?;
    let said = cancel.ended()?.exits(4)?;
    ensure!(said.stdout.contains("ended     completed"), "{}", said.stdout);
    let again = world.tenantry(&["runs", "cancel", &run.workflow_id, "--reason", REASON, "--output", "json"])?;
    let error = document(&again.exits(4)?.stderr)?;
    ensure!(error["message"].as_str().is_some_and(|message| message.contains("is completed already")), "{error}");
    Ok(())
}

#[test]
fn who_waits_no_longer_leaves_it_to_end() -> Result<()> {
    let world = World::named("cancel-timeout").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let run = world.onboard(&world.stripe.buy(10)?)?;
    world.wait_until_held_in(&run)?;
    let flags = ["runs", "cancel", &run.workflow_id, "--reason", REASON, "--timeout", "1"];
    let said = world.tenantry(&flags)?.exits(1)?;
    ensure!(said.stderr.contains("still runs after 1 seconds"), "{}", said.stderr);
    // A second reason is not kept, and the command says so.
    let cancel = world.tenantry_at_work(&["runs", "cancel", &run.workflow_id, "--reason", "another"])?;
    cancel.wait_until_it_says("ends after the step under way")?;
    world.release()?;
    let said = cancel.ended()?.exits(0)?;
    ensure!(said.stdout.contains(REASON) && said.stderr.contains("asked to end before"), "{}", said.everything());
    Ok(())
}

#[test]
fn what_cannot_be_cancelled_is_refused() -> Result<()> {
    let world = World::named("cancel-refused").without_worker()?;
    let cancel = |id: &str, reason: &str| world.tenantry(&["runs", "cancel", id, "--reason", reason]);
    cancel("create-tenant-cus_1Unknown", REASON)?.exits(3)?;
    cancel("create-tenant-cus_1Unknown", " ")?.exits(2)?;
    world.tenantry(&["runs", "cancel", "create-tenant-cus_1Unknown"])?.exits(2)?;
    let tenant = "44444444-4444-4444-8444-444444444444";
    let id = format!("sync-stripe-customers-{}", world.task_queue());
    let input = json!({"tenant_id": tenant}).to_string();
    let import = world.start_workflow("syncStripeCustomersWorkflow", &id, "AllowDuplicate", &input)?;
    let said = cancel(&id, REASON)?.exits(4)?;
    ensure!(said.stderr.contains("tenantry import customers --resume"), "{}", said.stderr);
    assert_eq!(import.count_events("EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED")?, 0);
    import.terminate()
}
