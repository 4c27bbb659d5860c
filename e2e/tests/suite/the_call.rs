//! The store's call, as its documentation writes it, and every way in which it may differ.

use std::io::Write;

use anyhow::{Result, ensure};
use e2e::{Purchase, World};
use serde_json::json;

#[test]
fn the_stores_call_makes_a_tenant() -> Result<()> {
    let world = World::named("call").start()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    let result = run.result()?;
    let tenant = result["tenant_id"].as_str().unwrap_or_default().to_owned();
    world.assert_onboarded(&purchase, &tenant)?;
    assert_eq!(result["tenant"], tenant.as_str());
    assert_eq!((&result["created"], &result["licensed_user_count"]), (&json!(true), &json!(10)));
    let catalogue = world.rows(
        "SELECT p.name, pr.unit_amount, pr.currency, pr.recurring_interval, p.tenant = pr.tenant
         FROM stripe_prices pr JOIN stripe_products p USING (stripe_product_id)",
    )?;
    assert_eq!(catalogue, [["Seats", "1000", "usd", "month", "t"].map(str::to_owned)]);
    let person = world.rows("SELECT email, name FROM stripe_customers")?;
    assert_eq!(person, [["ann@example.com", "Ann's Company"].map(str::to_owned)]);
    for (name, value) in [
        ("TenantId", &tenant),
        ("StripeCustomerId", &purchase.customer),
        ("StripeSubscriptionId", &purchase.subscription),
    ] {
        assert_eq!(run.search_attribute(name)?, *value, "{name}");
    }
    let details = run.details()?;
    for word in [&tenant, &purchase.customer, "importSubscription", "tagCustomer"] {
        ensure!(details.contains(word), "{word} is not in the details: {details}");
    }
    patience(&run)?;
    budget(&run)
}

/// One try is short, and all of them together take a week.
fn patience(run: &e2e::Run) -> Result<()> {
    let mut seen = Vec::new();
    for event in run.events()? {
        let step = &event["activityTaskScheduledEventAttributes"];
        let Some(name) = step["activityType"]["name"].as_str() else { continue };
        assert_eq!(
            (&step["scheduleToCloseTimeout"], &step["retryPolicy"]["maximumInterval"]),
            (&json!("604800s"), &json!("60s"))
        );
        seen.push(format!("{name} {}", step["startToCloseTimeout"].as_str().unwrap_or_default()));
    }
    seen.sort();
    let (at_stripe, at_postgres) = ("15s", "5s");
    let expected = [
        format!("createTenant {at_postgres}"),
        format!("importSubscription {at_stripe}"),
        format!("insertStripeCustomer {at_postgres}"),
        format!("resolvePurchase {at_stripe}"),
        format!("setLicensedUserCount {at_postgres}"),
        format!("tagCustomer {at_stripe}"),
        format!("tagSubscription {at_stripe}"),
    ];
    assert_eq!(seen, expected);
    Ok(())
}

/// One onboarding with Stripe data costs at most 60 history events and 8 activities.
fn budget(run: &e2e::Run) -> Result<()> {
    let events = run.events()?.len();
    let activities = run.count_events("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED")?;
    // Past the test harness, which shows what is printed only of tests that fail.
    writeln!(std::io::stderr(), "one onboarding: {events} history events, {activities} activities")?;
    ensure!(events <= 60 && activities <= 8, "{events} events and {activities} activities are too many");
    Ok(())
}

#[test]
fn a_purchase_may_come_with_less() -> Result<()> {
    let world = World::named("less").start()?;
    // No Stripe data at all: no limit, and nothing is asked of Stripe.
    world.stripe.forget_requests()?;
    let run = world.start_with("create-tenant-bare", &json!({"email": "b@c.de", "client_name": "B"}).to_string())?;
    let result = run.result()?;
    assert_eq!((&result["created"], &result["licensed_user_count"]), (&json!(true), &json!(null)));
    ensure!(world.stripe.requests()?.is_empty(), "Stripe was asked: {:?}", world.stripe.requests()?);
    // A number alone is taken; 0 is 0.
    for count in [0, 7] {
        let input = json!({"email": "b@c.de", "client_name": "B", "initial_license_count": count});
        let result = world.start_with(&format!("create-tenant-count-{count}"), &input.to_string())?.result()?;
        assert_eq!(result["licensed_user_count"], json!(count));
    }
    // A subscription leads to its customer.
    let purchase = world.stripe.buy(4)?;
    let input = json!({"email": "b@c.de", "client_name": "B", "stripe_subscription_id": purchase.subscription});
    let result = world.start_with("create-tenant-by-subscription", &input.to_string())?.result()?;
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
}

#[test]
fn the_licence_rules_come_from_the_settings() -> Result<()> {
    let world = World::named("rules").without_worker()?;
    let (seats, support) = (world.stripe.price()?, world.stripe.price()?);
    world.start_worker(&[("LICENSE_PRICE_IDS", &seats), ("ENTITLED_STATUSES", "active")])?;
    let customer = world.stripe.customer("r@example.com")?;
    let items = [("items[0][price]", support.as_str()), ("items[1][price]", &seats), ("items[1][quantity]", "6")];
    let subscribe = |more: &[(&str, &str)]| {
        world.stripe.make("/subscriptions", &[&[("customer", customer.as_str())], &items[..], more].concat())
    };
    let trial = subscribe(&[("trial_period_days", "7")])?;
    let input = |subscription: &str| {
        json!({"email": "r@example.com", "client_name": "R", "stripe_subscription_id": subscription}).to_string()
    };
    let (kind, message) = world.start_with("create-tenant-trial", &input(&trial))?.failure()?;
    assert_eq!(kind, "NotLicensable", "{message}");
    let paid = subscribe(&[])?;
    let result = world.start_with("create-tenant-paid", &input(&paid))?.result()?;
    assert_eq!(result["licensed_user_count"], 6);
    assert_eq!(
        world.value(
            "SELECT stripe_price_external_id FROM stripe_subscriptions JOIN stripe_prices USING (stripe_price_id)"
        )?,
        seats
    );
    // A second tenant with the same e-mail is made, and said.
    let namesake = json!({"email": "R@example.com", "client_name": "R"}).to_string();
    let result = world.start_with("create-tenant-namesake", &namesake)?.result()?;
    ensure!(result["warnings"].to_string().contains("have the same e-mail"), "{result}");
    Ok(())
}

#[test]
fn a_checkout_session_leads_to_customer_and_subscription() -> Result<()> {
    let world = World::named("session").start()?;
    let customer = world.stripe.customer("s@example.com")?;
    let session = world.stripe.session(&customer, 3)?;
    let input = json!({"email": "s@example.com", "client_name": "S", "checkout_session_id": session}).to_string();
    let unpaid = world.start_with(&format!("create-tenant-{session}"), &input)?;
    let (kind, message) = unpaid.failure()?;
    assert_eq!(kind, "ValidationError", "{message}");
    assert_eq!(world.tenants()?, 0);
    world.stripe.pay(&session)?;
    let result = world.start_with(&format!("create-tenant-{session}"), &input)?.result()?;
    let subscription = result["stripe_subscription_id"].as_str().unwrap_or_default().to_owned();
    let purchase = Purchase { customer, subscription, quantity: 3 };
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
}

#[test]
fn an_input_that_does_not_fit_fails_once_and_names_the_field() -> Result<()> {
    let world = World::named("misfit").start()?;
    let cases = [
        ("email", r#"{"client_name": "A"}"#),
        ("email", r#"{"email": "ann.example.com", "client_name": "A"}"#),
        ("email", r#"{"email": 7, "client_name": "A"}"#),
        ("client_name", r#"{"email": "a@b.c", "client_name": "  "}"#),
        ("client_name", r#"{"email": "a@b.c"}"#),
        ("initial_license_count", r#"{"email": "a@b.c", "client_name": "A", "initial_license_count": -1}"#),
        ("initial_license_count", r#"{"email": "a@b.c", "client_name": "A", "initial_license_count": "ann@b.c"}"#),
        ("stripe_customer_id", r#"{"email": "a@b.c", "client_name": "A", "stripe_customer_id": "sub_1"}"#),
        ("stripe_subscription_id", r#"{"email": "a@b.c", "client_name": "A", "stripe_subscription_id": "cus_1"}"#),
        ("checkout_session_id", r#"{"email": "a@b.c", "client_name": "A", "checkout_session_id": ""}"#),
        ("tenant_id", r#"{"email": "a@b.c", "client_name": "A", "tenant_id": "7"}"#),
        ("expected", r#""a text""#),
        ("expected", "null"),
    ];
    let runs: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(n, (_, input))| world.start_with(&format!("create-tenant-misfit-{n}"), input))
        .collect::<Result<_>>()?;
    for ((field, input), run) in cases.iter().zip(runs) {
        let (kind, message) = run.failure()?;
        assert_eq!(kind, "ValidationError", "{input}: {message}");
        ensure!(message.contains(field), "{input}: {message}");
        ensure!(!message.contains("ann"), "the message repeats what was typed: {message}");
        assert_eq!(run.search_attribute("FailureKind")?, "ValidationError");
        assert_eq!(run.count_events("EVENT_TYPE_WORKFLOW_TASK_FAILED")?, 0);
    }
    assert_eq!(world.tenants()?, 0);
    Ok(())
}
