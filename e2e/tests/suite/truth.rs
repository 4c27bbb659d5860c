//! The rules of truth that a purchase touches: each interleaving that a rule closes is forced,
//! by an answer held back or by a step held, and ends right.

use anyhow::{Context, Result, ensure};
use e2e::World;
use serde_json::json;

/// Plays a scene in which something is held while something else goes on, until it could: on a
/// machine that is slow meanwhile, the held attempt is given up, and the scene proves nothing.
pub(crate) fn once_in_time(scene: fn(&str) -> Result<bool>, name: &str) -> Result<()> {
    for n in 1..=6 {
        if scene(&format!("{name}-{n}"))? {
            return Ok(());
        }
    }
    anyhow::bail!("it took too long while something was held, each of six times")
}

/// Rule 4: a slow answer never undoes a newer one.
#[test]
fn a_stale_read_never_wins() -> Result<()> {
    once_in_time(stale_read, "stale-read")
}

fn stale_read(name: &str) -> Result<bool> {
    let world = World::named(name).start()?;
    let purchase = world.stripe.buy(10)?;
    let path = format!("/subscriptions/{}", purchase.subscription);
    // The second read of a run is the one whose answer is written; it sees 10 seats and is held.
    let hold = world.stripe.hold("GET", &format!("/v1{path}"), "after", 1)?;
    let slow = world.onboard(&purchase)?;
    world.stripe.wait_until_held(&hold)?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    let quick = world.start_with("create-tenant-quick", &World::call_of_the_store(&purchase).to_string())?;
    assert_eq!(quick.result()?["licensed_user_count"], 12);
    world.stripe.release(&hold)?;
    assert_eq!(slow.result()?["licensed_user_count"], 12, "the stale answer won");
    assert_eq!(counts(&world)?, ["12", "12"]);
    // Of a second attempt it would be another answer.
    Ok(slow.attempts("importSubscription")? == 1)
}

/// Rule 5: no step carries a quantity from an earlier one.
#[test]
fn the_count_is_derived_when_it_is_set_not_when_it_was_read() -> Result<()> {
    once_in_time(late_count, "late-count")
}

fn late_count(name: &str) -> Result<bool> {
    let world = World::named(name).setting("TENANTRY_HOLD_AT", "before:setLicensedUserCount").start()?;
    let purchase = world.stripe.buy(10)?;
    let slow = world.onboard(&purchase)?;
    world.wait_until_held()?;
    world.stripe.set_quantity(&purchase.subscription, 15)?;
    let quick = world.start_with("create-tenant-quick", &World::call_of_the_store(&purchase).to_string())?;
    assert_eq!(quick.result()?["licensed_user_count"], 15);
    world.release()?;
    let result = slow.result()?;
    if slow.attempts("setLicensedUserCount")? > 1 {
        return Ok(false);
    }
    assert_eq!(result["licensed_user_count"], 15);
    assert_eq!(counts(&world)?, ["15", "15"]);
    Ok(true)
}

/// Rule 5: NULL is no limit, so a tenant that waits for its subscription has 0.
#[test]
fn a_tenant_has_no_licences_before_its_subscription_is_imported() -> Result<()> {
    let world = World::named("zero-first").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let run = world.onboard(&world.stripe.buy(10)?)?;
    world.wait_until_held()?;
    assert_eq!(world.value("SELECT licensed_user_count FROM tenants JOIN stripe_customers USING (tenant)")?, "0");
    world.release()?;
    run.result().map(drop)
}

/// Rule 6: a number of the purchase counts only until anything else has spoken.
#[test]
fn an_initial_count_is_taken_once() -> Result<()> {
    let world = World::named("initial").start()?;
    let start = |name: &str, count: i64| -> Result<serde_json::Value> {
        let input = json!({
            "email": "i@example.com",
            "client_name": "I",
            "tenant_id": "33333333-3333-4333-8333-333333333333",
            "initial_license_count": count,
        });
        world.start_with(&format!("create-tenant-{name}"), &input.to_string())?.result()
    };
    assert_eq!(start("zero", 0)?["licensed_user_count"], 0);
    let again = start("five", 5)?;
    assert_eq!(again["licensed_user_count"], 0, "0 is 0");
    ensure!(again["warnings"].to_string().contains("initial_license_count 5 was not taken"), "{again}");
    Ok(())
}

/// Rule 6: Stripe's quantity beats the number of the purchase.
#[test]
fn stripes_quantity_beats_the_purchases_number() -> Result<()> {
    let world = World::named("beats").start()?;
    let purchase = world.stripe.buy(10)?;
    let mut call = World::call_of_the_store(&purchase);
    call["initial_license_count"] = json!(99);
    let result = world.start_with("create-tenant-beats", &call.to_string())?.result()?;
    assert_eq!(result["licensed_user_count"], 10);
    ensure!(result["warnings"].to_string().contains("initial_license_count 99"), "{result}");
    Ok(())
}

/// Rule 7 and rule 4: a 404 changes nothing of a tenant that exists.
#[test]
fn a_404_changes_no_row() -> Result<()> {
    let world = World::named("gone").start()?;
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    // At the second read of a run, the one whose answer would be written.
    world.stripe.fault("GET", &format!("/v1/subscriptions/{}", purchase.subscription), "not_found", 1)?;
    let gone = world.start_with("create-tenant-gone", &World::call_of_the_store(&purchase).to_string())?;
    assert_eq!(gone.failure()?.0, "StripeNotFound");
    assert_eq!(gone.state()?["done"].as_array().map(Vec::len), Some(3), "it did not fail at the import");
    assert_eq!(counts(&world)?, ["10", "10"]);
    Ok(())
}

/// Rule 5: of two imports that meet, the second sees what the first wrote.
#[test]
fn two_imports_of_one_tenant_wait_for_each_other() -> Result<()> {
    let world = World::named("two-imports").start()?;
    let first = world.stripe.buy(10)?;
    let tenant = world.onboard(&first)?.result()?["tenant_id"].as_str().unwrap_or_default().to_owned();
    let mut runs = Vec::new();
    let mut lock = world.session()?;
    lock.run("BEGIN")?;
    // Not FOR UPDATE, for which the rows' foreign keys would wait too.
    lock.run(&format!("SELECT 1 FROM tenants WHERE tenant = '{tenant}' FOR NO KEY UPDATE"))?;
    for (n, quantity) in [20, 30].into_iter().enumerate() {
        world.stripe.advance(3600)?;
        let subscription = world.stripe.subscription(&first.customer, &world.stripe.price()?, quantity)?;
        let mut call = World::call_of_the_store(&first);
        call["stripe_subscription_id"] = json!(subscription);
        runs.push(world.start_with(&format!("create-tenant-import-{n}"), &call.to_string())?);
    }
    // One holds the customer and waits for the tenant, the other waits for the customer.
    world.wait_for_lock_waiters(2)?;
    lock.run("COMMIT")?;
    for run in runs {
        run.result()?;
    }
    let changes = world.rows("SELECT from_count, to_count FROM license_changes ORDER BY license_change_id")?;
    let chain: Vec<_> = changes.windows(2).map(|pair| pair[0][1] == pair[1][0]).collect();
    ensure!(chain.iter().all(|linked| *linked), "a change was overwritten: {changes:?}");
    assert_eq!(world.value("SELECT licensed_user_count FROM tenants JOIN stripe_customers USING (tenant)")?, "30");
    Ok(())
}

/// Rule 5: the count is derived and written under the lock of the tenant's row. Without it a count
/// derived before another's commit could be written after it.
#[test]
fn a_count_is_set_under_the_tenants_lock() -> Result<()> {
    let world = World::named("count-lock").start()?;
    let tenant = "55555555-5555-4555-8555-555555555555";
    let input = json!({"email": "l@example.com", "client_name": "L", "tenant_id": tenant}).to_string();
    world.start_with("create-tenant-first", &input)?.result()?;
    let mut lock = world.session()?;
    lock.run("BEGIN")?;
    // Not FOR UPDATE, for which foreign keys would wait too. Nothing is to be written here.
    lock.run(&format!("SELECT 1 FROM tenants WHERE tenant = '{tenant}' FOR NO KEY UPDATE"))?;
    let run = world.start_with("create-tenant-second", &input)?;
    world.wait_for_lock_waiters(1)?;
    assert_eq!(run.under_way()?.first().map(|(step, _)| step.as_str()), Some("setLicensedUserCount"));
    lock.run("COMMIT")?;
    run.result().map(drop)
}

/// Rule 8: an event that is parked while its customer gets a tenant is released all the same.
#[test]
fn parking_and_release_wait_for_each_other() -> Result<()> {
    let world = World::named("park-race").start()?;
    let customer = world.stripe.customer("p@example.com")?;
    let mut parking = world.session()?;
    parking.run("BEGIN")?;
    parking.run(&format!("SELECT pg_advisory_xact_lock(hashtextextended('{customer}', 0))"))?;
    // No subscription: an import would release it as well, later.
    let input = json!({"email": "p@example.com", "client_name": "P", "stripe_customer_id": customer});
    let run = world.start_with("create-tenant-parking", &input.to_string())?;
    world.wait_for_lock_waiters(1)?;
    parking.run(&park("evt_1Late", &customer))?;
    parking.run("COMMIT")?;
    run.result()?;
    assert_eq!(world.value("SELECT processing_status FROM stripe_webhook_events")?, "pending");
    Ok(())
}

/// Nobody buys the tenant that owns the Stripe account, and no other may stand in for it.
#[test]
fn the_master_billing_tenant_takes_no_purchase_and_has_no_substitute() -> Result<()> {
    let world = World::named("master").start()?;
    let purchase = world.stripe.buy(10)?;
    let mut call = World::call_of_the_store(&purchase);
    call["tenant_id"] = json!(e2e::MASTER);
    let (kind, message) = world.start_with("create-tenant-given", &call.to_string())?.failure()?;
    assert_eq!(kind, "ConflictError", "{message}");
    world.stripe.post(&format!("/customers/{}", purchase.customer), &[("metadata[tenant_id]", e2e::MASTER)])?;
    let tagged = world.start_with("create-tenant-tagged", &World::call_of_the_store(&purchase).to_string())?;
    assert_eq!(tagged.failure()?.0, "ConflictError");
    world.stripe.post(&format!("/customers/{}", purchase.customer), &[("metadata[tenant_id]", "")])?;
    let tenant = world.onboard(&purchase)?.result()?["tenant_id"].as_str().unwrap_or_default().to_owned();
    world.stop_worker()?;
    let before = world.worker_log().len();
    let exit =
        world.launch_worker(&[("MASTER_BILLING_TENANT_ID", &tenant)])?.wait(std::time::Duration::from_secs(60))?;
    assert_eq!(exit, stack::process::Exit::Code(1));
    let said = &world.worker_log()[before..];
    ensure!(said.contains("is not the master billing tenant of the database"), "{said}");
    world.tenantry(&["migrate", "--master-tenant", &tenant])?.exits(4).map(drop)
}

/// Rule 8: whatever gives a customer its tenant releases what was parked for it, in the same
/// transaction.
#[test]
fn onboarding_releases_the_customers_parked_events() -> Result<()> {
    let world = World::named("parked").start()?;
    let (ours, other) = (world.stripe.buy(10)?, world.stripe.buy(5)?);
    for (event, customer) in [("evt_1Ours", &ours.customer), ("evt_1Other", &other.customer)] {
        world.rows(&park(event, customer))?;
    }
    world.onboard(&ours)?.result()?;
    let statuses = world.rows("SELECT stripe_event_id, processing_status FROM stripe_webhook_events ORDER BY 1")?;
    assert_eq!(statuses, [["evt_1Other", "parked"], ["evt_1Ours", "pending"]].map(|row| row.map(str::to_owned)));
    Ok(())
}

/// Rule 12: one database, one Stripe account, one mode.
#[test]
fn a_database_of_another_account_or_mode_is_refused() -> Result<()> {
    let world = World::named("other-mode").start()?;
    world.stop_worker()?;
    for (change, word) in [
        ("UPDATE stripe_accounts SET livemode = true", "LIVE mode"),
        ("UPDATE stripe_accounts SET livemode = false, stripe_account_external_id = 'acct_another'", "acct_another"),
    ] {
        world.rows(change)?;
        let worker = world.launch_worker(&[])?;
        let exit = worker.wait(std::time::Duration::from_secs(60)).context("it did not stop")?;
        assert_eq!(exit, stack::process::Exit::Code(1));
        let log = world.worker_log();
        ensure!(log.contains("ConfigurationError: the database belongs to") && log.contains(word), "{log}");
    }
    Ok(())
}

fn park(event: &str, customer: &str) -> String {
    format!(
        "INSERT INTO stripe_webhook_events (tenant, stripe_event_id, event_type, event_data, kind, livemode,
             stripe_created_at, processing_status, stripe_customer_external_id, object_id)
         VALUES ('{}', '{event}', 'customer.subscription.updated', '', 'snapshot', false, now(), 'parked', '{customer}',
             'sub_1')",
        e2e::MASTER
    )
}

/// The tenant's count and its subscription's quantity.
fn counts(world: &World) -> Result<[String; 2]> {
    let rows = world
        .rows("SELECT t.licensed_user_count, s.quantity FROM tenants t JOIN stripe_subscriptions s USING (tenant)")?;
    let [row] = rows.as_slice() else { anyhow::bail!("not one subscription: {rows:?}") };
    Ok([row[0].clone(), row[1].clone()])
}
