//! Failures go forward: fix the cause, start again under the same id, done.

use anyhow::{Result, ensure};
use e2e::World;
use serde_json::json;

#[test]
fn a_run_that_fails_before_it_writes_leaves_no_row() -> Result<()> {
    let world = World::named("not-found").start()?;
    let mut purchase = world.stripe.buy(10)?;
    let right = std::mem::replace(&mut purchase.subscription, "sub_1DoesNotExist".to_owned());
    let run = world.onboard(&purchase)?;
    let (kind, message) = run.failure()?;
    assert_eq!(kind, "StripeNotFound");
    let says = "sub_1DoesNotExist does not exist at Stripe in TEST mode; correct it and start it again";
    ensure!(message.starts_with(says), "{message}");
    for (name, value) in [
        ("FailureKind", "StripeNotFound"),
        ("StripeCustomerId", &purchase.customer),
        ("StripeSubscriptionId", &purchase.subscription),
    ] {
        assert_eq!(run.search_attribute(name)?, value, "{name}");
    }
    assert_eq!(world.tenants()?, 0);
    // The state of a closed run still answers.
    let state = run.state()?;
    assert_eq!(state["error"]["kind"], "StripeNotFound");
    assert_eq!(state["done"].as_array().map_or(0, Vec::len), 0, "{state}");
    purchase.subscription = right;
    let result = world.onboard(&purchase)?.result()?;
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
}

#[test]
fn a_run_that_failed_at_its_fifth_step_is_finished_by_a_new_one() -> Result<()> {
    let world = World::named("fifth-step").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held_in(&run)?;
    // A second item, so that nobody can tell which one counts licences.
    let price = world.stripe.price()?;
    let extra =
        world.stripe.make("/subscription_items", &[("subscription", &purchase.subscription), ("price", &price)])?;
    world.release()?;
    let (kind, message) = run.failure()?;
    assert_eq!(kind, "AmbiguousSubscription", "{message}");
    let state = run.state()?;
    assert_eq!(state["done"].as_array().map(Vec::len), Some(4), "{state}");
    // Rows and status are there, the count is withheld at 0, and nothing was taken back.
    let rows = "SELECT t.licensed_user_count, s.status, s.quantity IS NULL FROM tenants t JOIN stripe_subscriptions s USING (tenant)";
    assert_eq!(world.rows(rows)?, [["0", "active", "t"].map(str::to_owned)]);
    world.stripe.delete(&format!("/subscription_items/{extra}"))?;
    let result = world.onboard(&purchase)?.result()?;
    assert_eq!(result["created"], false, "the first run made the tenant");
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
}

#[test]
fn a_correction_cannot_lead_a_replay_to_another_tenant() -> Result<()> {
    let world = World::named("correction").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let (first, other) = (world.stripe.buy(10)?, world.stripe.buy(5)?);
    let run = world.onboard(&first)?;
    world.wait_until_held_in(&run)?;
    run.cancel()?;
    world.release()?;
    run.ending(std::time::Duration::from_secs(60))?;
    let tenant = world.value("SELECT tenant FROM stripe_customers")?;
    let id = run.workflow_id.as_str();
    // Another customer, or another tenant: refused, and nothing is written.
    let mut wrong = World::call_of_the_store(&other);
    assert_eq!(world.start_with(id, &wrong.to_string())?.failure()?.0, "ConflictError");
    wrong = World::call_of_the_store(&first);
    wrong["tenant_id"] = json!("44444444-4444-4444-8444-444444444444");
    let (kind, message) = world.start_with(id, &wrong.to_string())?.failure()?;
    ensure!(matches!(kind.as_str(), "ConflictError" | "DuplicateError"), "{kind}: {message}");
    assert_eq!((world.tenants()?, world.value("SELECT count(*) FROM stripe_customers")?.as_str()), (1, "1"));
    // Another name is a correction like any other; the row keeps its own.
    let mut right = World::call_of_the_store(&first);
    right["client_name"] = json!("Corrected");
    let result = world.start_with(id, &right.to_string())?.result()?;
    assert_eq!(result["created"], false);
    world.assert_onboarded(&first, &tenant)
}

#[test]
fn a_replay_that_adds_the_customer_keeps_its_tenant() -> Result<()> {
    let world = World::named("added").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let purchase = world.stripe.buy(10)?;
    let bare = json!({"email": "ann@example.com", "client_name": "Ann's Company"}).to_string();
    let run = world.start_with("create-tenant-added", &bare)?;
    world.wait_until_held_in(&run)?;
    run.cancel()?;
    world.release()?;
    run.ending(std::time::Duration::from_secs(60))?;
    let again = world.start_with("create-tenant-added", &World::call_of_the_store(&purchase).to_string())?;
    assert_eq!(again.result()?["created"], false);
    assert_eq!(world.tenants()?, 1, "the corrected replay made a second tenant");
    Ok(())
}

#[test]
fn a_purchase_that_contradicts_itself_is_refused() -> Result<()> {
    let world = World::named("odd-purchase").start()?;
    let purchase = world.stripe.buy(10)?;
    let (_, other) = world.stripe.check_out(5)?;
    let one_off = world.stripe.make(
        "/checkout/sessions",
        &[
            ("mode", "payment"),
            ("customer", &purchase.customer),
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", "500"),
            ("line_items[0][price_data][product_data][name]", "Mug"),
            ("line_items[0][quantity]", "1"),
            ("success_url", "https://shop.example.com/done"),
        ],
    )?;
    world.stripe.pay(&one_off)?;
    let deleted = world.stripe.customer("gone@example.com")?;
    world.stripe.delete(&format!("/customers/{deleted}"))?;
    for (what, field, value, expected) in [
        ("session-of-another", "checkout_session_id", &other, "ConflictError"),
        ("session-without-subscription", "checkout_session_id", &one_off, "ValidationError"),
        ("deleted-customer", "stripe_customer_id", &deleted, "StripeNotFound"),
    ] {
        let mut call = World::call_of_the_store(&purchase);
        call[field] = json!(value);
        let (kind, message) = world.start_with(&format!("create-tenant-{what}"), &call.to_string())?.failure()?;
        assert_eq!(kind, expected, "{what}: {message}");
        ensure!(message.contains(value.as_str()), "{what}: {message}");
    }
    assert_eq!(world.tenants()?, 0);
    Ok(())
}

#[test]
fn a_second_purchase_by_a_known_customer_is_normal() -> Result<()> {
    let world = World::named("second-purchase").start()?;
    let first = world.stripe.buy(10)?;
    let tenant = world.onboard(&first)?.result()?["tenant_id"].clone();
    world.stripe.advance(3600)?;
    let subscription = world.stripe.subscription(&first.customer, &world.stripe.price()?, 25)?;
    let mut call = World::call_of_the_store(&first);
    call["stripe_subscription_id"] = json!(subscription);
    call["initial_license_count"] = json!(3);
    call["client_name"] = json!("Another name");
    let result = world.start_with("create-tenant-second", &call.to_string())?.result()?;
    assert_eq!((&result["tenant_id"], &result["created"]), (&tenant, &json!(false)));
    assert_eq!(result["licensed_user_count"], 25, "the newest of two active subscriptions counts");
    let warnings = result["warnings"].to_string();
    ensure!(
        warnings.contains("another name") && warnings.contains("initial_license_count 3 was not taken"),
        "{warnings}"
    );
    assert_eq!(world.value("SELECT client_name FROM tenants JOIN stripe_customers USING (tenant)")?, "Ann's Company");
    let changes = world.rows("SELECT from_count, to_count, cause FROM license_changes ORDER BY license_change_id")?;
    let expected = [["0", "10", "subscription_import"], ["10", "25", "subscription_import"]];
    assert_eq!(changes, expected.map(|row| row.map(str::to_owned)));
    Ok(())
}

#[test]
fn a_subscription_that_carries_no_licences_makes_no_tenant() -> Result<()> {
    let world = World::named("not-licensable").start()?;
    let customer = world.stripe.customer("n@example.com")?;
    let seats = world.stripe.price()?;
    let metered = world.stripe.make(
        "/prices",
        &[
            ("product_data[name]", "Calls"),
            ("currency", "usd"),
            ("unit_amount", "1"),
            ("recurring[interval]", "month"),
            ("recurring[usage_type]", "metered"),
            ("recurring[meter]", "mtr_test_1"),
        ],
    )?;
    let base = [("customer", customer.as_str())];
    let with = |more: &[(&str, &str)]| world.stripe.make("/subscriptions", &[&base[..], more].concat());
    let add_on = with(&[("items[0][price]", &seats), ("metadata[addon_key]", "ai")])?;
    let unpaid = with(&[("items[0][price]", &seats), ("payment_behavior", "default_incomplete")])?;
    let ended = with(&[("items[0][price]", &seats)])?;
    world.stripe.delete(&format!("/subscriptions/{ended}"))?;
    let two = with(&[("items[0][price]", &seats), ("items[1][price]", &world.stripe.price()?)])?;
    let metered = with(&[("items[0][price]", &metered)])?;
    for (what, subscription, expected) in [
        ("add-on", add_on, "NotLicensable"),
        ("unpaid", unpaid, "NotLicensable"),
        ("ended", ended, "NotLicensable"),
        ("metered", metered, "NotLicensable"),
        ("two", two, "AmbiguousSubscription"),
    ] {
        let input = json!({"email": "n@example.com", "client_name": "N", "stripe_subscription_id": subscription});
        let (kind, message) = world.start_with(&format!("create-tenant-{what}"), &input.to_string())?.failure()?;
        assert_eq!(kind, expected, "{what}: {message}");
        ensure!(message.contains(&subscription), "{what}: {message}");
    }
    assert_eq!(world.tenants()?, 0);
    Ok(())
}

#[test]
fn a_cancelled_run_ends_between_steps_and_leaves_what_it_built() -> Result<()> {
    let world = World::named("cancelled").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held_in(&run)?;
    run.cancel()?;
    world.release()?;
    assert_eq!(run.ending(std::time::Duration::from_secs(60))?, e2e::Ending::Cancelled);
    assert_eq!(run.search_attribute("FailureKind")?, "Cancelled");
    assert_eq!(world.tenants()?, 1);
    assert_eq!(run.state()?["done"], json!(["resolvePurchase", "createTenant"]));
    Ok(())
}
