//! Whether a life ended as it must.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::Value;
use stack::psql::Rows;

use crate::books::Books;
use crate::facts::{Birth, Event, Facts};
use crate::oracle::{self, Count};

/// Holds the rows against Stripe, the count against the rules, the events against each other.
pub(crate) fn life(books: &mut Books, facts: &Facts<'_>, license_prices: &[String]) -> Result<()> {
    let at_stripe = facts.buyer.all_at_stripe()?;
    let ours: Vec<&Value> = at_stripe.iter().filter(|subscription| !is_foreign(facts, subscription)).collect();
    if facts.birth == Birth::Never {
        ensure!(rows(books, facts)?.is_empty(), "rows of a customer without a tenant");
        return events(books, facts, |facts, event, status, _| {
            let expected = if facts.foreign.contains(&event.subscription) { "failed" } else { "parked" };
            status == expected
        });
    }
    let mut expected: Rows = ours.iter().map(|ours| oracle::row(&facts.tenant, ours, license_prices)).collect();
    expected.sort_by(|one, other| one[1].cmp(&other[1]));
    let found = rows(books, facts)?;
    ensure!(found == expected, "rows:\n  {found:?}\nexpected:\n  {expected:?}");
    count(books, facts, oracle::count(ours, license_prices))?;
    audit(books, facts, license_prices)?;
    let unclear = unclear(facts, license_prices);
    events(books, facts, |facts, event, status, reason| match status {
        "completed" | "superseded" => !facts.foreign.contains(&event.subscription),
        "failed" if facts.foreign.contains(&event.subscription) => reason.starts_with("ConflictError"),
        "failed" => unclear.contains(&event.subscription) && withholds(reason),
        _ => false,
    })?;
    twins(books, facts)
}

/// What a life came to: states of its subscriptions and events, and what is rare.
pub(crate) fn came_to(books: &mut Books, facts: &Facts<'_>) -> Result<BTreeSet<String>> {
    let mut came_to = BTreeSet::new();
    for row in rows(books, facts)? {
        came_to.insert(row[3].clone());
        came_to.extend((!row[15].is_empty()).then(|| "a change that waits".to_owned()));
        came_to.extend(row[17].contains("addon_key").then(|| "an add-on".to_owned()));
        came_to.extend((row[11] == "t").then(|| "an end with the period".to_owned()));
        came_to.extend((row[5].is_empty()).then(|| "no licence item".to_owned()));
    }
    for row in books.events(&facts.buyer.subscriptions)? {
        let kind = row[3].split(':').next().filter(|_| row[2] == "failed");
        came_to.insert(kind.map_or(row[2].clone(), |kind| format!("failed: {kind}")));
    }
    if facts.birth != Birth::Never {
        let count = books.count(&facts.tenant)?;
        came_to.extend(count.is_empty().then(|| "no limit".to_owned()));
    }
    Ok(came_to)
}

fn is_foreign(facts: &Facts<'_>, subscription: &Value) -> bool {
    subscription["id"].as_str().is_some_and(|id| facts.foreign.contains(id))
}

fn withholds(reason: &str) -> bool {
    ["AmbiguousSubscription", "NotLicensable"].iter().any(|kind| reason.starts_with(kind))
}

/// The rows of the life's subscriptions, with metadata as the oracle writes it.
fn rows(books: &mut Books, facts: &Facts<'_>) -> Result<Rows> {
    let mut rows = books.subscriptions(&facts.buyer.subscriptions)?;
    for row in &mut rows {
        let metadata: Option<Value> = row.pop().map(|text| serde_json::from_str(&text)).transpose()?;
        row.push(metadata.unwrap_or_default().to_string());
    }
    Ok(rows)
}

/// Subscriptions whose licences could not be told at some time.
fn unclear(facts: &Facts<'_>, license_prices: &[String]) -> Vec<String> {
    let unclear = facts.past.iter().filter(|subscription| oracle::seats(subscription, license_prices).is_none());
    unclear.filter_map(|subscription| subscription["id"].as_str().map(str::to_owned)).collect()
}

fn at_birth(facts: &Facts<'_>) -> &'static str {
    if facts.count_follows { "0" } else { "" }
}

fn count(books: &mut Books, facts: &Facts<'_>, expected: Count) -> Result<()> {
    let found = books.count(&facts.tenant)?;
    let changes = books.changes(&facts.tenant)?;
    let last = changes.last().map_or(at_birth(facts), |change| change.to.as_str());
    ensure!(found == last, "the count is {found:?}, and the last change led to {last:?}");
    match expected {
        Count::Is(count) => ensure!(found == count.to_string(), "the count is {found:?}, expected {count}"),
        Count::Stays => {
            ensure!(changes.is_empty(), "the count changed without a licence subscription: {changes:?}");
        }
        Count::Withheld => {}
    }
    Ok(())
}

/// Each change begins where the last one ended, says which events asked for it, and leads to a
/// number that Stripe once named.
fn audit(books: &mut Books, facts: &Facts<'_>, license_prices: &[String]) -> Result<()> {
    let changes = books.changes(&facts.tenant)?;
    let named: Vec<i64> = facts.past.iter().filter_map(|past| oracle::seats(past, license_prices)).chain([0]).collect();
    let mut before = at_birth(facts).to_owned();
    for change in changes {
        ensure!(change.from == before, "{change:?} does not begin at {before:?}");
        ensure!(change.from != change.to, "{change:?} changes nothing");
        ensure!(named.contains(&change.to.parse()?), "{change:?} leads to a number that Stripe never named");
        let is_known = |id: &String| facts.events.iter().any(|event| event.id == *id);
        let is_explained = match change.cause.as_str() {
            "subscription_event" => !change.events.is_empty() && change.events.iter().all(is_known),
            "subscription_import" => facts.is_imported,
            _ => false,
        };
        ensure!(is_explained, "{change:?} is not explained");
        before = change.to;
    }
    Ok(())
}

/// Every event that ever was is there once, in a state that `is_right` for it.
fn events(
    books: &mut Books,
    facts: &Facts<'_>,
    is_right: impl Fn(&Facts<'_>, &Event, &str, &str) -> bool,
) -> Result<()> {
    let found = books.events(&facts.buyer.subscriptions)?;
    let is_found = |event: &&Event| found.iter().any(|row| row[0] == event.id);
    let (_, missing): (Vec<_>, Vec<_>) = facts.events.iter().partition(is_found);
    let [seen, all] = [found.len(), facts.events.len()];
    ensure!(seen == all, "{seen} events of {all}: {found:?}; not there: {missing:?}");
    for event in &facts.events {
        let row = found.iter().find(|row| row[0] == event.id);
        let (status, reason) = row.map_or(("not there", ""), |row| (row[2].as_str(), row[3].as_str()));
        ensure!(is_right(facts, event, status, reason), "{event:?} is {status}: {reason}");
    }
    Ok(())
}

/// Of two events that tell of one change one is completed and the other superseded.
fn twins(books: &mut Books, facts: &Facts<'_>) -> Result<()> {
    let found = books.events(&facts.buyer.subscriptions)?;
    let status = |id: &str| found.iter().find(|row| row[0] == id).map_or("", |row| row[2].as_str());
    for event in &facts.events {
        let twin = facts.events.iter().find(|twin| twin.twin_of.as_deref() == Some(event.id.as_str()));
        let Some(twin) = twin else {
            let is_alone = event.twin_of.is_none();
            ensure!(!is_alone || status(&event.id) != "superseded", "{event:?} is superseded by nothing");
            continue;
        };
        let mut both = [status(&event.id), status(&twin.id)];
        both.sort_unstable();
        let is_right = both == ["completed", "superseded"] || both.contains(&"failed");
        ensure!(is_right, "{event:?} and its twin are {both:?}");
    }
    Ok(())
}
