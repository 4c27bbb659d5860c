//! What is refused, with which exit code and in which words.

use std::thread;

use anyhow::{Context, Result, ensure};
use e2e::{MASTER, Tenant, World};
use serde_json::{Value, json};

use super::{Desk, document, has};

#[test]
fn a_declined_card_changes_nothing_and_says_what_the_payer_can_do() -> Result<()> {
    let world = World::named("licenses-declined").start()?;
    let tenant = &world.tenant_with(10)?;
    let desk = Desk { world: &world, tenant };
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail")?;
    let said = desk.say("set", &["15", "--yes", "--wait"])?.exits(1)?;
    has(
        &said.stderr,
        &["PaymentDeclined", "generic_decline", "Your card was declined.", "The number was not changed"],
    )?;
    let again = format!("run `tenantry license set {} 15 --from 10`", tenant.id);
    has(&said.stderr, &["mend what it names", &again])?;
    has(&said.stdout, &["ended     failed", "failure   PaymentDeclined"])?;
    let said = desk.say("set", &["15", "--yes", "--wait", "--output", "json"])?.exits(1)?;
    let (shown, error) = (document(&said.stdout)?, document(&said.stderr)?);
    assert_eq!((&shown["failure"]["kind"], &shown["status"]), (&json!("PaymentDeclined"), &json!("failed")));
    assert_eq!(error["code"], 1);
    world.assert_licenses(tenant, 10, None)?;
    assert_eq!(desk.history()?[0][2], "failed");
    has(&desk.text("history", &[])?, &["10 -> 15", "failed: PaymentDeclined", "the payment did not go through ("])
}

#[test]
fn whoever_waits_for_a_cancelled_change_reads_what_became_of_it() -> Result<()> {
    let world = World::named("licenses-cancelled").setting("TENANTRY_HOLD_AT", "after:releaseSchedule").start()?;
    let tenant = &world.tenant_with(10)?;
    world.change_licenses(tenant, 6)?;
    let desk = &Desk { world: &world, tenant };
    let said = thread::scope(|scope| {
        let waits = scope.spawn(|| desk.say("set", &["15", "--yes", "--wait"]));
        world.wait_until_held()?;
        world.run(&format!("change-license-count-{}", tenant.id)).cancel()?;
        world.release()?;
        waits.join().expect("no panic")
    })?;
    let said = said.exits(1)?;
    has(&said.stdout, &["ended     cancelled"])?;
    has(&said.stderr, &["the change to 6 that waited waits again", "--from 10"])?;
    has(&desk.text("history", &[])?, &["the change to 6 that waited waits again"])
}

#[test]
fn of_two_operators_at_once_one_is_refused() -> Result<()> {
    let world = World::named("licenses-two").start()?;
    let tenant = &world.tenant_with(10)?;
    // Nobody works, so the first change still runs when the second comes.
    world.stop_worker()?;
    let set = |quantity: &'static str| {
        let customer = &tenant.purchase.customer;
        world.tenantry(&["license", "set", customer, quantity, "--yes", "--output", "json"])
    };
    let both = thread::scope(|scope| {
        let both = ["15", "20"].map(|quantity| scope.spawn(move || set(quantity)));
        both.map(|one| one.join().expect("no panic"))
    });
    let [first, second] = both;
    let (first, second) = (first?, second?);
    let (won, lost) = if first.stdout.is_empty() { (second, first) } else { (first, second) };
    let run = document(&won.exits(0)?.stdout)?;
    let run_id = run["run_id"].as_str().context("an id")?;
    has(&lost.exits(4)?.stderr, &["running already", run_id])?;
    let desk = Desk { world: &world, tenant };
    has(&desk.text("show", &[])?, &["running       run ", run_id])?;
    assert_eq!(desk.json("show", &[])?["running"]["run_id"], run_id);
    let late = desk.say("set", &["30", "--yes", "--wait", "--timeout", "1"])?.exits(4)?;
    has(&late.stderr, &[run_id])?;
    world.start_worker(&[])?;
    world.run(&format!("change-license-count-{}", tenant.id)).result()?;
    assert_eq!(world.license_requests(tenant)?.len(), 1);
    Ok(())
}

#[test]
fn a_change_that_runs_is_shown_with_its_step() -> Result<()> {
    let world = World::named("licenses-running").setting("TENANTRY_HOLD_AT", "before:setLicenseQuantity").start()?;
    let tenant = &world.tenant_with(10)?;
    let desk = Desk { world: &world, tenant };
    let started = desk.json("set", &["15", "--yes"])?;
    assert_eq!((&started["started"], &started["status"]), (&json!(true), &json!("running")));
    let run = world.run(&format!("change-license-count-{}", tenant.id));
    world.wait_until_held_in(&run)?;
    let running = &desk.json("show", &[])?["running"];
    let found = (&running["run_id"], &running["from"], &running["to"], &running["step"]);
    assert_eq!(found, (&started["run_id"], &json!(10), &json!(15), &json!("setLicenseQuantity")));
    has(&desk.text("show", &[])?, &["running       10 -> 15, setLicenseQuantity, run "])?;
    has(&desk.text("history", &[])?, &["10 -> 15", "running"])?;
    let waited = desk.say("set", &["15", "--yes", "--wait", "--timeout", "1"])?.exits(4)?;
    has(&waited.stderr, &["running already"])?;
    world.release()?;
    run.result()?;
    world.assert_licenses(tenant, 15, None)
}

#[test]
fn whoever_waits_may_stop_waiting() -> Result<()> {
    let world = World::named("licenses-late").setting("TENANTRY_HOLD_AT", "before:setLicenseQuantity").start()?;
    let tenant = &world.tenant_with(10)?;
    let desk = Desk { world: &world, tenant };
    let said = desk.say("set", &["15", "--yes", "--wait", "--timeout", "1"])?.exits(1)?;
    has(&said.stderr, &["still runs after 1 seconds; it goes on"])?;
    world.wait_until_held()?;
    world.release()?;
    world.run(&format!("change-license-count-{}", tenant.id)).result()?;
    world.assert_licenses(tenant, 15, None)
}

#[test]
fn a_wrong_word_is_refused_before_anything_happens() -> Result<()> {
    let world = World::named("licenses-usage").without_worker()?;
    let usage: [&[&str]; 11] = [
        &["set", "cus_1", "0", "--yes"],
        &["set", "cus_1", "-3", "--yes"],
        &["set", "cus_1", "100001", "--yes"],
        &["set", "cus_1", "ten", "--yes"],
        &["set", "someone", "5", "--yes"],
        &["set", "cus_1", "5", "--yes", "--timeout", "3"],
        &["set", "cus_1", "5", "--yes", "--effective", "tomorrow"],
        &["set", "cus_1", "5", "--yes", "--requested-by", ""],
        &["preview", "cus_1", "0"],
        &["history", "cus_1", "--limit", "0"],
        &["show"],
    ];
    for args in usage {
        let said = world.tenantry(&[&["license"], args].concat())?.exits(2)?;
        ensure!(!said.stderr.is_empty() && said.stdout.is_empty(), "{args:?}: {said:?}");
    }
    let unasked = world.tenantry(&["license", "set", "cus_1", "5"])?.exits(2)?;
    has(&unasked.stderr, &["nobody can be asked here", "--yes", "license preview"])
}

#[test]
fn who_is_not_there_and_what_does_not_answer_have_their_exit_codes() -> Result<()> {
    let world = World::named("licenses-codes").start()?;
    let tenant = world.tenant_with(10)?;
    let customer = tenant.purchase.customer.as_str();
    let about = |who: &'static str| {
        [vec!["show", who], vec!["history", who], vec!["preview", who, "5"], vec!["set", who, "5", "--yes"]]
    };
    for args in about("cus_1Nobody").into_iter().chain(about("99999999-9999-4999-8999-999999999999")) {
        world.tenantry(&[&["license"], &args[..]].concat())?.exits(3)?;
    }
    for args in [&["preview", MASTER, "5"][..], &["set", MASTER, "5", "--yes"]] {
        has(&world.tenantry(&[&["license"], args].concat())?.exits(4)?.stderr, &["master billing tenant"])?;
    }
    let away = |name: &'static str, value: &'static str, args: &[&str], code: i32| {
        world.tenantry_with(&[&["license"], args].concat(), &[(name, value)])?.exits(code)
    };
    let (preview, set) = (["preview", customer, "15"], ["set", customer, "15", "--yes"]);
    away("DATABASE_URL", "postgres://a:b@127.0.0.1:9/none", &["show", customer], 5)?;
    away("TEMPORAL_ADDRESS", "127.0.0.1:9", &set, 5)?;
    away("TEMPORAL_NAMESPACE", "elsewhere", &["show", customer], 2)?;
    away("STRIPE_API_BASE", "http://127.0.0.1:9", &preview, 5)?;
    away("STRIPE_SECRET_KEY", "sk_live_1", &preview, 2)?;
    away("STRIPE_SECRET_KEY", "", &preview, 2)?;
    // Who does not want to be asked needs no key.
    away("STRIPE_SECRET_KEY", "", &[&set[..], &["--wait"]].concat(), 0)?;
    world.assert_licenses(&tenant, 15, None)
}

/// What cannot be changed is refused by the preview as by the change, each in its own words.
#[test]
fn what_cannot_be_changed_is_refused_alike() -> Result<()> {
    let world = World::named("licenses-refused").start()?;
    let check = |tenant: &Tenant, more: &[&str], kind: &str, words: &[&str]| -> Result<()> {
        let desk = Desk { world: &world, tenant };
        let previewed = desk.say("preview", &[&["15"], more].concat())?.exits(4)?;
        has(&previewed.stderr, &[&[kind], words].concat())?;
        let set = desk.say("set", &[&["15", "--yes", "--wait"], more].concat())?.exits(1)?;
        has(&set.stderr, &[&[kind, "`tenantry license "], words].concat())
    };
    let tenant = world.tenant_with(10)?;
    check(&tenant, &["--from", "9"], "ConflictError", &["it has 10 licences", "decided on 9"])?;
    let path = format!("/subscriptions/{}", tenant.purchase.subscription);
    world.stripe.post(&path, &[("cancel_at_period_end", "true")])?;
    check(&tenant, &[], "ConflictError", &["is set to cancel"])?;
    world.stripe.cancel(&tenant.purchase.subscription)?;
    check(&tenant, &[], "NotLicensable", &["has no live subscription"])?;
    let scheduled = world.tenant_with(10)?;
    world.stripe.schedule_quantity(&scheduled.purchase.subscription, 3)?;
    check(&scheduled, &[], "ConflictError", &["was not made here"])?;
    let two = world.tenant_with(10)?;
    let price = world.stripe.price()?;
    let item = [("subscription", two.purchase.subscription.as_str()), ("price", &price), ("quantity", "1")];
    world.stripe.post("/subscription_items", &item)?;
    check(&two, &[], "AmbiguousSubscription", &["LICENSE_PRICE_IDS"])?;
    let tagged = world.tenant_with(10)?;
    let path = format!("/subscriptions/{}", tagged.purchase.subscription);
    world.stripe.post(&path, &[("metadata[tenant_id]", &two.id)])?;
    check(&tagged, &[], "DuplicateError", &["already belongs to tenant"])?;
    let shown: Value = Desk { world: &world, tenant: &two }.json("show", &[])?;
    assert_eq!(shown["licensed_user_count"], 10);
    Ok(())
}
