//! `tenantry events replay`, and the story that it adds to.

use anyhow::{Context, Result, ensure};
use e2e::World;
use serde_json::Value;

use super::{Inbox, UPDATED, json};

/// From a failed event to the answer to "why does this tenant have 12 licences?".
#[test]
fn a_failed_event_is_replayed_and_explains_the_count() -> Result<()> {
    let world = World::named("events-replay").start()?;
    let purchase = world.stripe.buy(10)?;
    let tenant = world.onboard(&purchase)?.result()?["tenant_id"].as_str().unwrap_or_default().to_owned();
    let item =
        world.stripe.get(&format!("/subscriptions/{}", purchase.subscription))?["items"]["data"][0]["id"].clone();
    let item = item.as_str().context("an item")?;
    let change = [("items[0][id]", item), ("items[0][quantity]", "12"), ("proration_behavior", "none")];
    world.stripe.post(&format!("/subscriptions/{}", purchase.subscription), &change)?;
    let inbox = Inbox(&world);
    inbox.take("evt_1Failed", "failed", &purchase.subscription, "an outage that is over")?;
    let dry = world.tenantry(&["events", "replay", "evt_1Failed", "--dry-run"])?.exits(0)?.stdout;
    ensure!(dry.contains("1 event would be handled again"), "{dry}");
    assert_eq!(inbox.standing("evt_1Failed")?[0], "failed");
    let ui = [("TEMPORAL_UI_URL", "http://ui.example")];
    let replay = ["events", "replay", "evt_1Failed", "--wait", "--timeout", "60", "--output", "json"];
    let said = json(&world.tenantry_with(&replay, &ui)?.exits(0)?.stdout)?;
    let event = &said["events"][0];
    assert_eq!(
        (&event["did"], &event["before"], &event["status"]),
        (&"handed_over".into(), &"failed".into(), &"completed".into())
    );
    let run = event["run_id"].as_str().context("no run")?;
    let link = format!(
        "http://ui.example/namespaces/default/workflows/sync-subscription-{}/{run}/history",
        purchase.subscription
    );
    assert_eq!(event["link"], link.as_str());
    let again = world.tenantry(&["events", "replay", "evt_1Failed"])?.exits(0)?.stdout;
    ensure!(again.contains("already completed"), "{again}");
    let shown = world.tenantry_with(&["events", "show", "evt_1Failed"], &ui)?.exits(0)?.stdout;
    ensure!(shown.contains(&format!("licences of {tenant}: 10 -> 12")) && shown.contains(&link), "{shown}");
    let why = world.tenantry_with(&["tenant", "why", &purchase.customer], &ui)?.exits(0)?.stdout;
    let story = [
        &tenant,
        "0 -> 10",
        "the subscription was imported from Stripe",
        "10 -> 12",
        &format!("Stripe's event evt_1Failed ({UPDATED}) said that {} changed", purchase.subscription),
        &link,
        &format!("12, because {} is active and has the quantity 12", purchase.subscription),
    ];
    let mut rest = why.as_str();
    for word in story {
        rest = rest.split_once(word).with_context(|| format!("{word} is not in its place in:\n{why}"))?.1;
    }
    let why = why.to_lowercase();
    ensure!(!why.contains("ann@example.com") && !why.contains("ann's company"), "who bought is in:\n{why}");
    Ok(())
}

#[test]
fn an_event_that_fails_again_says_so() -> Result<()> {
    let world = World::named("events-again").start()?;
    Inbox(&world).take("evt_1Lost", "failed", "sub_1Lost", "it was not there")?;
    let said = world.tenantry(&["events", "replay", "evt_1Lost", "--wait", "--timeout", "60"])?.exits(1)?;
    ensure!(said.stderr.contains("1 event failed again") && said.stdout.contains("StripeNotFound"), "{said:?}");
    Ok(())
}

#[test]
fn a_hand_over_is_safe_any_number_of_times() -> Result<()> {
    let world = World::named("events-twice").without_worker()?;
    let inbox = Inbox(&world);
    inbox.fill()?;
    let subscription = format!("sub_1Twice{}", world.task_queue().replace('-', ""));
    inbox.take("evt_1Twice", "failed", &subscription, "an outage")?;
    for _ in 0..2 {
        let said = world.tenantry(&["events", "replay", "evt_1Twice"])?.exits(0)?.stdout;
        ensure!(said.contains(&format!("handed over to sync-subscription-{subscription}")), "{said}");
        assert_eq!(inbox.standing("evt_1Twice")?, ["pending", "1", "f"], "the relay would hand it over at once");
    }
    let run = world.run(&format!("sync-subscription-{subscription}"));
    let signals = || run.count_events("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED");
    assert_eq!(signals()?, 2);
    assert_eq!(run.search_attribute("StripeSubscriptionId")?, subscription);
    // Nobody works, so it is not settled.
    let late = world.tenantry(&["events", "replay", "evt_1Twice", "--wait", "--timeout", "1"])?.exits(1)?;
    ensure!(late.stderr.contains("still pending after 1 seconds"), "{}", late.stderr);
    // One of each: only the ignored and the settled ones stay as they are.
    let each = ["evt_1Failed", "evt_1Parked", "evt_1Pending", "evt_1Completed", "evt_1Superseded", "evt_1Ignored"];
    world.tenantry(&[&["events", "replay"], &each[..]].concat())?.exits(0)?;
    let standing: Vec<String> = each.iter().map(|id| Ok(inbox.standing(id)?.remove(0))).collect::<Result<_>>()?;
    assert_eq!(standing, ["pending", "pending", "pending", "completed", "superseded", "ignored"]);
    let ignored = world.tenantry(&["events", "replay", "evt_1Ignored"])?.exits(4)?;
    ensure!(ignored.everything().contains("another account"), "{ignored:?}");
    // What exists is done, and what does not is still said.
    world.tenantry(&["events", "replay", "evt_1Twice", "evt_1Never"])?.exits(3)?;
    assert_eq!(signals()?, 4);
    Ok(())
}

#[test]
fn several_are_replayed_only_on_purpose() -> Result<()> {
    let world = World::named("events-many").without_worker()?;
    let inbox = Inbox(&world);
    inbox.take("evt_1A", "failed", "sub_1ManyA", "an outage")?;
    inbox.take("evt_1B", "failed", "sub_1ManyB", "an outage")?;
    let all = ["events", "replay", "--status", "failed"];
    let refused = world.tenantry(&all)?.exits(2)?;
    ensure!(refused.stderr.contains("2 events") && refused.stderr.contains("--yes"), "{}", refused.stderr);
    let plan = json(&world.tenantry(&[&all[..], &["--dry-run", "--output", "json"]].concat())?.exits(0)?.stdout)?;
    assert_eq!((&plan["counts"][0]["events"], plan["events"].as_array().map(Vec::len)), (&2.into(), Some(2)));
    assert_eq!(inbox.standing("evt_1A")?[..2], ["failed", "0"]);
    // Without Temporal they are pending, and due for the relay.
    let away = [("TEMPORAL_ADDRESS", "127.0.0.1:9")];
    let said = world.tenantry_with(&[&all[..], &["--yes"]].concat(), &away)?.exits(5)?;
    ensure!(said.stderr.contains("nothing is lost: 2 events pending"), "{}", said.stderr);
    assert_eq!(inbox.standing("evt_1A")?, ["pending", "0", "t"]);
    let none = world.tenantry(&[&all[..], &["--yes"]].concat())?.exits(0)?.stdout;
    ensure!(none.contains("nothing to handle again"), "{none}");
    let none = world.tenantry(&[&all[..], &["--output", "json"]].concat())?.exits(0)?.stdout;
    assert_eq!(json(&none)?, json(r#"{"events": []}"#)?, "no plan: nobody asked for one");
    world.tenantry(&["events", "replay", "--status", "pending", "--yes"])?.exits(0)?;
    assert_eq!(inbox.standing("evt_1B")?[..2], ["pending", "1"]);
    Ok(())
}

#[test]
fn an_event_that_no_hand_over_takes_stays_failed() -> Result<()> {
    let world = World::named("events-unfit").without_worker()?;
    let inbox = Inbox(&world);
    inbox.take("evt_1Unfit", "failed", "nonsense", "its subscription cannot be read")?;
    let said = world.tenantry(&["events", "replay", "evt_1Unfit", "--output", "json"])?.exits(1)?;
    ensure!(said.stderr.contains("whose id cannot be read"), "{}", said.stderr);
    let event = &json(&said.stdout)?["events"][0];
    assert_eq!((&event["did"], &event["status"]), (&"unfit".into(), &"failed".into()));
    assert_eq!(event["workflow_id"], Value::Null);
    assert_eq!(inbox.standing("evt_1Unfit")?[0], "failed");
    world.tenantry(&["events", "accounting"])?.exits(0)?;
    let shown = world.tenantry(&["events", "show", "evt_1Unfit", "--output", "json"])?.exits(0)?.stdout;
    assert_eq!(json(&shown)?["workflow_id"], Value::Null);
    let shown = world.tenantry(&["events", "show", "evt_1Unfit"])?.exits(0)?.stdout;
    ensure!(shown.contains("none: its subscription's id cannot be read"), "{shown}");
    Ok(())
}

#[test]
fn a_replayed_event_waits_as_briefly_as_a_new_one() -> Result<()> {
    let world = World::named("events-backoff").without_worker()?;
    let inbox = Inbox(&world);
    let subscription = format!("sub_1Backoff{}", world.task_queue().replace('-', ""));
    inbox.take("evt_1Tried", "failed", &subscription, "an outage")?;
    world.rows("UPDATE stripe_webhook_events SET attempts = 20, dispatched_at = now() - interval '1 hour'")?;
    let away = [("TEMPORAL_ADDRESS", "127.0.0.1:9")];
    world.tenantry_with(&["events", "replay", "evt_1Tried"], &away)?.exits(5)?;
    assert_eq!(inbox.standing("evt_1Tried")?, ["pending", "0", "t"]);
    let shown = world.tenantry(&["events", "show", "evt_1Tried"])?.exits(0)?.stdout;
    ensure!(shown.contains("not since it was replayed"), "{shown}");
    // Of the shim's settings only the one that says how long is asked for.
    let settings = [("EVENT_REDISPATCH_AFTER", "40s"), ("WEBHOOK_ADDR", "nonsense")];
    world.tenantry_with(&["events", "replay", "evt_1Tried"], &settings)?.exits(0)?;
    let wait = "SELECT round(extract(epoch FROM next_attempt_at - dispatched_at)) FROM stripe_webhook_events";
    assert_eq!(world.value(wait)?, "40");
    let wrong = world.tenantry_with(&["events", "replay", "evt_1Tried"], &[("EVENT_REDISPATCH_AFTER", "soon")])?;
    ensure!(wrong.exits(2)?.stderr.contains("EVENT_REDISPATCH_AFTER"), "the wrong setting is named");
    Ok(())
}

/// A sync that lands while the story is read would look like a count that does not follow.
#[test]
fn a_story_is_read_at_one_moment() -> Result<()> {
    let world = World::named("events-moment").start()?;
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    let mut sync = world.session()?;
    sync.run("BEGIN")?;
    sync.run("LOCK TABLE license_changes IN ACCESS EXCLUSIVE MODE")?;
    let why = std::thread::scope(|scope| -> Result<Value> {
        let why = scope.spawn(|| world.tenantry(&["tenant", "why", &purchase.customer, "--output", "json"]));
        world.wait_for_lock_waiters(1)?;
        // In one go: who waits gives up after two seconds.
        sync.run(
            "UPDATE stripe_subscriptions SET quantity = 12;
             UPDATE tenants SET licensed_user_count = 12 WHERE licensed_user_count = 10;
             COMMIT",
        )?;
        json(&why.join().expect("it does not panic")?.exits(0)?.stdout)
    })?;
    assert_eq!((&why["licensed_user_count"], &why["now"]["is_as_derived"]), (&10.into(), &true.into()), "{why}");
    Ok(())
}
