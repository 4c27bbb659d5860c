//! `tenantry events` and `tenantry tenant why`: what an operator is told of Stripe's events, and
//! how they are handled again.

use anyhow::{Context, Result, ensure};
use e2e::{MASTER, World};
use serde_json::Value;

const UPDATED: &str = "customer.subscription.updated";

/// An event that came in, as the shim would leave it.
struct Inbox<'a>(&'a World);

impl Inbox<'_> {
    fn take(&self, id: &str, status: &str, subscription: &str, reason: &str) -> Result<()> {
        let object = if subscription.is_empty() { "NULL".to_owned() } else { format!("'{subscription}'") };
        let parked = if status == "parked" { "'cus_1Parked'" } else { "NULL" };
        self.0.rows(&format!(
            "INSERT INTO stripe_webhook_events (tenant, stripe_event_id, event_type, event_data, processing_status,
                 processing_error, object_id, stripe_customer_external_id, kind, livemode, api_version, stripe_created_at)
             VALUES ('{MASTER}', '{id}', '{UPDATED}', '{{\"id\":\"{id}\",\"b\":[1.50],\"a\":{{}}}}', '{status}',
                 nullif('{reason}', ''), {object}, {parked}, 'snapshot', false, '2026-09-30.endive', now())"
        ))?;
        self.0.rows(&format!(
            "INSERT INTO stripe_webhook_receipts VALUES ('{MASTER}', '{UPDATED}', 0, 1)
             ON CONFLICT (tenant, event_type, slot) DO UPDATE SET received = stripe_webhook_receipts.received + 1"
        ))?;
        Ok(())
    }

    /// One of each state.
    fn fill(&self) -> Result<()> {
        self.take(
            "evt_1Failed",
            "failed",
            "sub_1Other",
            "ConflictError: two tenants claim sub_1Other, and nothing is guessed",
        )?;
        self.take("evt_1Parked", "parked", "sub_1Parked", "its customer has no tenant yet")?;
        self.take("evt_1Pending", "pending", "sub_1", "")?;
        self.take("evt_1Completed", "completed", "sub_1", "")?;
        self.take("evt_1Superseded", "superseded", "sub_1", "the same change was told by evt_1Completed")?;
        self.take("evt_1Ignored", "ignored", "", "it belongs to another account")
    }

    fn standing(&self, id: &str) -> Result<Vec<String>> {
        let rows = self.0.rows(&format!(
            "SELECT processing_status, attempts, next_attempt_at <= now() FROM stripe_webhook_events
             WHERE stripe_event_id = '{id}'"
        ))?;
        rows.into_iter().next().context("no such event")
    }
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| text.to_owned())
}

fn ids(list: &Value) -> Vec<&str> {
    list["events"].as_array().into_iter().flatten().filter_map(|event| event["event_id"].as_str()).collect()
}

#[test]
fn events_are_listed_newest_first_and_narrowed_down() -> Result<()> {
    let world = World::named("events-list").without_worker()?;
    let list = |flags: &[&str]| -> Result<Value> {
        json(&world.tenantry(&[&["events", "list", "--output", "json"], flags].concat())?.exits(0)?.stdout)
    };
    assert_eq!(ids(&list(&[])?).len(), 0);
    world.tenantry(&["events", "list"])?.exits(0)?;
    Inbox(&world).fill()?;
    world.rows("UPDATE stripe_webhook_events SET created_at = now() - interval '3 hours' WHERE stripe_event_id = 'evt_1Failed'")?;
    let all = list(&[])?;
    assert_eq!((ids(&all)[0], ids(&all)[5], &all["more"]), ("evt_1Ignored", "evt_1Failed", &false.into()));
    let failed = &all["events"][5];
    for (field, expected) in [
        ("type", UPDATED),
        ("status", "failed"),
        ("stripe_subscription_id", "sub_1Other"),
        ("reason", "ConflictError: two tenants claim sub_1Other, and nothing is guessed"),
    ] {
        assert_eq!(failed[field], expected, "{failed}");
    }
    let cut = list(&["--limit", "2"])?;
    assert_eq!((ids(&cut), &cut["more"]), (vec!["evt_1Ignored", "evt_1Superseded"], &true.into()));
    assert_eq!(ids(&list(&["--status", "failed", "--status", "parked"])?), ["evt_1Parked", "evt_1Failed"]);
    assert_eq!(ids(&list(&["--subscription", "sub_1Parked"])?), ["evt_1Parked"]);
    assert_eq!(ids(&list(&["--customer", "cus_1Parked"])?), ["evt_1Parked"]);
    assert_eq!(ids(&list(&["--since", "2h", "--status", "failed"])?).len(), 0);
    assert_eq!(ids(&list(&["--type", "invoice.created"])?).len(), 0);
    let text = world.tenantry(&["events", "list", "--limit", "2"])?.exits(0)?.stdout;
    ensure!(text.contains("evt_1Superseded") && text.contains("there are more"), "{text}");
    Ok(())
}

#[test]
fn a_narrow_screen_gets_no_line_that_is_too_long() -> Result<()> {
    let world = World::named("events-narrow").without_worker()?;
    Inbox(&world).fill()?;
    for command in [&["events", "list"][..], &["events", "accounting"], &["events", "show", "evt_1Failed"]] {
        for (columns, width) in [("70", 70), ("140", 140)] {
            let text = world.tenantry_with(command, &[("COLUMNS", columns)])?.exits(0)?.stdout;
            let long = text.lines().find(|line| line.chars().count() > width);
            ensure!(long.is_none(), "{command:?} on {columns} columns: {long:?}");
            ensure!(text.contains("failed"), "{text}");
        }
    }
    Ok(())
}

#[test]
fn an_event_is_shown_with_what_it_means_and_what_comes_next() -> Result<()> {
    let world = World::named("events-show").without_worker()?;
    Inbox(&world).fill()?;
    world.rows("UPDATE stripe_webhook_events SET snapshot_event_id = 'evt_1Completed', kind = 'thin' WHERE stripe_event_id = 'evt_1Superseded'")?;
    let show = |id: &str| -> Result<String> { Ok(world.tenantry(&["events", "show", id])?.exits(0)?.stdout) };
    for (id, words) in [
        (
            "evt_1Failed",
            &["ConflictError: two tenants", "tenantry events replay evt_1Failed", "sync-subscription-sub_1Other"][..],
        ),
        ("evt_1Parked", &["no tenant yet", "cus_1Parked", "becomes pending by itself"]),
        ("evt_1Pending", &["stored safely", "due now", "never"]),
        ("evt_1Completed", &["evt_1Superseded tells of the same change", "TEST mode", "2026-09-30.endive"]),
        ("evt_1Superseded", &["thin", "evt_1Completed tells of the same change"]),
        ("evt_1Ignored", &["another account", "nothing of ours changes"]),
    ] {
        let text = show(id)?;
        ensure!(words.iter().all(|word| text.contains(word)), "{words:?} not all in:\n{text}");
    }
    let shown = json(&world.tenantry(&["events", "show", "evt_1Superseded", "--output", "json"])?.exits(0)?.stdout)?;
    assert_eq!((&shown["status"], &shown["twin_event_ids"][0]), (&"superseded".into(), &"evt_1Completed".into()));
    assert_eq!((&shown["next_attempt_at"], &shown["attempts"]), (&Value::Null, &0.into()));
    let payload = world.tenantry(&["events", "show", "evt_1Failed", "--payload"])?.exits(0)?.stdout;
    assert_eq!(payload, "{\n  \"id\": \"evt_1Failed\",\n  \"b\": [\n    1.50\n  ],\n  \"a\": {}\n}\n");
    world
        .rows("UPDATE stripe_webhook_events SET event_data = 'no json'::bytea WHERE stripe_event_id = 'evt_1Failed'")?;
    assert_eq!(world.tenantry(&["events", "show", "evt_1Failed", "--payload"])?.exits(0)?.stdout, "no json");
    let unknown = world.tenantry(&["events", "show", "evt_1Never"])?.exits(3)?;
    ensure!(unknown.stderr.contains("never delivered"), "{}", unknown.stderr);
    Ok(())
}

#[test]
fn what_does_not_add_up_is_found() -> Result<()> {
    let world = World::named("events-sum").without_worker()?;
    let accounting = |code: i32| -> Result<Value> {
        json(&world.tenantry(&["events", "accounting", "--output", "json"])?.exits(code)?.stdout)
    };
    assert_eq!(accounting(0)?["total"]["received"], 0);
    Inbox(&world).fill()?;
    let good = accounting(0)?;
    assert_eq!(
        (&good["adds_up"], &good["total"]["received"], &good["total"]["parked"]),
        (&true.into(), &6.into(), &1.into())
    );
    assert_eq!(good["oldest"].as_array().map(Vec::len), Some(3));
    world.rows("DELETE FROM stripe_webhook_events WHERE stripe_event_id = 'evt_1Completed'")?;
    let missing = accounting(6)?;
    assert_eq!((&missing["types"][0]["type"], &missing["types"][0]["missing"]), (&UPDATED.into(), &1.into()));
    let doctor = world.tenantry(&["doctor"])?.exits(6)?.stdout;
    ensure!(doctor.contains("1 event of type customer.subscription.updated received and not there"), "{doctor}");
    world.rows("UPDATE stripe_webhook_receipts SET received = 4")?;
    assert_eq!(accounting(6)?["types"][0]["missing"], -1);
    world.rows("UPDATE stripe_webhook_receipts SET received = 5")?;
    accounting(0)?;
    world.rows("UPDATE stripe_webhook_events SET object_id = 'nonsense' WHERE stripe_event_id = 'evt_1Pending'")?;
    let stuck = world.tenantry(&["events", "accounting"])?.exits(6)?.stdout;
    ensure!(stuck.contains("evt_1Pending is pending and can never be handed over"), "{stuck}");
    Ok(())
}

#[test]
fn the_doctor_sees_events_that_wait_too_long() -> Result<()> {
    let world = World::named("events-doctor").start()?;
    let said = world.tenantry(&["doctor"])?.exits(0)?.stdout;
    ensure!(said.contains("every event that was received is accounted for"), "{said}");
    Inbox(&world).fill()?;
    let said = world.tenantry(&["doctor"])?.exits(0)?.stdout;
    ensure!(said.contains("next: tenantry events list --status failed"), "{said}");
    ensure!(!said.contains("next: tenantry events show evt_1Parked"), "{said}");
    world.rows("UPDATE stripe_webhook_events SET created_at = now() - interval '61 minutes'")?;
    let said = world.tenantry(&["doctor"])?.exits(0)?.stdout;
    ensure!(said.contains("next: tenantry events show evt_1Parked"), "{said}");
    Ok(())
}

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
        "the purchase was imported from Stripe",
        "10 -> 12",
        &format!("Stripe's event evt_1Failed ({UPDATED}) said that {} changed", purchase.subscription),
        &link,
        &format!("12, because {} is active and has the quantity 12", purchase.subscription),
    ];
    let mut rest = why.as_str();
    for word in story {
        rest = rest.split_once(word).with_context(|| format!("{word} is not in its place in:\n{why}"))?.1;
    }
    ensure!(!why.to_lowercase().contains("ann"), "a person's name is in:\n{why}");
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
    assert_eq!(run.count_events("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED")?, 2);
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
    assert_eq!(inbox.standing("evt_1Twice")?[1], "1", "its backoff did not begin anew");
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
    world.tenantry(&["events", "replay", "--status", "pending", "--yes"])?.exits(0)?;
    assert_eq!(inbox.standing("evt_1B")?[..2], ["pending", "1"]);
    Ok(())
}

#[test]
fn wrong_questions_are_refused_before_anything_is_asked() -> Result<()> {
    let world = World::named("events-codes").without_worker()?;
    let usage: [&[&str]; 12] = [
        &["events"],
        &["events", "list", "--status", "done"],
        &["events", "list", "--since", "yesterday"],
        &["events", "list", "--subscription", "cus_1"],
        &["events", "list", "--type", "updated"],
        &["events", "list", "--limit", "0"],
        &["events", "show", "sub_1"],
        &["events", "replay"],
        &["events", "replay", "--status", "completed"],
        &["events", "replay", "evt_1", "--status", "failed"],
        &["events", "replay", "evt_1", "--since", "2h"],
        &["tenant", "why", "someone"],
    ];
    let away = [("DATABASE_URL", "postgres://a:b@127.0.0.1:9/none"), ("TEMPORAL_ADDRESS", "127.0.0.1:9")];
    for args in usage {
        let said = world.tenantry_with(args, &away)?.exits(2)?;
        ensure!(!said.stderr.is_empty() && said.stdout.is_empty(), "{args:?}: {said:?}");
    }
    let asks: [&[&str]; 5] = [
        &["events", "list"],
        &["events", "show", "evt_1"],
        &["events", "replay", "evt_1"],
        &["events", "accounting"],
        &["tenant", "why", "cus_1"],
    ];
    for args in asks {
        world.tenantry_with(args, &away)?.exits(5)?;
    }
    world.tenantry(&["tenant", "why", "cus_1Nobody"])?.exits(3)?;
    world.tenantry(&["events", "replay", "evt_1Never"])?.exits(3)?;
    Ok(())
}
