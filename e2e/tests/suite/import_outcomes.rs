//! What becomes of a tenant: each way to be found or not, foretold by a dry run, done by an import,
//! and found done by the next.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use e2e::{Outcome, World};
use serde_json::json;

fn tenant(n: u32) -> String {
    format!("22222222-2222-4222-8222-{n:012}")
}

fn email(n: u32) -> String {
    format!("owner{n}@example.com")
}

/// What each of them bought.
const QUANTITY: i64 = 7;

/// What somebody did at Stripe and here before the import.
struct Shop<'a> {
    world: &'a World,
    price: String,
}

impl Shop<'_> {
    fn customer(&self, n: u32) -> Result<String> {
        self.world.stripe.old_customer(&format!("OWNER{n}@Example.com"))
    }

    fn buyer(&self, n: u32) -> Result<(String, String)> {
        let customer = self.customer(n)?;
        let subscription = self.world.stripe.subscription(&customer, &self.price, QUANTITY)?;
        Ok((customer, subscription))
    }

    fn tag(&self, path: &str, n: u32) -> Result<()> {
        self.world.stripe.post(path, &[("metadata[tenant_id]", &tenant(n))]).map(drop)
    }

    fn row(&self, n: u32, customer: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO stripe_customers (tenant, stripe_customer_external_id, billing_tenant)
             VALUES ('{}', '{customer}', '{}')",
            tenant(n),
            e2e::MASTER
        );
        self.world.rows(&sql).map(drop)
    }
}

/// A tenant's number, its outcome, words of the reason, its count and how many subscriptions it has.
type Expected = (u32, &'static str, &'static str, &'static str, u32);

/// Whose e-mail leads somewhere.
fn those_with_one_customer(shop: &Shop<'_>) -> Result<Vec<Expected>> {
    shop.buyer(1)?;
    let cancelled = shop.buyer(3)?.1;
    shop.world.stripe.cancel(&cancelled)?;
    let add_on = shop.buyer(4)?.0;
    let form = [("customer", add_on.as_str()), ("items[0][price]", &shop.price), ("metadata[addon_key]", "extra")];
    shop.world.stripe.make("/subscriptions", &form)?;
    // Two items, and either may be the licences.
    let (_, torn) = shop.buyer(5)?;
    let item = [("subscription", torn.as_str()), ("price", &shop.world.stripe.price()?), ("quantity", "2")];
    shop.world.stripe.post("/subscription_items", &item)?;
    let trial = [("customer", shop.customer(6)?), ("items[0][price]", shop.price.clone())];
    let mut trial: Vec<_> = trial.iter().map(|(name, value)| (*name, value.as_str())).collect();
    trial.extend([("items[0][quantity]", "7"), ("trial_period_days", "14")]);
    shop.world.stripe.make("/subscriptions", &trial)?;
    Ok(vec![
        (1, "imported", "", "7", 1),
        (2, "no_customer", "", "", 0),
        (3, "no_live_subscription", "", "", 0),
        (4, "imported", "", "7", 2),
        (5, "failed", "LICENSE_PRICE_IDS", "", 1),
        (6, "imported", "", "7", 1),
    ])
}

/// Whose e-mail several have.
fn those_who_share_an_email(shop: &Shop<'_>) -> Result<Vec<Expected>> {
    shop.customer(10)?;
    shop.buyer(10)?;
    shop.customer(11)?;
    shop.customer(11)?;
    shop.buyer(12)?;
    shop.buyer(12)?;
    // A tag speaks even for the one that bought nothing.
    shop.buyer(13)?;
    let tagged = shop.customer(13)?;
    shop.tag(&format!("/customers/{tagged}"), 13)?;
    // The store has sold to it a moment ago.
    let (sold, _) = shop.buyer(16)?;
    shop.world.stripe.post(&format!("/customers/{sold}"), &[("metadata[pending_tenant]", "true")])?;
    shop.buyer(14)?;
    shop.world.rows(&format!("UPDATE tenants SET email = '{}' WHERE tenant = '{}'", email(14), tenant(15)))?;
    Ok(vec![
        (10, "imported", "", "7", 1),
        (11, "ambiguous", "none has a live licence subscription", "", 0),
        (12, "ambiguous", "several have a live licence subscription", "", 0),
        (13, "no_live_subscription", "", "", 0),
        (14, "ambiguous", "1 other tenant(s)", "", 0),
        (15, "ambiguous", "1 other tenant(s)", "", 0),
        (16, "ambiguous", "is being onboarded", "", 0),
    ])
}

/// Whose rows, tags and e-mails say different things.
fn those_in_conflict(shop: &Shop<'_>) -> Result<Vec<Expected>> {
    let (tagged, _) = shop.buyer(20)?;
    shop.tag(&format!("/customers/{tagged}"), 1)?;
    shop.buyer(21)?;
    shop.row(21, "cus_another")?;
    shop.row(22, "cus_gone")?;
    // The customer with the e-mail of one is another's.
    let (theirs, _) = shop.buyer(23)?;
    shop.row(24, &theirs)?;
    let (_, subscription) = shop.buyer(25)?;
    shop.tag(&format!("/subscriptions/{subscription}"), 1)?;
    // A tag that names nobody here claims nothing.
    let (nobodys, subscription) = shop.buyer(26)?;
    shop.tag(&format!("/customers/{nobodys}"), 999)?;
    shop.tag(&format!("/subscriptions/{subscription}"), 999)?;
    // A row decides, whatever its customer's e-mail is now.
    let (own, _) = shop.buyer(27)?;
    shop.world.stripe.post(&format!("/customers/{own}"), &[("email", "moved@example.com")])?;
    shop.row(27, &own)?;
    // A change waits: what Stripe answers to the tag names the schedule too.
    let (_, waiting) = shop.buyer(28)?;
    shop.world.stripe.schedule_quantity(&waiting, 4)?;
    Ok(vec![
        (20, "failed", "is tagged with tenant 22222222", "", 0),
        (21, "failed", "cus_another", "", 0),
        (22, "failed", "cus_gone", "", 0),
        (23, "failed", "belongs to tenant 22222222", "", 0),
        (24, "imported", "", "7", 1),
        (25, "failed", "tenant 22222222", "", 0),
        (26, "imported", "", "7", 1),
        (27, "imported", "", "7", 1),
        (28, "imported", "", "7", 1),
    ])
}

fn settle(world: &World) -> Result<Vec<Expected>> {
    for n in (1..=6).chain(10..=16).chain(20..=28) {
        world.add_tenant(&tenant(n), &email(n))?;
    }
    let shop = Shop { world, price: world.stripe.price()? };
    let mut all = those_with_one_customer(&shop)?;
    all.extend(those_who_share_an_email(&shop)?);
    all.extend(those_in_conflict(&shop)?);
    Ok(all)
}

fn assert_outcomes(found: &BTreeMap<String, Outcome>, expected: &[Expected], imported: &str) -> Result<()> {
    ensure!(found.len() == expected.len(), "{} tenants, not {}", found.len(), expected.len());
    for (n, outcome, words, _, _) in expected {
        let said = found.get(&tenant(*n)).with_context(|| format!("{n} has no outcome"))?;
        let outcome = if *outcome == "imported" { imported } else { outcome };
        ensure!(said.outcome == outcome && said.reason.contains(words), "{n} should be {outcome}: {said:?}");
    }
    Ok(())
}

fn assert_rows(world: &World, expected: &[Expected]) -> Result<()> {
    for (n, _, _, count, subscriptions) in expected {
        let rows = world.rows(&format!(
            "SELECT coalesce(licensed_user_count::text, ''),
                    (SELECT count(*) FROM stripe_subscriptions s WHERE s.tenant = t.tenant)
             FROM tenants t WHERE tenant = '{}'",
            tenant(*n)
        ))?;
        ensure!(rows == [[(*count).to_owned(), subscriptions.to_string()]], "{n}: {rows:?}");
    }
    Ok(())
}

#[test]
fn each_outcome_is_foretold_reached_and_kept() -> Result<()> {
    let world = World::named("import-each").start()?;
    let expected = settle(&world)?;
    let before = world.imported_rows()?;
    world.stripe.forget_requests()?;
    let look = world.import(&json!({"dry_run": true, "page_size": 7}))?;
    assert_outcomes(&world.outcomes(&look)?, &expected, "imported")?;
    ensure!(world.imported_rows()? == before, "a dry run wrote rows");
    ensure!(world.stripe.requests()?.iter().all(|request| request.method == "GET"), "a dry run wrote to Stripe");
    let done = world.import(&json!({"page_size": 7}))?;
    assert_outcomes(&world.outcomes(&done)?, &expected, "imported")?;
    assert_rows(&world, &expected)?;
    assert_tags(&world)?;
    let before = world.imported_rows()?;
    world.stripe.forget_requests()?;
    let again = world.import(&json!({}))?;
    assert_outcomes(&world.outcomes(&again)?, &expected, "already")?;
    ensure!(world.imported_rows()? == before, "{before:?} became {:?}", world.imported_rows()?);
    ensure!(world.stripe.requests()?.iter().all(|request| request.method == "GET"), "it was tagged again");
    Ok(())
}

/// Every subscription that has a row says at Stripe whose it is, and was told so once; no customer was.
fn assert_tags(world: &World) -> Result<()> {
    let rows = world.rows("SELECT stripe_subscription_external_id, tenant FROM stripe_subscriptions")?;
    for row in &rows {
        let path = format!("/subscriptions/{}", row[0]);
        ensure!(world.stripe.metadata(&path, "tenant_id")? == row[1], "{path} is not tagged");
        ensure!(world.stripe.effects(&path)? == 1, "{path}: {} writes", world.stripe.effects(&path)?);
    }
    let written: Vec<_> = world.stripe.requests()?.into_iter().filter(|one| one.key.is_some() && one.effect).collect();
    ensure!(written.len() == rows.len(), "{} writes for {} subscriptions", written.len(), rows.len());
    Ok(())
}

#[test]
fn nothing_personal_is_in_what_temporal_keeps() -> Result<()> {
    let world = World::named("import-secret").start()?;
    world.add_tenant(&tenant(1), &email(1))?;
    Shop { world: &world, price: world.stripe.price()? }.buyer(1)?;
    let all = world.start_import(&json!({}))?;
    World::imported(&all)?;
    let alone = world.start_import(&json!({"tenant_id": tenant(1)}))?;
    World::imported(&alone)?;
    for run in [all, alone] {
        let told = [run.readable_history()?, run.details()?, run.state()?.to_string(), run.describe()?.to_string()];
        for text in told {
            ensure!(!text.to_lowercase().contains("@example.com"), "an e-mail is in {text}");
        }
    }
    ensure!(!world.worker_log().to_lowercase().contains("@example.com"), "an e-mail is in the worker's log");
    Ok(())
}

#[test]
fn a_tenant_alone_costs_three_reads_however_its_email_is_spelt() -> Result<()> {
    let world = World::named("import-alone").start()?;
    let shop = Shop { world: &world, price: world.stripe.price()? };
    for (n, spelt) in [(31, "OWNER31@Example.com"), (32, "owner32@example.com")] {
        world.add_tenant(&tenant(n), &email(n))?;
        let customer = world.stripe.old_customer(spelt)?;
        let subscription = world.stripe.subscription(&customer, &shop.price, QUANTITY)?;
        world.stripe.forget_requests()?;
        let result = world.import(&json!({"tenant_id": tenant(n)}))?;
        ensure!(result["totals"]["imported"] == 1 && result["tenants"] == 1, "{spelt}: {result}");
        let asked = world.stripe.requests()?;
        let of = |method: &str| asked.iter().filter(|one| one.method == method).map(|one| one.path.as_str()).collect();
        let (reads, writes): (Vec<_>, Vec<_>) = (of("GET"), of("POST"));
        let its = format!("/v1/subscriptions/{subscription}");
        ensure!(writes == [its.as_str()], "{spelt}: {writes:?}");
        ensure!(reads == ["/v1/customers", "/v1/customers/search", its.as_str()], "{spelt}: {reads:?}");
    }
    assert_rows(&world, &[(31, "", "", "7", 1), (32, "", "", "7", 1)])
}

#[test]
fn rows_that_are_there_are_refreshed_and_not_made_twice() -> Result<()> {
    let world = World::named("import-refresh").start()?;
    let (kept, ended) = (world.stripe.buy(10)?, world.stripe.buy(4)?);
    for purchase in [&kept, &ended] {
        world.onboard(purchase)?.result()?;
    }
    let tickets = "SELECT min(read_ticket) FROM stripe_subscriptions";
    let before: i64 = world.value(tickets)?.parse()?;
    // Nobody tells us.
    world.stripe.set_quantity(&kept.subscription, 12)?;
    world.stripe.cancel(&ended.subscription)?;
    let result = world.import(&json!({}))?;
    ensure!(result["totals"]["already"] == 1 && result["totals"]["no_live_subscription"] == 1, "{result}");
    ensure!(result["read_again"] == 1 && result["tagged"] == 0, "{result}");
    let rows = world.rows(
        "SELECT stripe_subscription_external_id, status, s.quantity, licensed_user_count
         FROM stripe_subscriptions s JOIN tenants USING (tenant) ORDER BY s.created_at",
    )?;
    let expected = [[&kept.subscription, "active", "12", "12"], [&ended.subscription, "canceled", "4", "0"]];
    ensure!(rows == expected.map(|row| row.map(str::to_owned)), "{rows:?}");
    ensure!(world.value(tickets)?.parse::<i64>()? > before, "it was not read under a ticket of its own");
    Ok(())
}

#[test]
fn whom_nobody_knows_is_refused() -> Result<()> {
    let world = World::named("import-unknown").start()?;
    let refused = |input: serde_json::Value, kind: &str, words: &str| -> Result<()> {
        let run = world.start_import(&input)?;
        let (found, message) = run.failure()?;
        ensure!(found == kind && message.contains(words), "{input}: {found}: {message}");
        ensure!(run.search_attribute("FailureKind")? == kind, "{kind} is not marked");
        Ok(())
    };
    refused(json!({"tenant_id": tenant(1)}), "TenantNotFound", &tenant(1))?;
    refused(json!({"tenant_id": e2e::MASTER}), "ConflictError", "master billing tenant")?;
    refused(json!({"page_size": 0}), "ValidationError", "page_size")?;
    refused(json!({"tenant_id": "ann@example.com"}), "ValidationError", "tenant_id")?;
    ensure!(world.value("SELECT count(*) FROM walks")? == "0", "a walk was begun");
    Ok(())
}
