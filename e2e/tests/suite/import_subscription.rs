//! One subscription is taken over for a tenant that exists, or refused before anything is written.

use anyhow::{Context, Result, ensure};
use domain::import_subscription::ImportStep;
use domain::names::workflow::IMPORT_SUBSCRIPTION;
use e2e::{Ending, Purchase, Run, World};
use serde_json::{Value, json};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";
const NOBODY: &str = "33333333-3333-4333-8333-333333333333";

fn start(world: &World, tenant: &str, subscription: &str) -> Result<Run> {
    let input = json!({"tenant_id": tenant, "stripe_subscription_id": subscription}).to_string();
    world.start_in_bulk(IMPORT_SUBSCRIPTION, &format!("import-subscription-{subscription}"), &input)
}

/// Rows, count, one change, and one write at Stripe: the subscription's tag.
fn assert_imported(world: &World, tenant: &str, purchase: &Purchase) -> Result<()> {
    let Purchase { customer, subscription, quantity } = purchase;
    let rows = world.rows(&format!(
        "SELECT t.licensed_user_count, c.email, c.metadata->>'source', s.stripe_subscription_external_id, s.quantity,
                (SELECT count(*) FROM license_changes l WHERE l.tenant = t.tenant)
         FROM tenants t JOIN stripe_customers c USING (tenant) JOIN stripe_subscriptions s USING (tenant)
         WHERE t.tenant = '{tenant}' AND c.stripe_customer_external_id = '{customer}'"
    ))?;
    let quantity = quantity.to_string();
    let expected = [&quantity, "ann@example.com", "import", subscription, &quantity, "1"].map(str::to_owned);
    ensure!(rows == [expected], "{rows:?}");
    let tags = world.stripe.get(&format!("/customers/{customer}"))?["metadata"].clone();
    ensure!(tags == json!({"pending_tenant": "true"}), "{customer} was tagged: {tags}");
    let path = format!("/subscriptions/{subscription}");
    ensure!(world.stripe.metadata(&path, "tenant_id")? == tenant, "{subscription} is not tagged");
    ensure!(world.stripe.effects(&path)? == 1, "{} writes", world.stripe.effects(&path)?);
    Ok(())
}

#[test]
fn a_subscription_is_taken_over_once_however_often_it_is_asked_for() -> Result<()> {
    let world = World::named("take-over").start()?;
    world.add_tenant(TENANT, "old@example.com")?;
    let purchase = world.stripe.buy(7)?;
    let result = start(&world, TENANT, &purchase.subscription)?.result()?;
    let expected = json!({
        "tenant_id": TENANT, "stripe_customer_id": purchase.customer, "stripe_subscription_id": purchase.subscription,
        "status": "active", "quantity": 7, "licensed_user_count_before": null, "licensed_user_count": 7,
    });
    ensure!(result == expected, "{result}");
    assert_imported(&world, TENANT, &purchase)?;
    let again = start(&world, TENANT, &purchase.subscription)?;
    let result = again.result()?;
    ensure!(result["licensed_user_count_before"] == 7 && result["licensed_user_count"] == 7, "{result}");
    assert_imported(&world, TENANT, &purchase)?;
    for (name, value) in [
        ("TenantId", TENANT),
        ("StripeCustomerId", purchase.customer.as_str()),
        ("StripeSubscriptionId", purchase.subscription.as_str()),
    ] {
        ensure!(again.search_attribute(name)? == value, "{name} is {}", again.search_attribute(name)?);
    }
    let queue = &again.describe()?["workflowExecutionInfo"]["taskQueue"];
    ensure!(*queue == format!("{}-bulk", world.task_queue()), "it ran on {queue}");
    let state = again.state()?;
    let steps = ImportStep::ALL.map(ImportStep::as_str);
    ensure!(state == json!({"step": null, "done": steps, "error": null}), "{state}");
    Ok(())
}

#[test]
fn a_subscription_that_ended_is_taken_over_as_what_it_is() -> Result<()> {
    let world = World::named("take-over-ended").start()?;
    world.add_tenant(TENANT, "old@example.com")?;
    let purchase = world.stripe.buy(7)?;
    world.stripe.cancel(&purchase.subscription)?;
    let result = start(&world, TENANT, &purchase.subscription)?.result()?;
    ensure!(result["status"] == "canceled" && result["licensed_user_count"] == 0, "{result}");
    Ok(())
}

#[test]
fn a_killed_worker_leaves_one_import_and_no_effect_twice() -> Result<()> {
    let steps = ImportStep::ALL.map(ImportStep::as_str);
    let places: Vec<String> =
        steps.iter().flat_map(|step| [format!("before:{step}"), format!("after:{step}")]).collect();
    // Side by side: nearly all of the time goes into waiting for the dead attempt to time out.
    std::thread::scope(|scope| {
        let sweeps: Vec<_> = places.iter().map(|place| scope.spawn(|| kill_at(place))).collect();
        sweeps.into_iter().try_for_each(|sweep| sweep.join().expect("a sweep panicked"))
    })
}

fn kill_at(place: &str) -> Result<()> {
    let world = World::named(&format!("take-over-{}", place.replace(':', "-").to_lowercase())).without_worker()?;
    world.start_worker(&[("TENANTRY_HOLD_AT", place)])?;
    world.add_tenant(TENANT, "old@example.com")?;
    let purchase = world.stripe.buy(7)?;
    let run = start(&world, TENANT, &purchase.subscription)?;
    ensure!(world.wait_until_held()? == place, "killed elsewhere than {place}");
    world.kill_worker()?;
    world.start_worker(&[])?;
    let result = run.result().with_context(|| format!("killed {place}"))?;
    ensure!(result["licensed_user_count_before"].is_null(), "killed {place}: {result}");
    assert_imported(&world, TENANT, &purchase).with_context(|| format!("killed {place}"))
}

#[test]
fn every_request_of_an_import_may_fail() -> Result<()> {
    let world = World::named("take-over-faults").start()?;
    let check = |tenant: &str, method: &str, of_customer: bool, kind: &str, skip: u64| {
        world.add_tenant(tenant, "old@example.com")?;
        let purchase = world.stripe.buy(7)?;
        let path = match of_customer {
            true => format!("/v1/customers/{}", purchase.customer),
            false => format!("/v1/subscriptions/{}", purchase.subscription),
        };
        let struck = world.stripe.faults_struck()?;
        world.stripe.fault(method, &path, kind, skip)?;
        start(&world, tenant, &purchase.subscription)?.result()?;
        ensure!(world.stripe.faults_struck()? == struck + 1, "{kind} at {method} {path} did not strike");
        assert_imported(&world, tenant, &purchase).with_context(|| format!("{kind} at {method} {path} after {skip}"))
    };
    let tenant = |n: u8| format!("11111111-1111-4111-8111-{n:012}");
    check(&tenant(1), "GET", false, "server_error", 0)?;
    check(&tenant(2), "GET", true, "reset_before", 0)?;
    check(&tenant(3), "GET", false, "too_many_requests", 1)?;
    check(&tenant(4), "GET", false, "html_bad_gateway", 2)?;
    check(&tenant(5), "POST", false, "reset_after", 0)?;
    check(&tenant(6), "POST", false, "server_error", 0)
}

/// How an import ends that must not write anything.
fn refused(world: &World, tenant: &str, subscription: &str, kind: &str, words: &str) -> Result<()> {
    let rows = || {
        world.rows(
            "SELECT (SELECT count(*) FROM stripe_customers), (SELECT count(*) FROM stripe_subscriptions),
                    (SELECT count(*) FROM license_changes), (SELECT count(*) FROM stripe_prices)",
        )
    };
    let before = rows()?;
    let run = start(world, tenant, subscription)?;
    let (found, message) = run.failure()?;
    ensure!(found == kind && message.contains(words), "{found}: {message}");
    ensure!(run.search_attribute("FailureKind")? == kind, "{kind} is not marked");
    ensure!(rows()? == before, "{kind}: {before:?} became {:?}", rows()?);
    Ok(())
}

#[test]
fn what_contradicts_itself_is_refused_before_anything_is_written() -> Result<()> {
    let world = World::named("take-over-refused").start()?;
    world.add_tenant(TENANT, "old@example.com")?;
    world.add_tenant(OTHER, "other@example.com")?;
    let purchase = world.stripe.buy(7)?;
    let subscription = &purchase.subscription;
    refused(&world, e2e::MASTER, subscription, "ConflictError", "master billing tenant")?;
    refused(&world, NOBODY, subscription, "TenantNotFound", NOBODY)?;
    refused(&world, TENANT, "sub_1Lost", "StripeNotFound", "sub_1Lost")?;
    let tag = |path: &str, tenant: &str| world.stripe.post(path, &[("metadata[tenant_id]", tenant)]);
    tag(&format!("/subscriptions/{subscription}"), OTHER)?;
    refused(&world, TENANT, subscription, "DuplicateError", OTHER)?;
    // A tag that names nobody here claims nothing; the customer's is another matter.
    tag(&format!("/subscriptions/{subscription}"), NOBODY)?;
    tag(&format!("/customers/{}", purchase.customer), OTHER)?;
    refused(&world, TENANT, subscription, "DuplicateError", &purchase.customer)?;
    start(&world, OTHER, subscription)?.result()?;
    tag(&format!("/customers/{}", purchase.customer), "")?;
    tag(&format!("/subscriptions/{subscription}"), "")?;
    refused(&world, TENANT, subscription, "DuplicateError", OTHER)?;
    let second = world.stripe.buy(3)?;
    refused(&world, OTHER, &second.subscription, "ConflictError", &second.customer)?;
    let gone = world.stripe.buy(3)?;
    world.stripe.delete(&format!("/customers/{}", gone.customer))?;
    refused(&world, TENANT, &gone.subscription, "StripeNotFound", "deleted")
}

#[test]
fn a_subscription_that_counts_nothing_for_sure_keeps_its_rows_and_withholds_the_count() -> Result<()> {
    let world = World::named("take-over-ambiguous").start()?;
    world.add_tenant(TENANT, "old@example.com")?;
    let purchase = world.stripe.buy(7)?;
    let item = [("subscription", purchase.subscription.as_str()), ("price", &world.stripe.price()?), ("quantity", "2")];
    world.stripe.post("/subscription_items", &item)?;
    let (kind, message) = start(&world, TENANT, &purchase.subscription)?.failure()?;
    ensure!(kind == "AmbiguousSubscription" && message.contains("LICENSE_PRICE_IDS"), "{kind}: {message}");
    let rows = world.rows("SELECT status, quantity IS NULL FROM stripe_subscriptions")?;
    ensure!(rows == [["active", "t"].map(str::to_owned)], "{rows:?}");
    ensure!(world.value(&format!("SELECT licensed_user_count IS NULL FROM tenants WHERE tenant = '{TENANT}'"))? == "t");
    Ok(())
}

#[test]
fn an_input_that_does_not_fit_names_its_field() -> Result<()> {
    let world = World::named("take-over-misfit").start()?;
    let input = json!({"tenant_id": "ann@example.com", "stripe_subscription_id": "sub_1"}).to_string();
    let id = format!("import-subscription-{}", world.task_queue());
    let (kind, message) = world.start_in_bulk(IMPORT_SUBSCRIPTION, &id, &input)?.failure()?;
    ensure!(kind == "ValidationError" && message.starts_with("tenant_id: "), "{kind}: {message}");
    ensure!(!message.contains("ann@"), "{message}");
    Ok(())
}

#[test]
fn the_command_starts_waits_and_says_what_stands_in_the_way() -> Result<()> {
    let world = World::named("take-over-command").start()?;
    world.add_tenant(TENANT, "old@example.com")?;
    let purchase = world.stripe.buy(7)?;
    let import = |tenant: &str, more: &[&str]| {
        let names = ["import", "subscription", "--tenant", tenant, "--subscription", &purchase.subscription];
        world.tenantry(&[&names[..], more].concat())
    };
    let held = world.stripe.hold_all("GET", &format!("/v1/subscriptions/{}", purchase.subscription))?;
    let started = import(TENANT, &["--output", "json"])?.exits(0)?;
    let started: Value = serde_json::from_str(&started.stdout)?;
    ensure!(started["started"] == true, "{started}");
    world.stripe.wait_until_held(&held)?;
    let already = import(TENANT, &[])?.exits(4)?;
    let run = started["run_id"].as_str().context("a run")?;
    ensure!(already.stderr.contains(run) && already.stderr.contains("workflow show --follow"), "{}", already.stderr);
    let timed_out = import(TENANT, &["--wait", "--timeout", "1"])?.exits(4)?;
    ensure!(timed_out.stdout.contains("running"), "{}", timed_out.everything());
    world.stripe.release(&held)?;
    let ended = world
        .run(&format!("import-subscription-{}", purchase.subscription))
        .ending(std::time::Duration::from_secs(60))?;
    ensure!(matches!(ended, Ending::Completed(_)), "{ended:?}");
    let shown = import(TENANT, &["--wait"])?.exits(0)?.stdout;
    for words in ["ended         completed", &purchase.customer, "active, quantity 7", "licences      7"] {
        ensure!(shown.contains(words), "{words} is not in:\n{shown}");
    }
    let failed = import(NOBODY, &["--wait", "--output", "json"])?.exits(1)?;
    let shown: Value = serde_json::from_str(&failed.stdout)?;
    ensure!(shown["failure"]["kind"] == "TenantNotFound" && shown["status"] == "failed", "{shown}");
    let usage = world.tenantry(&["import", "subscription", "--tenant", "42", "--subscription", "sub_1"])?.exits(2)?;
    ensure!(usage.stderr.contains("--tenant"), "{}", usage.stderr);
    Ok(())
}
