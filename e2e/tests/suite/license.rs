//! A tenant gets another number of licences: what Stripe has, what is billed, what the rows and
//! the count say.

use anyhow::{Result, ensure};
use e2e::{Tenant, World};
use serde_json::{Value, json};

const MONTH: u64 = 32 * 24 * 60 * 60;

fn at_the_period_end() -> Value {
    json!({"effective": "period_end"})
}

fn now() -> Value {
    json!({"effective": "now"})
}

/// Whether the schedule of the subscription says that it is ours.
fn is_marked(world: &World, tenant: &Tenant) -> Result<bool> {
    let read = world.stripe.get(&format!("/subscriptions/{}?expand[]=schedule", tenant.purchase.subscription))?;
    Ok(read["schedule"]["metadata"]["tenantry"] == "1" && read["schedule"]["end_behavior"] == "release")
}

#[test]
fn an_increase_is_billed_at_once_and_counts() -> Result<()> {
    let world = World::named("license-more").start()?;
    let tenant = world.tenant_with(10)?;
    let run = world.start_license_change(&tenant.id, 15, &json!({"requested_by": "ann"}))?;
    let result = run.result()?;
    ensure!(result["outcome"] == "changed" && result["from"] == 10 && result["to"] == 15, "{result}");
    ensure!(result["effective_at"].is_i64(), "{result}");
    world.assert_licenses(&tenant, 15, None)?;
    let invoices = world.stripe.invoices(&tenant.purchase.subscription)?;
    ensure!(invoices.len() == 2, "{} invoices", invoices.len());
    ensure!(invoices[0]["status"] == "paid" && invoices[0]["total"].as_i64() > Some(0), "{}", invoices[0]);
    let changes =
        "SELECT from_count, to_count, cause, workflow_id FROM license_changes ORDER BY license_change_id DESC";
    let change = ["10", "15", "license_change", &run.workflow_id].map(str::to_owned);
    assert_eq!(world.rows(changes)?[0], change);
    assert_eq!(world.license_requests(&tenant)?, ["changed 10 15 ann"]);
    for (name, value) in [("TenantId", &tenant.id), ("StripeSubscriptionId", &tenant.purchase.subscription)] {
        assert_eq!(&run.search_attribute(name)?, value, "{name}");
    }
    // Said once more it changes nothing, and nothing is billed.
    let again = world.change_licenses(&tenant, 15)?;
    ensure!(again["outcome"] == "unchanged" && again["effective_at"].is_null(), "{again}");
    assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 2);
    world.assert_licenses(&tenant, 15, None)
}

#[test]
fn a_decrease_waits_for_the_period_end_and_comes_then() -> Result<()> {
    let world = World::named("license-less").start()?;
    let (_line, _shim) = world.wired()?;
    let tenant = world.tenant_with(10)?;
    let result = world.change_licenses(&tenant, 6)?;
    let subscription = &tenant.purchase.subscription;
    let period = world.stripe.get(&format!("/subscriptions/{subscription}"))?["items"]["data"][0].clone();
    ensure!(result["outcome"] == "scheduled" && result["effective_at"] == period["current_period_end"], "{result}");
    world.assert_licenses(&tenant, 10, Some(6))?;
    ensure!(is_marked(&world, &tenant)?, "the schedule does not say whose it is");
    world.stripe.advance(MONTH)?;
    world.wait_for_count(&tenant.purchase.customer, 6)?;
    world.wait_until_settled()?;
    world.assert_licenses(&tenant, 6, None)?;
    // Neither credited nor billed beside the periods themselves.
    let totals: Vec<_> = world.stripe.invoices(subscription)?.iter().map(|invoice| invoice["total"].clone()).collect();
    assert_eq!(totals, [6_000, 10_000]);
    // The schedule has done its work and still holds the subscription: it is in nobody's way.
    ensure!(world.change_licenses(&tenant, 4)?["outcome"] == "scheduled", "a second decrease");
    world.assert_licenses(&tenant, 6, Some(4))?;
    ensure!(world.change_licenses(&tenant, 9)?["taken_back"] == 4, "an increase");
    world.assert_licenses(&tenant, 9, None)?;
    world.wait_until_settled()?;
    world.assert_accounted()
}

#[test]
fn a_second_decrease_replaces_the_first_and_the_current_number_takes_it_back() -> Result<()> {
    let world = World::named("license-back").start()?;
    let tenant = world.tenant_with(10)?;
    for quantity in [6, 4, 4] {
        ensure!(world.change_licenses(&tenant, quantity)?["outcome"] == "scheduled", "{quantity}");
        world.assert_licenses(&tenant, 10, Some(quantity))?;
        ensure!(is_marked(&world, &tenant)?, "the schedule does not say whose it is");
    }
    let result = world.change_licenses(&tenant, 10)?;
    ensure!(result["outcome"] == "unchanged" && result["taken_back"] == 4, "{result}");
    world.assert_licenses(&tenant, 10, None)?;
    assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 1);
    let asked = ["scheduled 10 6 -", "scheduled 10 4 -", "scheduled 10 4 -", "unchanged 10 10 -"];
    assert_eq!(world.license_requests(&tenant)?, asked);
    Ok(())
}

#[test]
fn an_increase_takes_a_waiting_decrease_back() -> Result<()> {
    let world = World::named("license-over").start()?;
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    let result = world.change_licenses(&tenant, 15)?;
    ensure!(result["outcome"] == "changed" && result["from"] == 10 && result["taken_back"] == 6, "{result}");
    world.assert_licenses(&tenant, 15, None)?;
    world.stripe.advance(MONTH)?;
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (15, None));
    Ok(())
}

/// `effective` overrides: a decrease now is credited and not paid back, an increase may wait.
#[test]
fn the_moment_can_be_chosen() -> Result<()> {
    let world = World::named("license-when").start()?;
    let tenant = world.tenant_with(10)?;
    let result = world.start_license_change(&tenant.id, 6, &now())?.result()?;
    ensure!(result["outcome"] == "changed" && result["to"] == 6, "{result}");
    world.assert_licenses(&tenant, 6, None)?;
    assert_eq!(world.stripe.invoices(&tenant.purchase.subscription)?.len(), 1, "a credit waits for the next invoice");
    let result = world.start_license_change(&tenant.id, 9, &at_the_period_end())?.result()?;
    ensure!(result["outcome"] == "scheduled" && result["from"] == 6, "{result}");
    world.assert_licenses(&tenant, 6, Some(9))
}

#[test]
fn a_trial_gets_more_without_an_invoice_and_fewer_when_it_ends() -> Result<()> {
    let world = World::named("license-trial").start()?;
    let (_line, _shim) = world.wired()?;
    let tenant = world.tenant_of(world.stripe.try_out(10)?)?;
    let subscription = &tenant.purchase.subscription;
    let before = world.stripe.invoices(subscription)?.len();
    ensure!(world.change_licenses(&tenant, 15)?["outcome"] == "changed", "an increase");
    world.assert_licenses(&tenant, 15, None)?;
    assert_eq!(world.stripe.invoices(subscription)?.len(), before, "a trial was billed");
    ensure!(world.change_licenses(&tenant, 7)?["outcome"] == "scheduled", "a decrease");
    world.assert_licenses(&tenant, 15, Some(7))?;
    world.stripe.advance(15 * 24 * 60 * 60)?;
    world.wait_for_count(&tenant.purchase.customer, 7)?;
    let first = &world.stripe.invoices(subscription)?[0];
    ensure!(first["total"] == 7_000, "the trial's end is billed {}", first["total"]);
    Ok(())
}

/// What a crash between the two calls of an earlier change leaves behind.
#[test]
fn a_schedule_that_says_nothing_is_taken_over() -> Result<()> {
    let world = World::named("license-bare").start()?;
    let tenant = world.tenant_with(10)?;
    let subscription = &tenant.purchase.subscription;
    let bare = world.stripe.make("/subscription_schedules", &[("from_subscription", subscription)])?;
    world.change_licenses(&tenant, 6)?;
    world.assert_licenses(&tenant, 10, Some(6))?;
    let schedule = &world.stripe.get(&format!("/subscriptions/{subscription}"))?["schedule"];
    assert_eq!(*schedule, bare, "another schedule was made");
    ensure!(is_marked(&world, &tenant)?, "it was not marked");
    Ok(())
}

/// The current phase keeps what the subscription has, and the next one has it too.
#[test]
fn a_decrease_changes_nothing_but_the_number() -> Result<()> {
    let world = World::named("license-only").start()?;
    let mut tenant = world.tenant_with(10)?;
    let subscription = tenant.purchase.subscription.clone();
    let path = format!("/subscriptions/{subscription}");
    let extra =
        [("price", world.stripe.price()?), ("subscription", subscription.clone()), ("quantity", "3".to_owned())];
    let form: Vec<_> = extra.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let licenses = world.stripe.get(&path)?["items"]["data"][0]["price"]["id"].as_str().unwrap_or_default().to_owned();
    world.stripe.make("/subscription_items", &form)?;
    world.stripe.post(&path, &[("description", "seats and support"), ("metadata[kept]", "yes")])?;
    world.stop_worker()?;
    world.start_worker(&[("LICENSE_PRICE_IDS", &licenses)])?;
    tenant.purchase.quantity = 10;
    let what = |read: &Value| {
        let items: Vec<_> = read["items"]["data"].as_array().into_iter().flatten().collect();
        let items: Vec<_> = items.iter().map(|item| (item["price"]["id"].clone(), item["quantity"].clone())).collect();
        (read["description"].clone(), read["metadata"].clone(), read["default_payment_method"].clone(), items)
    };
    let before = what(&world.stripe.get(&path)?);
    world.change_licenses(&tenant, 6)?;
    assert_eq!(what(&world.stripe.get(&path)?), before);
    world.stripe.advance(MONTH)?;
    let mut after = what(&world.stripe.get(&path)?);
    ensure!(after.3.contains(&(json!(licenses), json!(6))), "{after:?}");
    after.3.iter_mut().filter(|(price, _)| *price == json!(licenses)).for_each(|item| item.1 = json!(10));
    assert_eq!(after, before);
    Ok(())
}
