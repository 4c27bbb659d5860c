//! What the shim takes in and what it refuses.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Shim, WEBHOOK_PATH, WEBHOOK_SECRET, WEBHOOK_SECRET_THIN, World, now, sign, subscription_event};
use serde_json::{Value, json};
use stack::deadline;

const REFUSED: &str = r#"{"error":"refused"}"#;

/// A shim of a database that belongs to an account.
fn shim(name: &str) -> Result<(World, Shim)> {
    let world = World::named(name).claimed().without_worker()?;
    let shim = world.start_shim(&[])?;
    Ok((world, shim))
}

#[test]
fn two_paths_take_deliveries_and_nothing_else_is_there() -> Result<()> {
    let (world, shim) = shim("wh-paths")?;
    for (n, path) in [WEBHOOK_PATH, "/api/stripe/webhook"].iter().enumerate() {
        let body = subscription_event(&format!("evt_path{n}"), "sub_path").to_string();
        let answer = shim.post(path, &sign(&body, WEBHOOK_SECRET, now()), &body)?;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"received":true}"#), "{path}");
    }
    for (method, path, status) in [
        ("GET", WEBHOOK_PATH, 405),
        ("PUT", WEBHOOK_PATH, 405),
        ("DELETE", "/api/stripe/webhook", 405),
        ("POST", "/", 404),
        ("POST", "/api/webhooks/stripe/", 404),
        ("GET", "/healthz", 404),
        ("GET", "/metrics", 404),
        ("GET", "/readyz", 404),
    ] {
        let answer = stack::http::request(method, &shim.address, path, &[], "")?;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    assert_eq!(world.events_and_receipts()?, (2, 2));
    assert_eq!(shim.admin("/healthz")?.status, 200);
    Ok(())
}

#[test]
fn a_refusal_is_the_same_whatever_the_reason_and_nothing_is_stored() -> Result<()> {
    let (world, shim) = shim("wh-refused")?;
    let event = subscription_event("evt_refused", "sub_refused").to_string();
    let good = sign(&event, WEBHOOK_SECRET, now());
    let signed = |body: &str| (sign(body, WEBHOOK_SECRET, now()), body.to_owned());
    let mut live: Value = serde_json::from_str(&event)?;
    live["livemode"] = json!(true);
    let cases = [
        ("signature_missing", (String::new(), event.clone())),
        ("signature_malformed", ("v1=00".to_owned(), event.clone())),
        ("signature_no_match", (sign(&event, "whsec_another", now()), event.clone())),
        ("signature_no_match", (good.clone(), event.replace("evt_refused", "evt_forged"))),
        ("signature_out_of_tolerance", (sign(&event, WEBHOOK_SECRET, now() - 400), event.clone())),
        ("signature_out_of_tolerance", (sign(&event, WEBHOOK_SECRET, now() + 400), event.clone())),
        ("body_not_json", signed("")),
        ("body_not_json", signed("{\"id\":")),
        ("body_not_an_event", signed("[]")),
        ("body_field_wrong", signed(&event.replace("evt_refused", "cus_refused"))),
        ("other_mode", signed(&live.to_string())),
    ];
    for (n, (reason, (signature, body))) in cases.into_iter().enumerate() {
        let before = shim.metric("tenantry_webhook_refused_total", reason)?;
        let answer = match signature.is_empty() {
            true => stack::http::request("POST", &shim.address, WEBHOOK_PATH, &[], &body)?,
            false => shim.post(WEBHOOK_PATH, &signature, &body)?,
        };
        assert_eq!((answer.status, answer.body.as_str()), (400, REFUSED), "case {n}, {reason}");
        let counted = shim.metric("tenantry_webhook_refused_total", reason)? - before;
        ensure!(counted == 1.0, "case {n}: {reason} was counted {counted} times: {}", shim.log());
    }
    assert_eq!(world.events_and_receipts()?, (0, 0));
    // Whose signature held is named in the log; whose did not is not believed.
    let log = shim.log();
    let line = log.lines().find(|line| line.contains("other_mode")).context("no line about the mode")?;
    ensure!(line.contains("evt_refused"), "{line}");
    ensure!(!log.lines().any(|line| line.contains("no_match") && line.contains("evt_")), "{log}");
    // The same bytes, rightly signed, are welcome.
    assert_eq!(shim.post(WEBHOOK_PATH, &good, &event)?.status, 200);
    Ok(())
}

#[test]
fn a_body_has_a_size() -> Result<()> {
    let (world, shim) = shim("wh-size")?;
    let padded = |size: usize| {
        let mut event = subscription_event("evt_large", "sub_large");
        event["padding"] = json!("");
        let room = size - event.to_string().len();
        event["padding"] = json!("x".repeat(room));
        event.to_string()
    };
    for size in [512 * 1024 + 1, 10 * 1024 * 1024] {
        let body = padded(size);
        let answer = shim.post(WEBHOOK_PATH, &sign(&body, WEBHOOK_SECRET, now()), &body)?;
        assert_eq!((answer.status, answer.body.as_str()), (413, REFUSED), "{size} bytes");
    }
    // Without a length beforehand, in chunks that never end.
    let mut chunked = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..40 {
        chunked.push_str(&format!("{:x}\r\n{}\r\n", 16 * 1024, "x".repeat(16 * 1024)));
    }
    let answer = shim.raw(format!("{chunked}0\r\n\r\n").as_bytes())?;
    ensure!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with(REFUSED), "{answer}");
    assert_eq!(world.events_and_receipts()?, (0, 0));
    let body = padded(512 * 1024);
    assert_eq!(shim.post(WEBHOOK_PATH, &sign(&body, WEBHOOK_SECRET, now()), &body)?.status, 200);
    let stored = world.value("SELECT octet_length(event_data) FROM stripe_webhook_events")?;
    assert_eq!(stored, body.len().to_string());
    Ok(())
}

/// An announced body is refused at its announcement: not a byte of it was sent here.
#[test]
fn an_announced_body_that_is_too_large_is_refused_unread() -> Result<()> {
    let (_world, shim) = shim("wh-announced")?;
    let head = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n");
    let began = Instant::now();
    let mut stream = std::net::TcpStream::connect(&shim.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    std::io::Write::write_all(&mut stream, head.as_bytes())?;
    let mut first = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut first)?;
    assert_eq!(&first, b"HTTP/1.1 413");
    // Long before a body would have been given up.
    ensure!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    Ok(())
}

#[test]
fn a_slow_sender_is_cut_off_wherever_it_stops() -> Result<()> {
    let (world, shim) = shim("wh-slow")?;
    let event = subscription_event("evt_slow", "sub_slow").to_string();
    let signature = sign(&event, WEBHOOK_SECRET, now());
    let head = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nStripe-Signature: {signature}\r\n");
    let whole = format!("{head}Content-Length: {}\r\n\r\n{event}", event.len());
    let in_the_body = format!("{head}Content-Length: {}\r\n\r\n{{", event.len());
    std::thread::scope(|scope| -> Result<()> {
        let nothing = scope.spawn(|| shim.raw(b""));
        let in_the_head = scope.spawn(|| shim.raw(head.as_bytes()));
        let in_the_body = scope.spawn(|| shim.raw(in_the_body.as_bytes()));
        let after_it = scope.spawn(|| shim.raw(whole.as_bytes()));
        // Whoever keeps others waiting keeps nobody waiting here.
        assert_eq!(shim.deliver(&subscription_event("evt_quick", "sub_slow"))?.status, 200);
        assert_eq!(nothing.join().expect("no panic")?, "");
        ensure!(!in_the_head.join().expect("no panic")?.starts_with("HTTP/1.1 2"), "half a head was answered");
        let answer = in_the_body.join().expect("no panic")?;
        ensure!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with(REFUSED), "{answer}");
        let answer = after_it.join().expect("no panic")?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        Ok(())
    })?;
    assert_eq!(world.events_and_receipts()?, (2, 2));
    Ok(())
}

/// They are one batch here, which is where twins could be told apart worst.
#[test]
fn a_hundred_deliveries_of_one_event_are_one_row() -> Result<()> {
    let world = World::named("wh-hundred").claimed().without_worker()?;
    let shim = world.start_shim(&[("TENANTRY_HOLD_AT", "before:insert")])?;
    let before = subscription_event("evt_before", "sub_hundred");
    let event = subscription_event("evt_hundred", "sub_hundred");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| shim.deliver(&before));
        world.wait_until_held()?;
        let all: Vec<_> = (0..100).map(|_| scope.spawn(|| shim.deliver(&event))).collect();
        deadline::poll("all to be received", Duration::from_secs(20), || {
            Ok((shim.log().matches("Webhook received: ").count() == 101).then_some(()))
        })?;
        world.release()?;
        all.into_iter().chain([first]).try_for_each(|one| {
            let answer = one.join().expect("no panic")?;
            ensure!(answer.status == 200, "{answer:?}");
            Ok(())
        })
    })?;
    assert_eq!(world.events_and_receipts()?, (2, 2));
    let metric = |name: &str| shim.metric(&format!("tenantry_webhook_{name}_total"), "");
    assert_eq!((metric("received")?, metric("stored")?, metric("duplicate")?), (101.0, 2.0, 99.0));
    assert_eq!(world.wait_until_dispatched("evt_hundred", 1)?, [1]);
    Ok(())
}

#[test]
fn what_nobody_here_is_concerned_by_is_stored_and_ignored_with_the_reason() -> Result<()> {
    let (world, shim) = shim("wh-ignored")?;
    let own = world.value("SELECT stripe_account_external_id FROM stripe_accounts")?;
    let with = |id: &str, field: &str, value: Value| {
        let mut event = subscription_event(id, "sub_ignored");
        event[field] = value;
        event
    };
    let mut of_another_live = with("evt_another_live", "account", json!("acct_1Other"));
    of_another_live["livemode"] = json!(true);
    let another = "it is of another account";
    let cases = [
        (with("evt_unknown", "type", json!("radar.early_fraud_warning.created")), "no licence depends on"),
        (with("evt_nobody", "data", json!({"object": {"id": "in_1"}})), "it names no subscription"),
        (with("evt_another", "account", json!("acct_1Other")), another),
        (of_another_live, another),
    ];
    for (event, reason) in &cases {
        let mut event = event.clone();
        if event["id"] == "evt_nobody" {
            event["type"] = json!("invoice.paid");
        }
        assert_eq!(shim.deliver(&event)?.status, 200, "{event}");
        let (status, why) = world.event_row(event["id"].as_str().unwrap_or_default())?.context("not stored")?;
        ensure!(status == "ignored" && why.contains(reason), "{event}: {status}, {why}");
    }
    let unsettled = "SELECT count(*) FROM stripe_webhook_events WHERE processed_at IS NULL OR NOT processed";
    assert_eq!(world.value(unsettled)?, "0");
    // Our own account may name itself.
    assert_eq!(shim.deliver(&with("evt_own", "account", json!(own)))?.status, 200);
    assert_eq!(world.event_row("evt_own")?.context("not stored")?.0, "pending");
    assert_eq!(world.events_and_receipts()?, (5, 5));
    Ok(())
}

#[test]
fn what_is_stored_is_what_came_byte_for_byte() -> Result<()> {
    let (world, shim) = shim("wh-bytes")?;
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v1.customer.subscription.updated",
        "created": "2026-10-01T12:00:00.000Z", "livemode": false, "context": null, "snapshot_event": "evt_twin",
        "related_object": {"id": "sub_bytes", "type": "subscription", "url": "/v1/subscriptions/sub_bytes"},
    });
    let body = format!("{}\n", serde_json::to_string_pretty(&thin)?.replace("context", "\\u0063ontext"));
    let answer = shim.post(WEBHOOK_PATH, &sign(&body, WEBHOOK_SECRET_THIN, now()), &body)?;
    assert_eq!(answer.status, 200);
    let row = world.rows(
        "SELECT encode(event_data, 'hex'), kind, snapshot_event_id, object_id, event_type,
                to_char(stripe_created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
         FROM stripe_webhook_events",
    )?;
    let hex: String = body.bytes().map(|byte| format!("{byte:02x}")).collect();
    let kind = "v1.customer.subscription.updated";
    assert_eq!(row, [[hex.as_str(), "thin", "evt_twin", "sub_bytes", kind, "2026-10-01 12:00:00"].map(str::to_owned)]);
    ensure!(shim.log().contains(&format!("Webhook received: {kind}")), "{}", shim.log());
    Ok(())
}
