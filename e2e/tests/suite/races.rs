//! One tenant per customer, whoever else is at it: the order is forced by hold points.

use anyhow::{Result, ensure};
use e2e::{Run, World};
use serde_json::{Value, json};

const ONE: &str = "11111111-1111-4111-8111-111111111111";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// A call of the store with some fields changed; `null` takes one away.
fn call_with(purchase: &e2e::Purchase, changes: Value) -> String {
    let mut call = World::call_of_the_store(purchase);
    for (name, value) in changes.as_object().into_iter().flatten() {
        call[name] = value.clone();
    }
    call.to_string()
}

/// Starts one onboarding, holds it when it has looked at Stripe and at the rows, lets another one
/// overtake it, and lets the first go on. Neither has seen what the other wrote.
fn overtaken(world: &World, held: &str, overtaking: &str) -> Result<(Run, Run)> {
    let slow = world.start_with("create-tenant-slow", held)?;
    world.wait_until_held()?;
    let quick = world.start_with("create-tenant-quick", overtaking)?;
    quick.result()?;
    world.release()?;
    // Held too long the step is tried again, and the two would not have met.
    slow.ending(std::time::Duration::from_secs(60))?;
    assert_eq!(slow.attempts("resolvePurchase")?, 1, "it was not held long enough");
    Ok((slow, quick))
}

fn held_before_create(name: &str) -> Result<World> {
    World::named(name).setting("TENANTRY_HOLD_AT", "after:resolvePurchase").start()
}

#[test]
fn two_starts_with_one_id_are_one_run() -> Result<()> {
    let world = World::named("same-id").start()?;
    let purchase = world.stripe.buy(10)?;
    let starts: Vec<_> = std::thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| world.onboard(&purchase))).collect();
        both.into_iter().map(|start| start.join().expect("a start panicked")).collect()
    });
    // The official CLI answers a refused start with the run that is there.
    let runs = starts.into_iter().map(|start| Ok(start?.run_id)).collect::<Result<Vec<_>>>()?;
    assert_eq!(runs[0], runs[1], "two runs of one onboarding");
    world.onboard(&purchase)?.result()?;
    // A third start, after it completed, is refused too.
    assert_eq!(world.onboard(&purchase)?.run_id, runs[0]);
    assert_eq!(world.tenants()?, 1);
    Ok(())
}

#[test]
fn two_onboardings_of_one_customer_make_one_tenant() -> Result<()> {
    let world = held_before_create("two-ids")?;
    let purchase = world.stripe.buy(10)?;
    let call = World::call_of_the_store(&purchase).to_string();
    let (slow, quick) = overtaken(&world, &call, &call)?;
    let (slow, quick) = (slow.result()?, quick.result()?);
    assert_eq!((&slow["created"], &quick["created"]), (&json!(false), &json!(true)));
    assert_eq!(slow["tenant_id"], quick["tenant_id"]);
    assert_eq!(world.tenants()?, 1);
    world.assert_onboarded(&purchase, quick["tenant_id"].as_str().unwrap_or_default())
}

#[test]
fn who_loses_the_customer_leaves_no_row_and_goes_on_with_the_winners_tenant() -> Result<()> {
    let world = held_before_create("claim-lost")?;
    let purchase = world.stripe.buy(10)?;
    let call = World::call_of_the_store(&purchase).to_string();
    let (slow, _) = overtaken(&world, &call, &call_with(&purchase, json!({"tenant_id": ONE})))?;
    let slow = slow.result()?;
    assert_eq!((&slow["tenant_id"], &slow["created"]), (&json!(ONE), &json!(false)));
    assert_eq!(world.tenants()?, 1);
    Ok(())
}

#[test]
fn who_was_given_another_tenant_and_loses_the_customer_fails() -> Result<()> {
    let world = held_before_create("two-tenants")?;
    let purchase = world.stripe.buy(10)?;
    let (slow, _) = overtaken(
        &world,
        &call_with(&purchase, json!({"tenant_id": ONE})),
        &call_with(&purchase, json!({"tenant_id": OTHER})),
    )?;
    let (kind, message) = slow.failure()?;
    assert_eq!(kind, "DuplicateError", "{message}");
    ensure!(message.contains(OTHER), "it does not name the tenant: {message}");
    assert_eq!(world.value("SELECT count(*) FROM tenants WHERE tenant = '11111111-1111-4111-8111-111111111111'")?, "0");
    assert_eq!(world.tenants()?, 1);
    Ok(())
}

#[test]
fn contradictions_about_identity_are_refused_and_nothing_is_written() -> Result<()> {
    let world = World::named("contradictions").start()?;
    let (ours, theirs) = (world.stripe.buy(10)?, world.stripe.buy(5)?);
    world.start_with("create-tenant-ours", &call_with(&ours, json!({"tenant_id": ONE})))?.result()?;
    let before = everything(&world)?;
    let check = |name: &str, input: String, expected: &str| -> Result<()> {
        let (kind, message) = world.start_with(&format!("create-tenant-{name}"), &input)?.failure()?;
        assert_eq!(kind, expected, "{name}: {message}");
        assert_eq!(everything(&world)?, before, "{name} wrote something");
        Ok(())
    };
    let other = |field: &str, value: &str| call_with(&theirs, json!({ field: value }));
    check("foreign-subscription", other("stripe_subscription_id", &ours.subscription), "ConflictError")?;
    check("customer-of-another", call_with(&ours, json!({"tenant_id": OTHER})), "DuplicateError")?;
    check("second-customer", other("tenant_id", ONE), "ConflictError")?;
    // A tag that names an existing tenant counts as much as a row, one that names nobody does not.
    let customer = format!("/customers/{}", theirs.customer);
    world.stripe.post(&customer, &[("metadata[tenant_id]", ONE)])?;
    check("tagged-for-another", other("tenant_id", OTHER), "DuplicateError")?;
    world.stripe.post(&customer, &[("metadata[tenant_id]", OTHER)])?;
    let result = world.start_with("create-tenant-tagged", &call_with(&theirs, json!({})))?.result()?;
    assert_eq!(result["created"], true);
    assert_ne!(result["tenant_id"], OTHER);
    Ok(())
}

#[test]
fn a_tag_that_names_another_existing_tenant_is_never_replaced() -> Result<()> {
    let world = World::named("foreign-tag").setting("TENANTRY_HOLD_AT", "before:tagSubscription").start()?;
    let (first, second) = (world.stripe.buy(1)?, world.stripe.buy(2)?);
    let slow = world.start_with("create-tenant-slow", &call_with(&first, json!({})))?;
    world.wait_until_held()?;
    world.start_with("create-tenant-quick", &call_with(&second, json!({"tenant_id": OTHER})))?.result()?;
    let path = format!("/subscriptions/{}", first.subscription);
    world.stripe.post(&path, &[("metadata[tenant_id]", OTHER)])?;
    world.release()?;
    let (kind, message) = slow.failure()?;
    assert_eq!(kind, "DuplicateError", "{message}");
    assert_eq!(world.stripe.metadata(&path, "tenant_id")?, OTHER);
    Ok(())
}

/// All rows that an onboarding could write.
fn everything(world: &World) -> Result<Vec<Vec<String>>> {
    world.rows(
        "SELECT 'tenant', tenant::text, client_name, email, licensed_user_count::text FROM tenants
         UNION ALL SELECT 'customer', tenant::text, stripe_customer_external_id, email, name FROM stripe_customers
         UNION ALL SELECT 'subscription', tenant::text, stripe_subscription_external_id, status, quantity::text
                   FROM stripe_subscriptions
         UNION ALL SELECT 'change', tenant::text, to_count::text, cause, '' FROM license_changes
         ORDER BY 1, 2, 3",
    )
}
