//! Deliveries as Stripe's own code makes them: the signatures are those of the official SDK for
//! Node, and what it does not know yet is taken all the same.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Shim, WEBHOOK_PATH, World, now, subscription_event};
use serde_json::{Value, json};
use stack::{deadline, tools};

/// `Stripe-Signature` of each of `bodies` under each of `secrets`, made at `at`.
const SCRIPT: &str = "const Stripe = require('stripe'); const given = JSON.parse(process.env.GIVEN);
    const stripe = Stripe('sk_test_unused');
    const sign = (payload, secret) =>
        stripe.webhooks.generateTestHeaderString({payload, secret, timestamp: given.at});
    console.log(JSON.stringify(given.bodies.map(body => given.secrets.map(secret => sign(body, secret)))));";

/// What the SDK signs.
fn sdk_signs(bodies: &[&str], secrets: &[&str], at: u64) -> Result<Vec<Vec<String>>> {
    let given = json!({"bodies": bodies, "secrets": secrets, "at": at}).to_string();
    let mut node = Command::new(tools::node()?);
    stack::command::isolate(&mut node);
    node.env("NODE_PATH", tools::node_modules()?).env("GIVEN", given).args(["-e", SCRIPT]);
    Ok(serde_json::from_str(&stack::command::stdout(&mut node)?)?)
}

fn check(shim: &Shim, body: &str, signature: &str, expected: u16) -> Result<()> {
    let status = shim.post(WEBHOOK_PATH, signature, body)?.status;
    ensure!(status == expected, "{signature} of {body} is answered {status}, not {expected}");
    Ok(())
}

/// Before, while and after a secret is rolled, for whole objects and for thin events.
#[test]
fn what_the_official_sdk_signs_is_taken_also_while_a_secret_is_rolled() -> Result<()> {
    let world = World::named("sdk").claimed().without_worker()?;
    let line = world.line(None)?;
    let new = world.stripe.roll_secret(&line.snapshot.id, 3_600)?;
    let (old, thin) = (line.snapshot.secret.as_str(), line.thin.secret.as_str());
    let mut event = subscription_event("evt_sdk", "sub_sdk");
    event["data"]["object"]["description"] = json!("Zoë’s licences \u{1f511}\n\"quoted\"");
    let mut notice = json!({
        "id": "evt_sdkthin", "object": "v2.core.event", "type": "v1.customer.subscription.updated",
        "created": "2026-10-01T12:00:00.000Z", "livemode": false, "context": null,
        "related_object": {"id": "sub_sdk", "type": "subscription", "url": "/v1/subscriptions/sub_sdk"},
    });
    // As the SDK's users write it, not as we would.
    let (event, notice) = (serde_json::to_string_pretty(&event)?, notice.take().to_string());
    let secrets = [old, new.as_str(), thin, "whsec_other"];
    let signed = sdk_signs(&[&event, &notice], &secrets, now())?;
    for (settings, expected) in [
        (old.to_owned(), [200, 400, 200, 400]),
        (format!("{new},{old}"), [200, 200, 200, 400]),
        (new.clone(), [400, 200, 200, 400]),
    ] {
        let shim = world.start_shim_on(&line, &[("STRIPE_WEBHOOK_SECRET", &settings)])?;
        for (body, signatures) in [&event, &notice].into_iter().zip(&signed) {
            for (signature, expected) in signatures.iter().zip(expected) {
                check(&shim, body, signature, expected)?;
            }
            check(&shim, &body.replacen("sub_sdk", "sub_sdl", 1), &signatures[2], 400)?;
        }
        shim.stop()?;
    }
    ensure!(world.events_and_receipts()? == (2, 2), "{:?}", world.events_and_receipts()?);
    let stale = sdk_signs(&[&event], &[old], now() - 301)?.remove(0).remove(0);
    let shim = world.start_shim_on(&line, &[])?;
    check(&shim, &event, &stale, 400)
}

/// During a roll Stripe signs with both secrets; a shim that knows either takes it.
#[test]
fn a_rolled_secret_costs_no_delivery() -> Result<()> {
    let world = World::named("sdk-roll").claimed().without_worker()?;
    let line = world.line(None)?;
    let shim = world.start_shim_on(&line, &[])?;
    let new = world.stripe.roll_secret(&line.snapshot.id, 3_600)?;
    world.stripe.make("/customers", &[])?;
    let endpoint = format!("endpoint={}", line.snapshot.id);
    world.stripe.wait_for_deliveries(&endpoint, 1)?;
    shim.stop()?;
    let both = format!("{new},{}", line.snapshot.secret);
    let _shim = world.start_shim_on(&line, &[("STRIPE_WEBHOOK_SECRET", &both)])?;
    world.stripe.make("/customers", &[])?;
    world.stripe.wait_for_deliveries(&endpoint, 2)?;
    // The old one is forgotten.
    world.stripe.advance(3_601)?;
    world.stripe.make("/customers", &[])?;
    let taken = world.stripe.wait_for_deliveries(&endpoint, 3)?;
    // Not for its signature: a Postgres that is slow for a moment is another matter.
    let refused = |one: &e2e::Delivery| one.statuses.contains(&Some(400)) || one.statuses.last() != Some(&Some(200));
    ensure!(!taken.iter().any(refused), "one was refused: {taken:?}");
    Ok(())
}

/// A type that Stripe will think of, with fields that nobody knows, signed by the SDK or sent by
/// Stripe itself: stored as it came, and ignored with a reason.
#[test]
fn a_type_that_does_not_exist_yet_is_stored_and_ignored_with_a_reason() -> Result<()> {
    let world = World::named("sdk-future").claimed().without_worker()?;
    let line = world.line(None)?;
    let shim = world.start_shim_on(&line, &[])?;
    let unknown = json!({
        "object": "event", "api_version": "2031-01-15.tea", "data": {"object": {"id": "sub_future", "seats": {"n": 7}}},
        "created": 1_926_201_600_i64, "pending_webhooks": null, "mood": ["new", {"deep": [[[]]]}],
    });
    let mut by_hand = unknown.clone();
    by_hand["id"] = json!("evt_future");
    by_hand["livemode"] = json!(false);
    by_hand["type"] = json!("licence.seat.reassigned");
    let by_hand = by_hand.to_string();
    let signed = sdk_signs(&[&by_hand], &[&line.snapshot.secret], now())?;
    check(&shim, &by_hand, &signed[0][0], 200)?;
    let made = world.stripe.make_event(&json!({"type": "licence.seat.reassigned", "snapshot": unknown}))?;
    let made = made["snapshot"].as_str().context("an id")?;
    for id in ["evt_future", made] {
        let row = deadline::poll("the event to be stored", std::time::Duration::from_secs(60), || world.event_row(id))?;
        ensure!(row.0 == "ignored" && row.1.contains("no licence depends on"), "{id}: {row:?}");
    }
    let stored =
        "SELECT convert_from(event_data, 'UTF8') FROM stripe_webhook_events WHERE stripe_event_id = 'evt_future'";
    ensure!(world.value(stored)? == by_hand, "not as it came: {}", world.value(stored)?);
    // A known type with fields that are new is looked at as ever.
    let mut known: Value = serde_json::from_str(&by_hand)?;
    known["id"] = json!("evt_known");
    known["type"] = json!("customer.subscription.updated");
    let known = known.to_string();
    let signed = sdk_signs(&[&known], &[&line.snapshot.secret], now())?;
    check(&shim, &known, &signed[0][0], 200)?;
    let row = world.event_row("evt_known")?.context("not stored")?;
    ensure!(row.0 == "pending", "{row:?}");
    Ok(())
}
