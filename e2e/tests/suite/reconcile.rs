//! Reconciliation: each kind of drift by itself, reported with both values, and repaired.

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, World};
use serde_json::{Value, json};

/// A finding: its kind, its subscription or (for a count) its tenant, ours and Stripe's.
pub(crate) type Found = (String, String, Value, Value);

/// A world of its own Temporal, where the workflow id `reconcile` is nobody else's, and a Stripe that
/// makes no event of what happens.
pub(crate) fn silent(name: &str) -> Result<World> {
    let world = World::named(name).private_temporal().start()?;
    world.stripe.delivery_policy(&json!({"lose": {}}))?;
    Ok(world)
}

pub(crate) fn onboarded(world: &World, quantity: i64) -> Result<(Purchase, String)> {
    let purchase = world.stripe.buy(quantity)?;
    let result = world.onboard(&purchase)?.result()?;
    Ok((purchase, result["tenant_id"].as_str().context("no tenant")?.to_owned()))
}

/// Runs it, and answers what it said and what it found.
pub(crate) fn reconcile(world: &World, flags: &[&str], exit: i32) -> Result<(Value, Vec<Found>)> {
    let said = world.tenantry(&[&["reconcile", "--yes", "--output", "json"], flags].concat())?.exits(exit)?;
    let document: Value = serde_json::from_str(&said.stdout)?;
    let findings = document["findings"].as_array().context("no findings")?.iter().map(found).collect();
    Ok((document, findings))
}

pub(crate) fn found(finding: &Value) -> Found {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let subject = match finding["kind"].as_str() {
        Some("wrong_count") => &finding["tenant_id"],
        _ => &finding["stripe_subscription_id"],
    };
    (text(&finding["kind"]), text(subject), finding["ours"].clone(), finding["stripes"].clone())
}

fn drift(kind: &str, subject: &str, ours: Value, stripes: Value) -> Found {
    (kind.to_owned(), subject.to_owned(), ours, stripes)
}

fn check_none(world: &World) -> Result<()> {
    let (_, found) = reconcile(world, &[], 0)?;
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}

#[test]
fn a_change_that_no_event_told_is_found_with_both_values_and_repaired() -> Result<()> {
    let world = silent("rec-stale")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    check_none(&world)?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    let expected = [
        drift("stale_row", &purchase.subscription, json!({"quantity": 10}), json!({"quantity": 12})),
        drift("wrong_count", &tenant, json!(10), json!(12)),
    ];
    let (document, found) = reconcile(&world, &[], 6)?;
    ensure!(found == expected, "{found:?}");
    ensure!(document["result"]["repaired"] == json!({}), "{document}");
    world.wait_for_count(&purchase.customer, 10)?;
    let (document, found) = reconcile(&world, &["--apply"], 0)?;
    ensure!(found == expected, "{found:?}");
    ensure!(document["result"]["repaired"] == json!({"stale_row": 1, "wrong_count": 1}), "{document}");
    world.wait_for_count(&purchase.customer, 12)?;
    let cause = world.value("SELECT cause FROM license_changes ORDER BY license_change_id DESC LIMIT 1")?;
    ensure!(cause == "reconciliation", "the audit says {cause}");
    let why = world.tenantry(&["tenant", "why", &tenant])?.exits(0)?;
    ensure!(why.stdout.contains("a comparison with Stripe found"), "{}", why.stdout);
    check_none(&world)
}

/// It is in no list any more, so it is read alone.
#[test]
fn an_end_that_no_event_told_is_found_and_takes_the_licences() -> Result<()> {
    let world = silent("rec-end")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    world.stripe.cancel(&purchase.subscription)?;
    let (_, found) = reconcile(&world, &["--apply"], 0)?;
    let kinds: Vec<_> = found.iter().map(|(kind, subject, ..)| (kind.as_str(), subject.as_str())).collect();
    ensure!(kinds == [("stale_row", purchase.subscription.as_str()), ("wrong_count", tenant.as_str())], "{found:?}");
    ensure!((&found[0].2["status"], &found[0].3["status"]) == (&json!("active"), &json!("canceled")), "{found:?}");
    world.wait_for_count(&purchase.customer, 0)?;
    check_none(&world)
}

/// A customer of ours bought something that nobody heard of: its row is missing, it counts, and it
/// does not carry the tenant's id.
#[test]
fn a_subscription_without_a_row_gets_one_and_a_tag() -> Result<()> {
    let world = silent("rec-missing")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    let price = world.stripe.price()?;
    world.stripe.advance(60)?;
    let second = world.stripe.subscription(&purchase.customer, &price, 3)?;
    let expected = [
        drift("missing_row", &second, Value::Null, json!({"price": price, "quantity": 3, "status": "active"})),
        drift("untagged", &second, json!(tenant), Value::Null),
        drift("wrong_count", &tenant, json!(10), json!(3)),
    ];
    let (_, found) = reconcile(&world, &[], 6)?;
    ensure!(found == expected, "{found:?}");
    let (_, found) = reconcile(&world, &["--apply"], 0)?;
    ensure!(found == expected, "{found:?}");
    world.wait_for_count(&purchase.customer, 3)?;
    ensure!(world.stripe.metadata(&format!("/subscriptions/{second}"), "tenant_id")? == tenant, "it is not tagged");
    check_none(&world)
}

/// What is not at Stripe and what is nobody's is reported, never repaired.
#[test]
fn what_a_person_decides_is_only_reported() -> Result<()> {
    let world = silent("rec-reported")?;
    let (purchase, _) = onboarded(&world, 10)?;
    let orphan = world.stripe.buy(4)?;
    world.rows("UPDATE stripe_subscriptions SET stripe_subscription_external_id = 'sub_gone'")?;
    let price = world.stripe.get(&format!("/subscriptions/{}", orphan.subscription))?;
    let price = &price["items"]["data"][0]["price"]["id"];
    for apply in [&[][..], &["--apply"]] {
        let (document, found) = reconcile(&world, apply, 6)?;
        let of = |kind: &str| found.iter().filter(|found| found.0 == kind).cloned().collect::<Vec<_>>();
        let gone = drift("not_at_stripe", "sub_gone", json!({"status": "active", "quantity": 10}), Value::Null);
        ensure!(of("not_at_stripe") == [gone], "{found:?}");
        let nobodys = json!({"price": price, "quantity": 4, "status": "active"});
        ensure!(of("orphan") == [drift("orphan", &orphan.subscription, Value::Null, nobodys)], "{found:?}");
        let repaired = &document["result"]["repaired"];
        ensure!(repaired["not_at_stripe"].is_null() && repaired["orphan"].is_null(), "{document}");
    }
    ensure!(world.value("SELECT count(*) FROM stripe_subscriptions")? == "2", "the missing row was not written");
    ensure!(world.value("SELECT status FROM stripe_subscriptions WHERE quantity = 10 LIMIT 1")? == "active");
    ensure!(world.tenants()? == 1, "an orphan became a tenant");
    world.wait_for_count(&purchase.customer, 10)
}

/// Row and tag name two tenants of ours: nothing is guessed.
#[test]
fn a_contradiction_about_identity_is_reported_with_its_reason() -> Result<()> {
    let world = silent("rec-conflict")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    let (_, other) = onboarded(&world, 5)?;
    let path = format!("/subscriptions/{}", purchase.subscription);
    world.stripe.post(&path, &[("metadata[tenant_id]", &other)])?;
    world.stripe.set_quantity(&purchase.subscription, 11)?;
    let (document, found) = reconcile(&world, &["--apply"], 6)?;
    let subjects: Vec<_> = found.iter().map(|(kind, subject, ..)| (kind.as_str(), subject.as_str())).collect();
    let id = purchase.subscription.as_str();
    ensure!(subjects == [("stale_row", id), ("untagged", id)], "{found:?}");
    ensure!((&found[1].2, &found[1].3) == (&json!(tenant), &json!(other)), "{found:?}");
    for finding in document["findings"].as_array().context("no findings")? {
        let reason = finding["reason"].as_str().unwrap_or_default();
        ensure!(reason.contains(&tenant) && reason.contains(&other), "{finding}");
    }
    ensure!(world.stripe.metadata(&path, "tenant_id")? == other, "a tag was replaced");
    world.wait_for_count(&purchase.customer, 10)
}

/// A tag makes no second customer of a tenant that has one: the subscription is nobody's, and its seats
/// are not counted.
#[test]
fn a_tag_on_a_customer_of_nobody_is_no_missing_row() -> Result<()> {
    let world = silent("rec-foreign-tag")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    let other = world.stripe.buy(4)?;
    world.stripe.post(&format!("/subscriptions/{}", other.subscription), &[("metadata[tenant_id]", &tenant)])?;
    let (document, found) = reconcile(&world, &["--apply"], 6)?;
    let subjects: Vec<_> = found.iter().map(|(kind, subject, ..)| (kind.as_str(), subject.as_str())).collect();
    ensure!(subjects == [("orphan", other.subscription.as_str())], "{found:?}");
    let reason = document["findings"][0]["reason"].as_str().unwrap_or_default();
    ensure!([&tenant, &purchase.customer, &other.customer].iter().all(|id| reason.contains(*id)), "{reason}");
    world.wait_for_count(&purchase.customer, 10)
}

#[test]
fn a_count_that_does_not_follow_is_derived_again() -> Result<()> {
    let world = silent("rec-count")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    world.rows(&format!("UPDATE tenants SET licensed_user_count = 99 WHERE tenant = '{tenant}'"))?;
    let expected = [drift("wrong_count", &tenant, json!(99), json!(10))];
    let (_, found) = reconcile(&world, &["--apply"], 0)?;
    ensure!(found == expected, "{found:?}");
    world.wait_for_count(&purchase.customer, 10)?;
    check_none(&world)
}

/// More than 5 % of the tenants would fall to 0, one of them from no limit: all is found, nothing
/// repaired, and no event fed that says the same, unless forced.
#[test]
fn a_mass_fall_stops_the_repair_and_force_does_it() -> Result<()> {
    let world = World::named("rec-fall").private_temporal().start()?;
    let purchases = (0..3).map(|_| onboarded(&world, 10)).collect::<Result<Vec<_>>>()?;
    for (purchase, _) in &purchases[..2] {
        world.stripe.cancel(&purchase.subscription)?;
    }
    world.rows(&format!("UPDATE tenants SET licensed_user_count = NULL WHERE tenant = '{}'", purchases[0].1))?;
    reconcile(&world, &[], 6)?;
    let fed = || world.value("SELECT count(*) FROM stripe_webhook_events");
    ensure!(fed()? == "0", "a report fed {} events", fed()?);
    let said = world.tenantry(&["reconcile", "--apply", "--yes"])?.exits(6)?;
    ensure!(said.stderr.contains("MassFall: 2 of the 3 tenants that have licences would fall to 0"), "{}", said.stderr);
    ensure!(said.stdout.contains("4 found, 0 repaired"), "{}", said.stdout);
    let run = world.run("reconcile");
    ensure!(run.search_attribute("FailureKind")? == "MassFall");
    ensure!(run.count_events("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED")? > 0);
    let events = run.readable_history()?;
    ensure!(events.contains("pruneEvents") && !events.contains("walkEvents"), "what a refusal skips is not right");
    ensure!(said.stderr.contains("not fed either") && fed()? == "0", "{} events fed: {}", fed()?, said.stderr);
    purchases[1..].iter().try_for_each(|(purchase, _)| world.wait_for_count(&purchase.customer, 10))?;
    reconcile(&world, &["--apply", "--force"], 0)?;
    ensure!(fed()? != "0", "force fed nothing");
    purchases[..2].iter().try_for_each(|(purchase, _)| world.wait_for_count(&purchase.customer, 0))?;
    world.wait_for_count(&purchases[2].0.customer, 10)?;
    check_none(&world)
}

/// One tenant: its customer's subscriptions are listed, nobody else's are touched, and neither are
/// events.
#[test]
fn one_tenant_is_reconciled_by_itself() -> Result<()> {
    let world = silent("rec-one")?;
    let (one, tenant) = onboarded(&world, 10)?;
    let (other, _) = onboarded(&world, 20)?;
    world.stripe.set_quantity(&one.subscription, 11)?;
    world.stripe.set_quantity(&other.subscription, 21)?;
    world.stripe.forget_requests()?;
    let (_, found) = reconcile(&world, &["--apply", "--tenant", &tenant], 0)?;
    ensure!(
        found.len() == 2 && found.iter().all(|found| found.1 == tenant || found.1 == one.subscription),
        "{found:?}"
    );
    world.wait_for_count(&one.customer, 11)?;
    world.wait_for_count(&other.customer, 20)?;
    let asked = world.stripe.requests()?;
    ensure!(asked.iter().all(|request| !request.path.contains("/events")), "it walked events");
    ensure!(asked.iter().all(|request| !request.path.contains(&other.subscription)), "it read somebody else's");
    let unknown = "00000000-0000-4000-8000-00000000dead";
    world.tenantry(&["reconcile", "--tenant", unknown])?.exits(3)?;
    Ok(())
}

/// A tenant whose customer Stripe does not know, and then one without any customer, is looked into too.
#[test]
fn one_tenant_without_a_customer_at_stripe_is_not_passed_over() -> Result<()> {
    let world = silent("rec-one-gone")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    world.rows("UPDATE stripe_customers SET stripe_customer_external_id = 'cus_gone'")?;
    world.rows("UPDATE stripe_subscriptions SET stripe_subscription_external_id = 'sub_gone'")?;
    let (_, found) = reconcile(&world, &["--tenant", &tenant], 6)?;
    ensure!(found.len() == 1 && found[0].0 == "not_at_stripe" && found[0].1 == "sub_gone", "{found:?}");
    world.rows("DELETE FROM stripe_subscriptions")?;
    world.rows("DELETE FROM stripe_customers")?;
    let (_, found) = reconcile(&world, &["--tenant", &tenant], 6)?;
    ensure!(found.len() == 1 && found[0].0 == "missing_row" && found[0].1 == purchase.subscription, "{found:?}");
    Ok(())
}

/// What is said, in text, in a file, and in exit codes.
#[test]
fn the_command_says_what_it_found() -> Result<()> {
    let world = silent("rec-words")?;
    let (purchase, tenant) = onboarded(&world, 10)?;
    let clean = world.tenantry(&["reconcile"])?.exits(0)?;
    ensure!(clean.stdout.contains("drift     none"), "{}", clean.stdout);
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    let file = world.folder().join("drift.ndjson");
    let said = world.tenantry(&["reconcile", "--report", file.to_str().context("a path")?])?.exits(6)?;
    for words in
        ["stale_row", "quantity 10", "quantity 12", "wrong_count", "not repaired", &tenant, "2 found, 0 repaired"]
    {
        ensure!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let lines = std::fs::read_to_string(&file)?;
    let findings = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    ensure!(findings.len() == 2 && findings.iter().all(|found| found["repaired_at"].is_null()), "{lines}");
    let asks = world.tenantry(&["reconcile", "--apply"])?.exits(2)?;
    ensure!(asks.stderr.contains("--yes"), "{}", asks.stderr);
    world.tenantry(&["reconcile", "--force"])?.exits(2)?;
    Ok(())
}
