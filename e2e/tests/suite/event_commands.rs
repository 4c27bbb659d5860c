//! `tenantry events` and `tenantry tenant why`: what an operator is told of Stripe's events, and
//! how they are handled again.

use anyhow::{Context, Result, ensure};
use e2e::{MASTER, World};
use serde_json::Value;

mod replays;

const UPDATED: &str = "customer.subscription.updated";
const DELETED: &str = "customer.subscription.deleted";

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
        ("evt_1Completed", &["evt_1Completed (snapshot, this one), evt_1Superseded (thin)", "TEST mode", "2026-09-30"]),
        ("evt_1Superseded", &["told twice", "evt_1Superseded (thin, this one), evt_1Completed (snapshot)"]),
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
fn the_oldest_of_each_type_and_status_is_named() -> Result<()> {
    let world = World::named("events-oldest").without_worker()?;
    let inbox = Inbox(&world);
    inbox.fill()?;
    // A younger one of the same kind, and an older one of another.
    inbox.take("evt_1Younger", "failed", "sub_1Other", "an outage")?;
    inbox.take("evt_1Deleted", "failed", "sub_1Other", "an outage")?;
    world.rows(&format!(
        "UPDATE stripe_webhook_events SET event_type = '{DELETED}', created_at = now() - interval '1 day'
         WHERE stripe_event_id = 'evt_1Deleted'"
    ))?;
    let said = json(&world.tenantry(&["events", "accounting", "--output", "json"])?.exits(6)?.stdout)?;
    let oldest = said["oldest"].as_array().context("no list")?;
    let named: Vec<_> = oldest.iter().map(|one| [&one["type"], &one["status"], &one["event_id"]]).collect();
    let expected = [
        [DELETED, "failed", "evt_1Deleted"],
        [UPDATED, "failed", "evt_1Failed"],
        [UPDATED, "parked", "evt_1Parked"],
        [UPDATED, "pending", "evt_1Pending"],
    ];
    assert_eq!(named, expected);
    let text = world.tenantry(&["events", "accounting"])?.exits(6)?.stdout;
    for [event_type, status, id] in expected {
        let is_row = |line: &str| [event_type, status, id].iter().all(|word| line.contains(word));
        ensure!(text.lines().any(is_row), "{id} is not in a row of its own in:\n{text}");
    }
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
