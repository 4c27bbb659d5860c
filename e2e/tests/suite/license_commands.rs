//! `tenantry license`: what operators and scripts are told of a tenant's licences, and how they
//! change them.

use anyhow::{Context, Result, ensure};
use e2e::{Said, Tenant, World};
use serde_json::{Value, json};

mod asked;
mod refusals;

/// A `license` command about a tenant.
struct Desk<'a> {
    world: &'a World,
    tenant: &'a Tenant,
}

impl Desk<'_> {
    fn say(&self, verb: &str, more: &[&str]) -> Result<Said> {
        self.world.tenantry(&[&["license", verb, &self.tenant.purchase.customer], more].concat())
    }

    fn text(&self, verb: &str, more: &[&str]) -> Result<String> {
        Ok(self.say(verb, more)?.exits(0)?.stdout)
    }

    fn json(&self, verb: &str, more: &[&str]) -> Result<Value> {
        document(&self.say(verb, &[more, &["--output", "json"]].concat())?.exits(0)?.stdout)
    }

    /// Changes the number without being asked, and waits.
    fn set(&self, quantity: &str, more: &[&str]) -> Result<Value> {
        self.json("set", &[&[quantity, "--yes", "--wait"], more].concat())
    }

    /// Every line of the history, newest first: numbers, outcome, cause, who.
    fn history(&self) -> Result<Vec<Value>> {
        let told = self.json("history", &[])?["history"].clone();
        let line = |one: &Value| json!([one["from"], one["to"], one["outcome"], one["cause"], one["requested_by"]]);
        Ok(told.as_array().context("a list")?.iter().map(line).collect())
    }
}

fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("no JSON: {text}"))
}

fn has(text: &str, words: &[&str]) -> Result<()> {
    words.iter().try_for_each(|word| {
        ensure!(text.contains(word), "{word:?} is not in:\n{text}");
        Ok(())
    })
}

/// The total of the newest invoice.
fn billed(world: &World, tenant: &Tenant) -> Result<Value> {
    Ok(world.stripe.invoices(&tenant.purchase.subscription)?[0]["total"].clone())
}

#[test]
fn an_increase_costs_what_its_preview_said() -> Result<()> {
    let world = World::named("licenses-more").start()?;
    let tenant = &world.tenant_with(10)?;
    let desk = Desk { world: &world, tenant };
    world.stripe.advance(11 * 86_400)?;
    world.stripe.freeze(true)?;
    let preview = desk.json("preview", &["15"])?;
    let now = &preview["now"];
    assert_eq!((&preview["action"], &preview["from"], &preview["to"]), (&json!("set"), &json!(10), &json!(15)));
    assert_eq!((&preview["next"]["amount_due"], &preview["next"]["shown"]), (&json!(15_000), &json!("150.00 USD")));
    assert_eq!(now["paid_until"], preview["next_at"], "the rest of the period is paid for");
    let shown = now["shown"].as_str().context("an amount")?;
    has(&desk.text("preview", &["15"])?, &["licences      10 -> 15, now", shown, "150.00 USD on "])?;
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (10, None), "a preview changes nothing");
    let set = desk.set("15", &["--from", "10", "--requested-by", "ticket 4711"])?;
    assert_eq!((&set["status"], &set["result"]["outcome"]), (&json!("completed"), &json!("changed")));
    assert_eq!(billed(&world, tenant)?, now["amount_due"]);
    world.assert_licenses(tenant, 15, None)?;
    let shown = desk.json("show", &[])?;
    assert_eq!((&shown["licensed_user_count"], &shown["running"]), (&json!(15), &Value::Null));
    assert_eq!(shown["subscription"]["price"]["shown"], "10.00 USD a month");
    assert_eq!(shown["subscription"]["stripe_subscription_id"], tenant.purchase.subscription.as_str());
    has(
        &desk.text("show", &[])?,
        &["licences      15", "10.00 USD a month for each licence", "waiting       nothing", "running       nothing"],
    )?;
    let told = desk.history()?;
    assert_eq!(told[0], json!([10, 15, "changed", "license_change", "ticket 4711"]));
    assert_eq!(told[1], json!([0, 10, "changed", "subscription_import", null]));
    assert_eq!(told.len(), 2, "the request and its change are one");
    has(
        &desk.text("history", &["--limit", "1"])?,
        &["10 -> 15", "ticket 4711", set["run_id"].as_str().context("an id")?],
    )
}

#[test]
fn a_decrease_waits_is_shown_and_taken_back() -> Result<()> {
    let world = World::named("licenses-less").start()?;
    let tenant = &world.tenant_with(10)?;
    let desk = Desk { world: &world, tenant };
    let preview = desk.json("preview", &["4"])?;
    assert_eq!((&preview["action"], &preview["now"]), (&json!("schedule"), &Value::Null));
    assert_eq!((&preview["next"]["amount_due"], &preview["next_at"]), (&json!(4_000), &preview["effective_at"]));
    has(
        &desk.text("preview", &["4"])?,
        &["10 -> 4, from 20", "billed now    nothing", "next bill     40.00 USD on 20"],
    )?;
    let said = desk.text("set", &["4", "--yes", "--wait"])?;
    has(&said, &["status    started", "licences  10 -> 4, from 20"])?;
    world.assert_licenses(tenant, 10, Some(4))?;
    let waiting = &desk.json("show", &[])?["now"]["waiting"];
    assert_eq!((&waiting["to"], &waiting["at"]), (&json!(4), &preview["effective_at"]));
    has(&desk.text("show", &[])?, &["licences      10", "waiting       it will be 4 on 20"])?;
    // On top of it, everything is priced as if it did not wait.
    for (quantity, action, next) in [("6", "schedule", 6_000), ("15", "set", 15_000), ("10", "release", 10_000)] {
        let preview = desk.json("preview", &[quantity])?;
        assert_eq!((&preview["action"], &preview["next"]["amount_due"]), (&json!(action), &json!(next)), "{quantity}");
        assert_eq!(preview["waiting"]["to"], 4);
    }
    has(&desk.text("preview", &["15"])?, &["takes the place of the change to 4 on 20"])?;
    has(&desk.text("preview", &["10"])?, &["10, and it stays so: the change to 4 on 20"])?;
    has(
        &desk.text("set", &["10", "--yes", "--wait"])?,
        &["10, as before", "the change to 4 that waited was taken back"],
    )?;
    world.assert_licenses(tenant, 10, None)?;
    assert_eq!(desk.json("show", &[])?["now"]["waiting"], Value::Null);
    has(&desk.text("preview", &["10"])?, &["there is nothing to change"])?;
    let outcomes: Vec<Value> = desk.history()?.iter().map(|one| one[2].clone()).collect();
    assert_eq!(outcomes, ["unchanged", "scheduled", "changed"]);
    has(&desk.text("history", &[])?, &["10 -> 4", "scheduled for 20", "10 -> 10", "unchanged, 4 taken back"])
}

#[test]
fn a_decrease_now_is_credited_on_the_next_bill() -> Result<()> {
    let world = World::named("licenses-credit").start()?;
    let tenant = &world.tenant_with(10)?;
    let desk = Desk { world: &world, tenant };
    world.stripe.advance(11 * 86_400)?;
    world.stripe.freeze(true)?;
    desk.set("8", &[])?;
    let now = ["4", "--effective", "now"];
    // A change that waits does not hide what is credited.
    let preview = desk.json("preview", &now)?;
    has(&desk.text("preview", &now)?, &["10 -> 4, now", "credited on the next invoice"])?;
    ensure!(preview["next"]["amount_due"].as_i64() < Some(4_000), "nothing is credited: {preview}");
    desk.set("4", &now[1..])?;
    world.assert_licenses(tenant, 4, None)?;
    world.stripe.freeze(false)?;
    world.stripe.advance(25 * 86_400)?;
    assert_eq!(billed(&world, tenant)?, preview["next"]["total"]);
    Ok(())
}

#[test]
fn a_trial_is_not_billed_before_it_ends() -> Result<()> {
    let world = World::named("licenses-trial").start()?;
    let tenant = &world.tenant_of(world.stripe.try_out(10)?)?;
    let desk = Desk { world: &world, tenant };
    let preview = desk.json("preview", &["15"])?;
    assert_eq!(
        (&preview["action"], &preview["now"], &preview["next"]["amount_due"]),
        (&json!("set"), &Value::Null, &json!(15_000))
    );
    has(&desk.text("preview", &["15"])?, &["nothing: it is on trial"])
}

#[test]
fn amounts_are_those_of_the_currency() -> Result<()> {
    let world = World::named("licenses-money").start()?;
    for (currency, unit_amount, price, next) in
        [("jpy", "777", "777 JPY a month", "9324 JPY"), ("kwd", "12345", "12.345 KWD a month", "148.140 KWD")]
    {
        let form = [
            ("product_data[name]", "Seats"),
            ("recurring[interval]", "month"),
            ("currency", currency),
            ("unit_amount", unit_amount),
        ];
        let customer = world.stripe.customer("Ann@Example.com")?;
        let subscription = world.stripe.subscription(&customer, &world.stripe.make("/prices", &form)?, 10)?;
        let tenant = &world.tenant_of(e2e::Purchase { customer, subscription, quantity: 10 })?;
        let desk = Desk { world: &world, tenant };
        has(&desk.text("show", &[])?, &[price])?;
        has(&desk.text("preview", &["12"])?, &[next])?;
    }
    Ok(())
}

#[test]
fn what_stripe_tells_stands_beside_what_was_asked_for() -> Result<()> {
    let world = World::named("licenses-told").start()?;
    let (_line, _shim) = world.wired()?;
    let tenant = &world.tenant_with(10)?;
    let desk = Desk { world: &world, tenant };
    world.stripe.set_quantity(&tenant.purchase.subscription, 12)?;
    world.wait_for_count(&tenant.purchase.customer, 12)?;
    desk.set("20", &["--requested-by", "ann"])?;
    let told = desk.history()?;
    assert_eq!(told[0], json!([12, 20, "changed", "license_change", "ann"]));
    ensure!(told.contains(&json!([10, 12, "changed", "subscription_event", null])), "{told:?}");
    assert_eq!(desk.json("history", &["--limit", "1"])?["history"].as_array().map(Vec::len), Some(1));
    Ok(())
}

/// The event of a change is often faster than the run that makes it, which then finds the count as
/// it is to be. Who asked for it still stands there, once; what the portal does later with the very
/// same numbers is not theirs.
#[test]
fn a_change_whose_event_was_faster_is_told_as_asked_for() -> Result<()> {
    let world = World::named("licenses-outrun").setting("TENANTRY_HOLD_AT", "before:importLicenseChange").start()?;
    let tenant = &world.tenant_with(10)?;
    let (_line, _shim) = world.wired()?;
    let (desk, customer) = (Desk { world: &world, tenant }, &tenant.purchase.customer);
    let run = world.start_license_change(&tenant.id, 20, &json!({"requested_by": "ann"}))?;
    world.wait_until_held()?;
    world.wait_for_count(customer, 20)?;
    world.release()?;
    assert_eq!(run.result()?["outcome"], "changed");
    let asked = json!([10, 20, "changed", "license_change", "ann"]);
    let bought = json!([0, 10, "changed", "subscription_import", null]);
    assert_eq!(desk.history()?, [asked.clone(), bought.clone()]);
    for count in [10, 20] {
        world.stripe.set_quantity(&tenant.purchase.subscription, count)?;
        world.wait_for_count(customer, count)?;
    }
    let told = |from: i64, to: i64| json!([from, to, "changed", "subscription_event", null]);
    assert_eq!(desk.history()?, [told(10, 20), told(20, 10), asked, bought]);
    Ok(())
}
