//! What is refused, each with its own failure type and the way out; nothing is written at Stripe.

use anyhow::{Context, Result, ensure};
use e2e::{MASTER, Tenant, World};
use serde_json::{Value, json};

/// What is special about a tenant before it asks for 15 licences instead of 10.
type Setup = fn(&World, &Tenant) -> Result<()>;

/// The setup, the failure type, and some of its text.
const CASES: [(&str, Setup, &str, &str); 10] = [
    ("no live subscription", cancelled, "NotLicensable", "has no live subscription at Stripe; sell it one"),
    ("add-on only", add_on_only, "NotLicensable", "has live add-ons only"),
    ("metered", metered, "NotLicensable", "is metered and has no quantity"),
    ("packages", packaged, "NotLicensable", "bills packages of several units (transform_quantity) and not seats"),
    ("several items", two_items, "AmbiguousSubscription", "name the licence price in LICENSE_PRICE_IDS"),
    ("cancels at the period's end", cancels_at_period_end, "ConflictError", "is set to cancel; take that back"),
    ("cancels some day", cancels_some_day, "ConflictError", "is set to cancel; take that back"),
    ("a foreign schedule", scheduled, "ConflictError", "which was not made here, or not left as it was made; release"),
    ("a schedule that cancels", schedule_that_cancels, "ConflictError", "is set to cancel"),
    ("of another tenant", tagged, "DuplicateError", "already belongs to tenant"),
];

#[test]
fn what_cannot_be_changed_is_refused_with_its_reason() -> Result<()> {
    let world = World::named("license-no").start()?;
    let other = world.tenant_with(1)?;
    let mut runs = Vec::new();
    for (what, setup, kind, says) in CASES {
        let tenant = world.tenant_with(10)?;
        setup(&world, &tenant).context(what)?;
        if what == "of another tenant" {
            let tag = [("metadata[tenant_id]", other.id.as_str())];
            world.stripe.post(&format!("/subscriptions/{}", tenant.purchase.subscription), &tag)?;
        }
        runs.push((what, world.start_license_change(&tenant.id, 15, &json!({}))?, tenant, kind, says));
    }
    world.stripe.forget_requests()?;
    for (what, run, tenant, kind, says) in runs {
        let failure = run.failure().context(what)?;
        ensure!(failure.0 == kind && failure.1.contains(says), "{what}: {failure:?}");
        assert_eq!(run.search_attribute("FailureKind")?, kind, "{what}");
        let [request] = &world.license_requests(&tenant)?[..] else { anyhow::bail!("{what}: not one request") };
        ensure!(request.starts_with(kind), "{what}: {request}");
    }
    let effects: Vec<_> = world.stripe.requests()?.into_iter().filter(|request| request.effect).collect();
    ensure!(effects.is_empty(), "{effects:?}");
    Ok(())
}

fn path(tenant: &Tenant) -> String {
    format!("/subscriptions/{}", tenant.purchase.subscription)
}

fn cancelled(world: &World, tenant: &Tenant) -> Result<()> {
    world.stripe.cancel(&tenant.purchase.subscription)
}

fn add_on_only(world: &World, tenant: &Tenant) -> Result<()> {
    cancelled(world, tenant)?;
    let price = world.stripe.price()?;
    let add_on = world.stripe.subscription(&tenant.purchase.customer, &price, 1)?;
    world.stripe.post(&format!("/subscriptions/{add_on}"), &[("metadata[addon_key]", "storage")]).map(drop)
}

/// Another subscription in place of the one that was bought, of a price with more parameters.
fn other_price(world: &World, tenant: &Tenant, more: &[(&str, &str)], quantity: Option<&str>) -> Result<()> {
    cancelled(world, tenant)?;
    let common = [("product_data[name]", "Use"), ("recurring[interval]", "month"), ("currency", "usd")];
    let price = world.stripe.make("/prices", &[&common[..], &[("unit_amount", "100")], more].concat())?;
    let mut form = vec![("customer", tenant.purchase.customer.as_str()), ("items[0][price]", &price)];
    form.extend(quantity.map(|quantity| ("items[0][quantity]", quantity)));
    world.stripe.make("/subscriptions", &form).map(drop)
}

fn metered(world: &World, tenant: &Tenant) -> Result<()> {
    other_price(world, tenant, &[("recurring[usage_type]", "metered"), ("recurring[meter]", "mtr_use")], None)
}

fn packaged(world: &World, tenant: &Tenant) -> Result<()> {
    let packages = [("transform_quantity[divide_by]", "5"), ("transform_quantity[round]", "up")];
    other_price(world, tenant, &packages, Some("10"))
}

fn two_items(world: &World, tenant: &Tenant) -> Result<()> {
    let (price, subscription) = (world.stripe.price()?, tenant.purchase.subscription.as_str());
    world.stripe.make("/subscription_items", &[("subscription", subscription), ("price", &price)]).map(drop)
}

fn cancels_at_period_end(world: &World, tenant: &Tenant) -> Result<()> {
    world.stripe.post(&path(tenant), &[("cancel_at_period_end", "true")]).map(drop)
}

fn cancels_some_day(world: &World, tenant: &Tenant) -> Result<()> {
    let read = world.stripe.get(&path(tenant))?;
    let soon = read["items"]["data"][0]["current_period_end"].as_i64().context("a period")? - 1000;
    world.stripe.post(&path(tenant), &[("cancel_at", &soon.to_string())]).map(drop)
}

fn scheduled(world: &World, tenant: &Tenant) -> Result<()> {
    world.stripe.schedule_quantity(&tenant.purchase.subscription, 4).map(drop)
}

fn schedule_that_cancels(world: &World, tenant: &Tenant) -> Result<()> {
    let from = [("from_subscription", tenant.purchase.subscription.as_str())];
    let schedule = world.stripe.make("/subscription_schedules", &from)?;
    world.stripe.post(&format!("/subscription_schedules/{schedule}"), &[("end_behavior", "cancel")]).map(drop)
}

/// The tag is written by the caller, who knows the other tenant.
fn tagged(_world: &World, _tenant: &Tenant) -> Result<()> {
    Ok(())
}

#[test]
fn who_has_nothing_to_change_is_told_so() -> Result<()> {
    let world = World::named("license-none").start()?;
    let fails = |tenant: &str, kind: &str, says: &str| -> Result<()> {
        let failure = world.start_license_change(tenant, 15, &json!({}))?.failure()?;
        ensure!(failure.0 == kind && failure.1.contains(says), "{failure:?}");
        Ok(())
    };
    fails("77777777-7777-4777-8777-777777777777", "TenantNotFound", "does not exist here")?;
    fails(MASTER, "NotLicensable", "is the master billing tenant and has no licences")?;
    let bare = json!({"email": "b@c.de", "client_name": "B"}).to_string();
    let bare = world.start_with("create-tenant-unbought", &bare)?.result()?;
    fails(bare["tenant_id"].as_str().unwrap_or_default(), "NotLicensable", "has no customer at Stripe")?;
    assert_eq!(world.value("SELECT string_agg(failure_kind, ',') FROM license_requests")?, "NotLicensable");
    Ok(())
}

#[test]
fn an_input_that_does_not_fit_fails_with_its_field() -> Result<()> {
    let world = World::named("license-input").start()?;
    let tenant = world.tenant_with(10)?;
    let quantity = "quantity: expected a whole number from 1 to 100000; start it again with a corrected input";
    let cases: [(i64, Value, &str); 6] = [
        (0, json!({}), quantity),
        (-3, json!({}), quantity),
        (100_001, json!({}), quantity),
        (15, json!({"tenant_id": "ann"}), "tenant_id: expected a UUID"),
        (15, json!({"effective": "tomorrow"}), "effective: "),
        (15, json!({"requested_by": ""}), "requested_by: expected 1 to 255 characters"),
    ];
    for (quantity, more, says) in cases {
        let (kind, message) = world.start_license_change(&tenant.id, quantity, &more)?.failure()?;
        ensure!(kind == "ValidationError" && message.contains(says), "{quantity} {more}: {kind}: {message}");
    }
    world.assert_licenses(&tenant, 10, None)?;
    // What is decided on another number than Stripe has is not done.
    let (kind, message) = world.start_license_change(&tenant.id, 15, &json!({"from": 12}))?.failure()?;
    let says = "was changed meanwhile: it has 10 licences, and it was decided on 12";
    ensure!(kind == "ConflictError" && message.contains(says), "{kind}: {message}");
    world.assert_licenses(&tenant, 10, None)?;
    // A closed run, however it ended, may be followed.
    world.start_license_change(&tenant.id, 15, &json!({"from": 10}))?.result()?;
    world.assert_licenses(&tenant, 15, None)
}
