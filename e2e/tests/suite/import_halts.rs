//! An import that is ended from outside goes on where it was, and what changes at Stripe while it
//! runs is not written over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, Run, World};
use serde_json::{Value, json};
use stack::deadline;

const MANY: usize = 12;

fn tenant(n: usize) -> String {
    format!("33333333-3333-4333-8333-{n:012}")
}

/// A tenant with that number, and what it bought without us.
fn sell(world: &World, n: usize) -> Result<Purchase> {
    let email = format!("owner{n}@example.com");
    world.add_tenant(&tenant(n), &email)?;
    let customer = world.stripe.old_customer(&email)?;
    let subscription = world.stripe.subscription(&customer, &world.stripe.price()?, 7)?;
    Ok(Purchase { customer, subscription, quantity: 7 })
}

fn settle(world: &World) -> Result<Vec<Purchase>> {
    (1..=MANY).map(|n| sell(world, n)).collect()
}

fn reads(world: &World, path: &str) -> Result<usize> {
    Ok(world.stripe.requests()?.iter().filter(|request| request.method == "GET" && request.path == path).count())
}

/// An import by pages of three that waits for its second page of subscriptions.
fn held_import(world: &World) -> Result<(Run, String)> {
    world.stripe.forget_requests()?;
    let held = world.stripe.hold_all_after("GET", "/v1/subscriptions", 1)?;
    let run = world.start_import(&json!({"page_size": 3}))?;
    world.stripe.wait_until_held(&held)?;
    Ok((run, held))
}

fn imported_all(result: &Value, resumed: bool) -> Result<()> {
    ensure!(result["totals"]["imported"] == MANY && result["tenants"] == MANY, "{result}");
    ensure!(result["resumed"] == resumed && result["resumable"] == false, "{result}");
    Ok(())
}

#[test]
fn what_was_terminated_is_taken_up_unless_it_is_a_day_old() -> Result<()> {
    let world = World::named("import-resumed").start()?;
    settle(&world)?;
    let (run, held) = held_import(&world)?;
    run.terminate()?;
    world.stripe.release(&held)?;
    let result = world.import(&json!({"resume": true}))?;
    imported_all(&result, true)?;
    ensure!(reads(&world, "/v1/customers")? == MANY / 3, "{} pages", reads(&world, "/v1/customers")?);
    let (run, held) = held_import(&world)?;
    run.terminate()?;
    world.stripe.release(&held)?;
    world.rows("UPDATE walks SET started_at = started_at - interval '25 hours'")?;
    world.stripe.forget_requests()?;
    let result = world.import(&json!({"resume": true}))?;
    ensure!(result["resumed"] == false && result["totals"]["already"] == MANY, "{result}");
    ensure!(reads(&world, "/v1/customers")? == 1, "{} pages", reads(&world, "/v1/customers")?);
    Ok(())
}

/// A list is read anew when what its next page begins behind is gone.
#[test]
fn a_page_may_lose_what_it_begins_behind() -> Result<()> {
    let world = World::named("import-cursor").start()?;
    settle(&world)?;
    world.stripe.forget_requests()?;
    let held = world.stripe.hold("GET", "/v1/customers", "before", 2)?;
    let run = world.start_import(&json!({"page_size": 3}))?;
    world.stripe.wait_until_held(&held)?;
    let cursor = world.value("SELECT cursor FROM walks")?;
    world.stripe.delete(&format!("/customers/{cursor}"))?;
    // The double lists behind a customer that was deleted too; Stripe says nowhere that it does.
    world.stripe.fault("GET", "/v1/customers", "not_found", 0)?;
    world.stripe.release(&held)?;
    let result = World::imported(&run)?;
    let totals = (&result["totals"]["imported"], &result["totals"]["no_customer"]);
    ensure!(*totals.0 == MANY - 1 && *totals.1 == 1, "{result}");
    // Three before it, the one that was refused, and all four from the start.
    ensure!(reads(&world, "/v1/customers")? == 3 + 1 + 4, "{} pages", reads(&world, "/v1/customers")?);
    Ok(())
}

/// Status and count of the tenant with that number.
fn standing(world: &World, n: usize) -> Result<(String, String)> {
    let rows = world.rows(&format!(
        "SELECT status, coalesce(licensed_user_count::text, '') FROM stripe_subscriptions JOIN tenants USING (tenant)
         WHERE tenant = '{}'",
        tenant(n)
    ))?;
    let [row] = &rows[..] else { anyhow::bail!("{n}: {rows:?}") };
    Ok((row[0].clone(), row[1].clone()))
}

fn tag(world: &World, purchase: &Purchase, n: usize) -> Result<()> {
    let path = format!("/subscriptions/{}", purchase.subscription);
    world.stripe.post(&path, &[("metadata[tenant_id]", &tenant(n))]).map(drop)
}

/// Holds an import when its lists are staged, cancels all that was sold, and lets it go on.
fn cancelled_meanwhile(world: &World, sold: &[Purchase], told: impl FnOnce() -> Result<()>) -> Result<()> {
    let run = world.start_import(&json!({}))?;
    world.wait_until_held()?;
    ensure!(reads(world, "/v1/subscriptions")? == 1, "the list was not read yet");
    sold.iter().try_for_each(|one| world.stripe.cancel(&one.subscription))?;
    told()?;
    world.release()?;
    World::imported(&run).map(drop)
}

const CANCELLED: (&str, &str) = ("canceled", "0");

fn assert_cancelled(world: &World, n: usize) -> Result<()> {
    let (status, count) = standing(world, n)?;
    ensure!((status.as_str(), count.as_str()) == CANCELLED, "{n} is {status} and has {count}");
    Ok(())
}

/// Nobody tells us of the cancellation. Stripe's answer to the tag does, where one is written. Where
/// the subscription says already whose it is, nothing is asked again: that is reconciliation's to find.
#[test]
fn what_is_cancelled_behind_the_list_shows_in_the_answer_to_its_tag() -> Result<()> {
    for place in ["before:judgeTenants", "before:importTenants"] {
        let name = format!("import-stale-{}", &place[7..13].to_lowercase());
        let world = World::named(&name).setting("TENANTRY_HOLD_AT", place).start()?;
        let sold = [sell(&world, 1)?, sell(&world, 2)?];
        tag(&world, &sold[1], 2)?;
        cancelled_meanwhile(&world, &sold, || Ok(()))?;
        assert_cancelled(&world, 1)?;
        let (status, count) = standing(&world, 2)?;
        ensure!((status.as_str(), count.as_str()) == ("active", "7"), "{status}, {count}");
        world.tenantry(&["reconcile", "--apply", "--yes", "--tenant", &tenant(2)])?;
        assert_cancelled(&world, 2).context("after reconciliation")?;
    }
    Ok(())
}

/// The events that Stripe sends make it right, tagged or not: whoever they belong to gets them.
#[test]
fn what_is_cancelled_behind_the_list_ends_cancelled_by_its_events() -> Result<()> {
    for place in ["before:judgeTenants", "before:importTenants"] {
        let name = format!("import-told-{}", &place[7..13].to_lowercase());
        let world = World::named(&name).setting("TENANTRY_HOLD_AT", place).start()?;
        let (_line, _shim) = world.wired()?;
        let sold = [sell(&world, 1)?, sell(&world, 2)?];
        tag(&world, &sold[1], 2)?;
        cancelled_meanwhile(&world, &sold, || world.wait_until_settled().map(drop))?;
        world.wait_until_settled()?;
        assert_cancelled(&world, 1)?;
        assert_cancelled(&world, 2)?;
        world.assert_accounted()?;
    }
    Ok(())
}

#[test]
fn events_that_waited_for_a_tenant_are_handled_once_it_is_imported() -> Result<()> {
    let world = World::named("import-parked").start()?;
    let (_line, _shim) = world.wired()?;
    let sold = sell(&world, 1)?;
    let parked = |statuses: &[(String, usize)]| statuses.iter().any(|(status, _)| status == "parked");
    let statuses = world.wait_until_settled()?;
    ensure!(parked(&statuses), "{statuses:?}");
    world.import(&json!({}))?;
    let statuses = world.wait_until_settled()?;
    ensure!(!parked(&statuses), "{statuses:?}");
    world.wait_for_count(&sold.customer, 7)?;
    world.assert_accounted()
}

fn pages(world: &World) -> Result<u64> {
    Ok(world.value("SELECT coalesce(max(pages), 0) FROM walks")?.parse()?)
}

/// The bulk queue gives out one step a second, and an onboarding of eight steps does not wait for it.
#[test]
fn an_onboarding_does_not_wait_behind_an_import() -> Result<()> {
    let world = World::named("import-aside").setting("BULK_REQUESTS_PER_SEC", "1").start()?;
    let customers: Vec<_> = (0..300).map(|n| format!("stranger{n}@example.com")).collect();
    let forms: Vec<_> = customers.iter().map(|email| vec![("email", email.as_str())]).collect();
    world.stripe.make_many("/customers", &forms)?;
    let purchase = world.stripe.buy(10)?;
    let run = world.start_import(&json!({"page_size": 1}))?;
    let limit = Duration::from_secs(120);
    deadline::poll("the import to be under way", limit, || Ok((pages(&world)? > 1).then_some(())))?;
    let before = pages(&world)?;
    let began = Instant::now();
    let onboarding = world.onboard(&purchase)?;
    let result = onboarding.result()?;
    let (moved, took) = (pages(&world)? - before, began.elapsed());
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().context("a tenant")?)?;
    // Its steps would have been as many of the import's at the least, one a second.
    ensure!(moved <= took.as_secs() + 2, "the import read {moved} pages in {took:?}");
    ensure!(onboarding.queues()? == [world.task_queue()], "on {:?}", onboarding.queues()?);
    ensure!(run.state()?["phase"] == "reading", "{}", run.state()?);
    Ok(())
}

/// Products are shared by all tenants: whoever took two of them in another order than the rest would
/// sooner or later wait for somebody who waits for them.
#[test]
fn the_products_of_a_tenant_are_taken_in_the_order_of_all() -> Result<()> {
    let world = World::named("import-order").start()?;
    world.add_tenant(&tenant(1), "owner1@example.com")?;
    let customer = world.stripe.old_customer("owner1@example.com")?;
    let mut sold = Vec::new();
    for _ in 0..2 {
        let price = world.stripe.price()?;
        let product =
            world.stripe.get(&format!("/prices/{price}"))?["product"].as_str().context("a product")?.to_owned();
        sold.push((product, price));
    }
    sold.sort();
    // The subscription that is written first has the product that is to be taken last.
    let [(early, early_price), (late, late_price)] = &sold[..] else { anyhow::bail!("{sold:?}") };
    let first = world.stripe.subscription(&customer, late_price, 7)?;
    while world.stripe.subscription(&customer, early_price, 7)? < first {}
    world.import(&json!({}))?;
    let take = |product: &str| {
        format!("SELECT 1 FROM stripe_products WHERE stripe_product_external_id = '{product}' FOR UPDATE NOWAIT")
    };
    let (mut holder, mut other) = (world.session()?, world.session()?);
    holder.run("BEGIN")?;
    ensure!(holder.run(&take(early))?.len() == 1, "{early} has no row");
    let run = world.start_import(&json!({}))?;
    world.wait_for_lock_waiters(1)?;
    other.run("BEGIN")?;
    let taken = other.run(&take(late)).with_context(|| format!("{late} was taken before {early}"))?;
    ensure!(taken.len() == 1, "{late} has no row");
    other.run("ROLLBACK")?;
    holder.run("ROLLBACK")?;
    World::imported(&run).map(drop)
}

#[test]
fn too_many_requests_are_waited_out() -> Result<()> {
    let world = World::named("import-throttled").start()?;
    settle(&world)?;
    world.stripe.limit(Some(2))?;
    let result = world.import(&json!({"page_size": 2}))?;
    imported_all(&result, false)?;
    ensure!(world.stripe.under_limit()?.refused > 0, "nothing was refused");
    ensure!(result["tagged"] == MANY, "{result}");
    Ok(())
}
