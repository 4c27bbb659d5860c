//! `tenantry runs replay`: a failed run is started again, as it was or corrected, and nothing else is.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Ending, Purchase, Run, Said, World};
use serde_json::{Value, json};

/// The id of the latest run.
fn latest(run: &Run) -> Result<String> {
    let described = run.describe()?;
    let id = described["workflowExecutionInfo"]["execution"]["runId"].as_str();
    id.map(str::to_owned).context("a run has an id")
}

fn replay(world: &World, id: &str, flags: &[&str]) -> Result<Said> {
    world.tenantry(&[&["runs", "replay", id][..], flags].concat())
}

fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("no JSON: {text}"))
}

/// An onboarding that failed, because it names a subscription that there is not.
fn lost(world: &World) -> Result<(Purchase, Run)> {
    let purchase = world.stripe.buy(10)?;
    let lost = Purchase { subscription: "sub_1Lost".to_owned(), ..purchase.clone() };
    let run = world.run(&world.onboard(&lost)?.workflow_id);
    assert_eq!(run.failure()?.0, "StripeNotFound");
    Ok((purchase, run))
}

/// An onboarding that was ended by a person when its tenant was just made.
fn cancelled(world: &World) -> Result<(Purchase, Run)> {
    let purchase = world.stripe.buy(10)?;
    let run = world.run(&world.onboard(&purchase)?.workflow_id);
    world.wait_until_held_in(&run)?;
    run.cancel()?;
    world.release()?;
    assert_eq!(run.ending(Duration::from_secs(60))?, Ending::Cancelled);
    Ok((purchase, run))
}

/// Before a corrected run is started again.
const QUESTION: &str = "Start it again like this? [y/N]";

fn is_onboarded(world: &World, purchase: &Purchase) -> Result<()> {
    let tenant = world.value(&format!(
        "SELECT tenant FROM stripe_customers WHERE stripe_customer_external_id = '{}'",
        purchase.customer
    ))?;
    world.assert_onboarded(purchase, &tenant)
}

#[test]
fn what_names_a_wrong_subscription_is_corrected_and_done() -> Result<()> {
    let world = World::named("replay-lost").start()?;
    let (purchase, run) = lost(&world)?;
    let failed = latest(&run)?;
    let set = format!("stripe_subscription_id={}", purchase.subscription);
    let said = replay(&world, &run.workflow_id, &["--set", &set, "--yes", "--wait"])?.exits(0)?;
    let difference = format!("stripe_subscription_id: sub_1Lost -> {}", purchase.subscription);
    ensure!(said.stderr.contains(&difference), "{}", said.stderr);
    ensure!(said.stdout.contains("ended     completed"), "{}", said.stdout);
    is_onboarded(&world, &purchase)?;
    let new = latest(&run)?;
    ensure!(new != failed && said.stdout.contains(&new), "{}", said.stdout);
    // The new run is found and read like one that the store started.
    assert_eq!(run.search_attribute("StripeSubscriptionId")?, purchase.subscription);
    ensure!(run.readable_history()?.contains(&format!("{}, 10 licences", purchase.customer)), "no summary");
    // What is done is not started again, and says whose it is.
    let tenant = world.value("SELECT tenant FROM stripe_customers")?;
    let refused = replay(&world, &run.workflow_id, &["--output", "json"])?.exits(4)?;
    let (shown, error) = (document(&refused.stdout)?, document(&refused.stderr)?);
    assert_eq!((&shown["run_id"], &shown["status"]), (&json!(new), &json!("completed")));
    assert_eq!((&error["code"], &error["next"]), (&json!(4), &json!(format!("tenantry tenant show {tenant}"))));
    assert_eq!(latest(&run)?, new);
    Ok(())
}

/// Finished steps answer at once: of five that were done, none has a second effect.
#[test]
fn what_was_mended_at_stripe_goes_on_with_the_same_input() -> Result<()> {
    let world = World::named("replay-mended").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.run(&world.onboard(&purchase)?.workflow_id);
    world.wait_until_held()?;
    let price = world.stripe.price()?;
    let extra =
        world.stripe.make("/subscription_items", &[("subscription", &purchase.subscription), ("price", &price)])?;
    world.release()?;
    assert_eq!(run.failure()?.0, "AmbiguousSubscription");
    let again = replay(&world, &run.workflow_id, &["--wait"])?.exits(1)?;
    ensure!(again.stderr.contains("failed again: AmbiguousSubscription"), "{}", again.stderr);
    ensure!(again.stderr.contains(&format!("tenantry runs why {}", run.workflow_id)), "{}", again.stderr);
    world.stripe.delete(&format!("/subscription_items/{extra}"))?;
    let before = world.rows("SELECT tenant, created_by_run, created_at FROM tenants ORDER BY 1")?;
    let done = replay(&world, &run.workflow_id, &["--wait", "--output", "json"])?.exits(0)?;
    let done = document(&done.stdout)?;
    assert_eq!((&done["status"], &done["result"]["created"]), (&json!("completed"), &json!(false)));
    assert_eq!(world.rows("SELECT tenant, created_by_run, created_at FROM tenants ORDER BY 1")?, before);
    is_onboarded(&world, &purchase)
}

#[test]
fn a_conflict_that_was_settled_at_stripe_is_done() -> Result<()> {
    let world = World::named("replay-conflict").start()?;
    let (one, other) = (world.tenant_with(5)?, world.tenant_with(5)?);
    let purchase = world.stripe.buy(10)?;
    let customer = format!("/customers/{}", purchase.customer);
    let subscription = format!("/subscriptions/{}", purchase.subscription);
    world.stripe.post(&customer, &[("metadata[tenant_id]", &one.id)])?;
    world.stripe.post(&subscription, &[("metadata[tenant_id]", &other.id)])?;
    let run = world.run(&world.onboard(&purchase)?.workflow_id);
    assert_eq!(run.failure()?.0, "ConflictError");
    world.stripe.post(&customer, &[("metadata[tenant_id]", "")])?;
    world.stripe.post(&subscription, &[("metadata[tenant_id]", "")])?;
    replay(&world, &run.workflow_id, &["--wait"])?.exits(0)?;
    assert_eq!(world.tenants()?, 3);
    is_onboarded(&world, &purchase)
}

#[test]
fn a_run_that_a_person_ended_goes_on() -> Result<()> {
    let world = World::named("replay-ended").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let (purchase, run) = cancelled(&world)?;
    replay(&world, &run.workflow_id, &["--wait"])?.exits(0)?;
    is_onboarded(&world, &purchase)?;
    // Terminated while no worker runs.
    world.stop_worker()?;
    let purchase = world.stripe.buy(5)?;
    let run = world.run(&world.onboard(&purchase)?.workflow_id);
    run.terminate()?;
    world.start_worker(&[])?;
    replay(&world, &run.workflow_id, &["--wait"])?.exits(0)?;
    is_onboarded(&world, &purchase)
}

#[test]
fn an_input_that_never_fitted_is_mended() -> Result<()> {
    let world = World::named("replay-unfit").start()?;
    let purchase = world.stripe.buy(10)?;
    let mut call = World::call_of_the_store(&purchase);
    call["email"] = json!("ann.example.com");
    let run = world.start_with(&format!("create-tenant-{}", purchase.customer), &call.to_string())?;
    assert_eq!(run.failure()?.0, "ValidationError");
    let id = run.workflow_id.as_str();
    let same = replay(&world, id, &[])?.exits(2)?;
    ensure!(same.stderr.contains("email: expected an e-mail address"), "{}", same.stderr);
    replay(&world, id, &["--set", "email=ann@example.com", "--yes", "--wait"])?.exits(0)?;
    is_onboarded(&world, &purchase)
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() -> Result<()> {
    let world = World::named("replay-refused").start()?;
    let (_, run) = lost(&world)?;
    let (id, failed) = (run.workflow_id.as_str(), latest(&run)?);
    let usage: [(&str, &str); 6] = [
        ("client_nam=Ann", "did you mean client_name?"),
        ("initial_license_count=ten", "initial_license_count: expected a whole number"),
        ("stripe_subscription_id=cus_1", "stripe_subscription_id: expected an id that starts with `sub_`"),
        ("email=", "missing field `email`"),
        ("client_name", "FIELD=VALUE"),
        // Right, but nobody can be asked here.
        ("client_name=Bob", "nobody can be asked here"),
    ];
    for (set, says) in usage {
        let said = replay(&world, id, &["--set", set, "--output", "json"])?.exits(2)?;
        let error = document(&said.stderr)?;
        ensure!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{set}: {error}");
        ensure!(said.stdout.is_empty(), "{set}: {}", said.stdout);
    }
    let unknown = replay(&world, "create-tenant-cus_1Unknown", &["--yes"])?.exits(3)?;
    ensure!(unknown.stderr.contains("create-tenant-cus_1Unknown"), "{}", unknown.stderr);
    assert_eq!(latest(&run)?, failed);
    Ok(())
}

#[test]
fn each_type_is_started_again_in_its_own_way() -> Result<()> {
    let world = World::named("replay-types").start()?;
    let tenant = world.tenant_with(10)?;
    let (nobody, subscription) = ("44444444-4444-4444-8444-444444444444", &tenant.purchase.subscription);
    let import_id = format!("import-subscription-{subscription}");
    world
        .tenantry(&["import", "subscription", "--tenant", nobody, "--subscription", subscription, "--wait"])?
        .exits(1)?;
    assert_eq!(world.run(&import_id).failure()?.0, "TenantNotFound");
    let said = replay(&world, &import_id, &["--set", "client_name=Ann", "--yes"])?.exits(2)?;
    ensure!(said.stderr.contains("importSubscriptionWorkflow has no field client_name"), "{}", said.stderr);
    let set = format!("tenant_id={}", tenant.id);
    replay(&world, &import_id, &["--set", &set, "--yes", "--wait"])?.exits(0)?;
    // A reconciliation and an import of customers begin anew.
    for (workflow_type, id, says) in [
        ("reconcileWorkflow", format!("reconcile-{}", tenant.id), "it begins anew"),
        ("syncStripeCustomersWorkflow", format!("sync-stripe-customers-{}", tenant.id), "--resume"),
    ] {
        world.stop_worker()?;
        let input = json!({"tenant_id": tenant.id}).to_string();
        world.start_workflow(workflow_type, &id, "AllowDuplicate", &input)?.terminate()?;
        world.start_worker(&[])?;
        let plan = replay(&world, &id, &["--dry-run"])?.exits(0)?;
        ensure!(plan.stdout.contains(says), "{}", plan.stdout);
        let said = replay(&world, &id, &["--set", &set, "--yes"])?.exits(2)?;
        ensure!(said.stderr.contains("is named by"), "{}", said.stderr);
        replay(&world, &id, &["--wait"])?.exits(0)?;
    }
    Ok(())
}

#[test]
fn a_sync_is_left_to_its_events() -> Result<()> {
    let world = World::named("replay-sync").without_worker()?;
    let subscription = "sub_1ReplaySync";
    let id = format!("sync-subscription-{subscription}");
    let input = json!({"stripe_subscription_id": subscription}).to_string();
    world.start_workflow("syncSubscriptionWorkflow", &id, "AllowDuplicate", &input)?.terminate()?;
    let next = format!("tenantry events replay --status failed --subscription {subscription}");
    let said = replay(&world, &id, &["--output", "json"])?.exits(4)?;
    assert_eq!(document(&said.stderr)?["next"], json!(next));
    replay(&world, &id, &["--set", "client_name=Ann", "--yes"])?.exits(2).map(drop)
}

#[test]
fn a_dry_run_and_a_running_run_start_nothing() -> Result<()> {
    let world = World::named("replay-dry").setting("TENANTRY_HOLD_AT", "before:createTenant").start()?;
    let (purchase, run) = lost(&world)?;
    let (id, failed) = (run.workflow_id.as_str(), latest(&run)?);
    let set = format!("stripe_subscription_id={}", purchase.subscription);
    let plan = replay(&world, id, &["--set", &set, "--dry-run", "--output", "json"])?.exits(0)?;
    let plan = document(&plan.stdout)?;
    let change = json!([{"field": "stripe_subscription_id", "from": "sub_1Lost", "to": purchase.subscription}]);
    assert_eq!((&plan["changes"], &plan["run_id"]), (&change, &json!(failed)));
    assert_eq!(plan["failure_kind"], "StripeNotFound");
    assert_eq!(latest(&run)?, failed);
    replay(&world, id, &["--set", &set, "--yes"])?.exits(0)?;
    world.wait_until_held_in(&run)?;
    let running = latest(&run)?;
    let said = replay(&world, id, &[])?.exits(4)?;
    ensure!(said.stderr.contains(&format!("is running: run {running}")), "{}", said.stderr);
    world.release()?;
    run.result()?;
    assert_eq!(latest(&run)?, running);
    is_onboarded(&world, &purchase)
}

#[test]
fn a_purchase_whose_tenant_is_there_is_moved_to_nobody() -> Result<()> {
    let world = World::named("replay-moved").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let (purchase, run) = cancelled(&world)?;
    let (id, ended) = (run.workflow_id.as_str(), latest(&run)?);
    let (other, session) = world.stripe.check_out(5)?;
    for set in [
        &[format!("stripe_customer_id={}", other.customer)][..],
        &[format!("stripe_customer_id={}", other.customer), format!("stripe_subscription_id={}", other.subscription)],
        &["tenant_id=44444444-4444-4444-8444-444444444444".to_owned()],
        &[
            format!("checkout_session_id={session}"),
            "stripe_customer_id=".to_owned(),
            "stripe_subscription_id=".to_owned(),
        ],
    ] {
        let set: Vec<&str> = set.iter().flat_map(|one| ["--set", one.as_str()]).collect();
        let said = replay(&world, id, &[&set[..], &["--yes"]].concat())?.exits(4)?;
        ensure!(said.stderr.contains("tenantry tenant show"), "{}", said.stderr);
        assert_eq!(latest(&run)?, ended, "{set:?}");
    }
    replay(&world, id, &["--set", "client_name=Corrected", "--yes", "--wait"])?.exits(0)?;
    assert_eq!(world.tenants()?, 1);
    is_onboarded(&world, &purchase)
}

/// A second onboarding of the customer found the tenant that the first had made, and failed later.
#[test]
fn a_purchase_that_found_a_tenant_is_moved_to_nobody() -> Result<()> {
    let world = World::named("replay-joined").start()?;
    let (purchase, other) = (world.stripe.buy(10)?, world.stripe.buy(5)?);
    world.onboard(&purchase)?.result()?;
    world.stripe.fault("GET", &format!("/v1/subscriptions/{}", purchase.subscription), "not_found", 1)?;
    let run = world.start_with("second", &World::call_of_the_store(&purchase).to_string())?;
    assert_eq!(run.failure()?.0, "StripeNotFound");
    let (id, failed) = (run.workflow_id.as_str(), latest(&run)?);
    let elsewhere =
        [format!("stripe_customer_id={}", other.customer), format!("stripe_subscription_id={}", other.subscription)];
    let set: Vec<&str> = elsewhere.iter().flat_map(|one| ["--set", one.as_str()]).collect();
    let said = replay(&world, id, &[&set[..], &["--yes"]].concat())?.exits(4)?;
    ensure!(said.stderr.contains("tenantry tenant show"), "{}", said.stderr);
    assert_eq!(latest(&run)?, failed);
    replay(&world, id, &["--set", "client_name=Corrected", "--yes", "--wait"])?.exits(0)?;
    assert_eq!(world.tenants()?, 1);
    is_onboarded(&world, &purchase)
}

/// The second had looked before the first began, and comes when the first's run has failed again:
/// for the server that is a workflow which may be started.
#[test]
fn of_two_operators_one_wins_and_the_other_is_told() -> Result<()> {
    let world = World::named("replay-two").start()?;
    let (_, run) = lost(&world)?;
    let failed = latest(&run)?;
    let late = world.person(&["runs", "replay", &run.workflow_id, "--set", "client_name=Bob"])?;
    late.wait_for(QUESTION)?;
    replay(&world, &run.workflow_id, &["--wait"])?.exits(1)?;
    let first = latest(&run)?;
    ensure!(first != failed, "the first operator started nothing");
    let (screen, code) = late.answers("y")?;
    ensure!(
        code == Some(4) && screen.contains(&format!("meanwhile: run {first}, which is failed")),
        "{code:?} {screen}"
    );
    assert_eq!(latest(&run)?, first);
    Ok(())
}

#[test]
fn of_two_operators_at_once_one_wins() -> Result<()> {
    let world = World::named("replay-at-once").setting("TENANTRY_HOLD_AT", "before:createTenant").start()?;
    let (purchase, run) = lost(&world)?;
    let set = format!("stripe_subscription_id={}", purchase.subscription);
    let flags = ["runs", "replay", &run.workflow_id, "--set", &set];
    let mut both = [world.person(&flags)?, world.person(&flags)?];
    both.iter().try_for_each(|one| one.wait_for(QUESTION))?;
    both.iter_mut().try_for_each(|one| one.types("y"))?;
    let mut both = both.into_iter().map(|one| one.ended()).collect::<Result<Vec<_>>>()?;
    both.sort_by_key(|(_, code)| *code);
    let new = latest(&run)?;
    ensure!(both[0].1 == Some(0) && both[1].1 == Some(4), "{both:?}");
    ensure!(both.iter().all(|(screen, _)| screen.contains(&new)), "{both:?}");
    world.wait_until_held()?;
    world.release()?;
    run.result()?;
    assert_eq!(latest(&run)?, new);
    is_onboarded(&world, &purchase)
}

#[test]
fn a_change_of_licences_is_decided_on_the_same_number() -> Result<()> {
    let world = World::named("replay-license").start()?;
    let tenant = world.tenant_with(10)?;
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail")?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    assert_eq!(run.failure()?.0, "PaymentDeclined");
    let id = run.workflow_id.as_str();
    replay(&world, id, &[])?.exits(2)?;
    let plan = replay(&world, id, &["--dry-run"])?.exits(0)?;
    ensure!(plan.stdout.contains("to 15, decided on 10; 10 now"), "{}", plan.stdout);
    // What was decided on is gone: the card is mended, and nothing is changed all the same.
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_visa")?;
    world.stripe.set_quantity(&tenant.purchase.subscription, 12)?;
    let said = replay(&world, id, &["--yes", "--wait"])?.exits(1)?;
    ensure!(said.stderr.contains("failed again: ConflictError"), "{}", said.stderr);
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (12, None));
    // Decided anew, on what there is.
    replay(&world, id, &["--set", "from=12", "--set", "quantity=14", "--yes", "--wait"])?.exits(0)?;
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (14, None));
    let requests = world.license_requests(&tenant)?;
    assert_eq!(requests, ["PaymentDeclined 10 15 -", "ConflictError 10 15 -", "changed 12 14 -"]);
    Ok(())
}
