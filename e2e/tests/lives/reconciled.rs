//! Lives of which one event in ten never came. What is then wrong is reported, all of it and nothing
//! else, and one reconciliation makes it right.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use domain::license::LicenseRules;
use e2e::{Double, MASTER, World};
use serde_json::{Value, json};
use store::{DatabaseConfig, Store};

use crate::books::Books;
use crate::buyer::Buyer;
use crate::chance::Chance;
use crate::life;
use crate::oracle::{self, Count};
use crate::product::{Batch, Product};
use crate::shop::{self, Prices, RUNTIME};

const LIVES: usize = 500;
const ROUNDS: usize = 3;
/// One in so many events is lost on its way.
const ONE_IN: usize = 10;
const DAY: u64 = 86_400;

/// A finding: its kind, its subscription or (for a count) its tenant, ours and Stripe's where a count.
type Found = (String, String, Value, Value);

#[test]
fn what_five_hundred_lives_lost_is_reported_exactly_and_repaired_at_once() -> Result<()> {
    let world = World::named("reconciled").private_temporal().without_worker()?;
    let prices = Prices::at(&world.stripe)?;
    world.start_worker(&[])?;
    let product = product(&world)?;
    let mut books = Books::of(&world)?;
    let mut chance = Chance::of(4_000);
    let mut lives = Vec::new();
    for n in 0..LIVES {
        let tenant = books.value("SELECT gen_random_uuid()")?;
        let buyer = Buyer::new(&world.stripe, &prices, (n % 2 == 0).then(|| tenant.clone()))?;
        RUNTIME.block_on(product.create_tenant(&tenant, Some(&buyer.id), true))?;
        lives.push((buyer, tenant));
    }
    live(&world.stripe, &mut lives, &product, &mut chance)?;
    let expected = lives.iter().map(|life| expected(life, &mut books)).collect::<Result<Vec<_>>>()?.concat();
    let expected: BTreeSet<String> = expected.into_iter().map(|found| format!("{found:?}")).collect();
    let kinds = ["stale_row", "missing_row", "untagged", "wrong_count"];
    for kind in kinds {
        ensure!(expected.iter().any(|found| found.contains(kind)), "nothing lost made a {kind}");
    }
    let (reported, left) = reconcile(&world, &[])?;
    let amiss = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
    ensure!(
        reported == expected,
        "reported and not expected: {:#?}; expected and not reported: {:#?}",
        amiss(&reported, &expected),
        amiss(&expected, &reported)
    );
    ensure!(left == reported.len(), "a report repaired something");
    eprintln!("{} findings in {LIVES} lives", reported.len());
    forget_that_events_come_late(&mut books)?;
    let (found, left) = reconcile(&world, &["--apply", "--force"])?;
    ensure!((&found, left) == (&expected, 0), "{left} of {} left", found.len());
    let (found, _) = reconcile(&world, &[])?;
    ensure!(found.is_empty(), "still: {found:#?}");
    lives.iter().try_for_each(|life| check(life, &mut books))
}

/// Everybody does something, and nine of ten events are handled.
fn live(double: &Double, lives: &mut [(Buyer<'_>, String)], product: &Product, chance: &mut Chance) -> Result<()> {
    // The first look finds the newest page only.
    let mut looked_at = None;
    life::new_envelopes(double, &mut looked_at)?;
    for round in 0..ROUNDS {
        for (buyer, _) in &mut *lives {
            if round == 0 {
                buyer.subscribe(chance, None)?;
            } else {
                buyer.do_something(chance)?;
            }
        }
        double.advance(DAY * 12)?;
        handle(&life::new_envelopes(double, &mut looked_at)?, product, chance)?;
    }
    Ok(())
}

fn handle(told: &[Value], product: &Product, chance: &mut Chance) -> Result<()> {
    let mut batches: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in told.iter().filter_map(life::event) {
        if chance.below(ONE_IN) > 0 {
            product.take_in(&event.id, &event.subscription, None)?;
            batches.entry(event.subscription).or_default().push(event.id);
        }
    }
    for (subscription, events) in batches {
        RUNTIME.block_on(product.handle(&Batch::new(&subscription, &events)))?;
    }
    Ok(())
}

/// What must be reported of a life, worked out from Stripe's own JSON and the rows.
fn expected((buyer, tenant): &(Buyer<'_>, String), books: &mut Books) -> Result<Vec<Found>> {
    let all = buyer.all_at_stripe()?;
    let rows = books.subscriptions(&buyer.subscriptions)?;
    let row_of = |id: &Value| rows.iter().find(|row| Some(row[1].as_str()) == id.as_str());
    let mut found = Vec::new();
    let mut known = Vec::new();
    for subscription in &all {
        let id = subscription["id"].as_str().context("an id")?.to_owned();
        let is_live = ["active", "trialing", "past_due"].iter().any(|status| subscription["status"] == *status);
        let told = |kind: &str| (kind.to_owned(), id.clone(), Value::Null, Value::Null);
        match row_of(&subscription["id"]) {
            Some(row) if without_tags(row) != without_tags(&oracle::row(tenant, subscription, &[])) => {
                found.push(told("stale_row"));
            }
            None if is_live => found.push(told("missing_row")),
            Some(_) | None => {}
        }
        if is_live && subscription["metadata"]["tenant_id"].is_null() {
            found.push(told("untagged"));
        }
        if is_live || row_of(&subscription["id"]).is_some() {
            known.push(subscription);
        }
    }
    let ours = books.count(tenant)?.parse::<i64>().ok();
    if let Count::Is(stripes) = oracle::count(known, &[])
        && ours != Some(stripes)
    {
        found.push(("wrong_count".to_owned(), tenant.clone(), json!(ours), json!(stripes)));
    }
    Ok(found)
}

/// The columns but for the metadata: what is tagged is another kind of finding.
fn without_tags(row: &[String]) -> &[String] {
    &row[..row.len() - 1]
}

/// All rows say what Stripe says, and so does the count.
fn check(life: &(Buyer<'_>, String), books: &mut Books) -> Result<()> {
    let left = expected(life, books)?;
    ensure!(left.is_empty(), "{}: {left:?}", life.0.id);
    Ok(())
}

/// Nobody hands over the events that were fed, and what waits for long excuses nothing.
fn forget_that_events_come_late(books: &mut Books) -> Result<()> {
    books.run("UPDATE stripe_webhook_events SET created_at = created_at - interval '10 minutes'").map(drop)
}

/// What it found, and how much of it is not repaired.
fn reconcile(world: &World, flags: &[&str]) -> Result<(BTreeSet<String>, usize)> {
    let said = world.tenantry(&[&["reconcile", "--yes", "--output", "json"], flags].concat())?;
    let document: Value = serde_json::from_str(&said.stdout).with_context(|| said.everything())?;
    let findings = document["findings"].as_array().with_context(|| said.everything())?;
    let left = findings.iter().filter(|found| found["repaired_at"].is_null()).count();
    Ok((findings.iter().map(|found| format!("{:?}", told(found))).collect(), left))
}

fn told(finding: &Value) -> Found {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match finding["kind"].as_str() {
        Some("wrong_count") => {
            let (ours, stripes) = (finding["ours"].clone(), finding["stripes"].clone());
            ("wrong_count".to_owned(), text(&finding["tenant_id"]), ours, stripes)
        }
        _ => (text(&finding["kind"]), text(&finding["stripe_subscription_id"]), Value::Null, Value::Null),
    }
}

fn product(world: &World) -> Result<Product> {
    let rules = LicenseRules::from_env(|_| None)?;
    let url = world.database_url.clone();
    let config = DatabaseConfig::from_env(|name| (name == "DATABASE_URL").then(|| url.clone()))?.of_a_person();
    let _inside = RUNTIME.enter();
    Ok(Product { store: Store::new(&config, MASTER.parse()?, rules), stripe: shop::stripe(&world.stripe)? })
}
