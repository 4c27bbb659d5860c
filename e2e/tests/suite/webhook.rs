//! What the shim takes in and what it refuses.

use std::time::Duration;

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

/// What stands in the header.
enum Signed {
    /// Nothing: there is no header.
    Not,
    /// This.
    As(String),
    /// A signature by this secret, so many seconds old (or ahead) when it is sent.
    By(&'static str, i64),
}

/// Bodies that are no events, or not ours, with what is counted for each.
fn bodies_to_refuse(event: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let (text, mut live, mut deep) = (event.to_string(), event.clone(), event.clone());
    live["livemode"] = json!(true);
    deep["data"] = json!("here");
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut large = event.clone();
    large["padding"] = json!("x".repeat(10 * 1024 * 1024));
    vec![
        ("body_not_json", Vec::new()),
        ("body_not_json", b"{\"id\":".to_vec()),
        ("body_not_an_event", b"[]".to_vec()),
        ("body_field_wrong", text.replace("evt_refused", "cus_refused").into()),
        ("other_mode", live.to_string().into()),
        ("body_too_deep", deep.to_string().replace("\"here\"", &nested).into()),
        ("body_duplicate_key", text.replacen('{', "{\"id\":\"evt_another\",", 1).into()),
        ("body_not_utf8", text.bytes().map(|byte| if byte == b'.' { 0xff } else { byte }).collect()),
        ("body_too_large", large.to_string().into()),
    ]
}

#[test]
fn a_refusal_is_the_same_whatever_the_reason_and_nothing_is_stored() -> Result<()> {
    let (world, shim) = shim("wh-refused")?;
    let event = subscription_event("evt_refused", "sub_refused");
    let text = event.to_string();
    let good = sign(&text, WEBHOOK_SECRET, now());
    let crowd = format!("{good}{}", format!(",v1={}", "0".repeat(64)).repeat(999));
    let mut cases = vec![
        ("signature_missing", Signed::Not, text.clone().into_bytes()),
        ("signature_malformed", Signed::As("v1=00".to_owned()), text.clone().into()),
        ("signature_malformed", Signed::As(crowd), text.clone().into()),
        ("signature_no_match", Signed::By("whsec_another", 0), text.clone().into()),
        // By one byte.
        ("signature_no_match", Signed::As(good.clone()), text.replace("evt_refused", "evt_refuseD").into()),
        ("signature_out_of_tolerance", Signed::By(WEBHOOK_SECRET, -301), text.clone().into()),
        // Far more than 301: seconds may pass on the way.
        ("signature_out_of_tolerance", Signed::By(WEBHOOK_SECRET, 600), text.clone().into()),
    ];
    let rightly_signed = |(reason, body)| (reason, Signed::By(WEBHOOK_SECRET, 0), body);
    cases.extend(bodies_to_refuse(&event).into_iter().map(rightly_signed));
    for (n, (reason, signed, body)) in cases.into_iter().enumerate() {
        let before = shim.metric("tenantry_webhook_refused_total", reason)?;
        let answer = match signed {
            Signed::Not => stack::http::request("POST", &shim.address, WEBHOOK_PATH, &[], &body)?,
            Signed::As(header) => shim.post(WEBHOOK_PATH, &header, &body)?,
            Signed::By(secret, secs) => {
                shim.post(WEBHOOK_PATH, &sign(&body, secret, now().saturating_add_signed(secs)), &body)?
            }
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
    assert_eq!(shim.post(WEBHOOK_PATH, &good, &text)?.status, 200);
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
    let body = padded(512 * 1024 + 1);
    let answer = shim.post(WEBHOOK_PATH, &sign(&body, WEBHOOK_SECRET, now()), &body)?;
    assert_eq!((answer.status, answer.body.as_str()), (400, REFUSED));
    // Without a length beforehand, in chunks that never end.
    let mut chunked = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..40 {
        chunked.push_str(&format!("{:x}\r\n{}\r\n", 16 * 1024, "x".repeat(16 * 1024)));
    }
    let answer = shim.raw(format!("{chunked}0\r\n\r\n").as_bytes())?;
    ensure!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with(REFUSED), "{answer}");
    assert_eq!(world.events_and_receipts()?, (0, 0));
    let body = padded(512 * 1024);
    assert_eq!(shim.post(WEBHOOK_PATH, &sign(&body, WEBHOOK_SECRET, now()), &body)?.status, 200);
    let stored = world.value("SELECT octet_length(event_data) FROM stripe_webhook_events")?;
    assert_eq!(stored, body.len().to_string());
    Ok(())
}

/// An announced body is refused at its announcement: not a byte of it was sent here. One that was
/// waited for would be answered 408.
#[test]
fn an_announced_body_that_is_too_large_is_refused_unread() -> Result<()> {
    let (_world, shim) = shim("wh-announced")?;
    let head = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n");
    let mut stream = std::net::TcpStream::connect(&shim.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    std::io::Write::write_all(&mut stream, head.as_bytes())?;
    let mut first = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut first)?;
    assert_eq!(&first, b"HTTP/1.1 400");
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
fn a_hundred_deliveries_of_one_event_are_one_row_and_one_effect() -> Result<()> {
    let world = World::named("wh-hundred").start()?;
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    world.stop_worker()?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    world.stripe.forget_requests()?;
    let shim = world.start_shim(&[("TENANTRY_HOLD_AT", "before:insert"), ("EVENT_REDISPATCH_AFTER", "10m")])?;
    let mut before = subscription_event("evt_before", "sub_hundred");
    before["type"] = json!("radar.early_fraud_warning.created");
    let event = subscription_event("evt_hundred", &purchase.subscription);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| shim.deliver(&before));
        world.wait_until_held()?;
        let all: Vec<_> = (0..100).map(|_| scope.spawn(|| shim.deliver(&event))).collect();
        deadline::poll("all to be received", Duration::from_secs(60), || {
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
    world.wait_until_dispatched("evt_hundred", 1)?;
    world.start_worker(&[])?;
    world.wait_for_count(&purchase.customer, 12)?;
    world.wait_until_settled()?;
    let requests = world.stripe.requests()?;
    let reads = requests.iter().filter(|it| it.path.contains(&purchase.subscription)).count();
    assert_eq!(reads, 1, "{requests:?}");
    let effects = "SELECT from_count, to_count, event_ids::text FROM license_changes ORDER BY changed_at OFFSET 1";
    assert_eq!(world.rows(effects)?, [["10", "12", "{evt_hundred}"].map(str::to_owned)]);
    Ok(())
}

/// A sender that hangs up while its row is committed is counted with it all the same.
#[test]
fn a_sender_that_hangs_up_is_counted() -> Result<()> {
    let world = World::named("wh-hangs-up").claimed().without_worker()?;
    let shim = world.start_shim(&[("TENANTRY_HOLD_AT", "after:insert")])?;
    let body = subscription_event("evt_hangs_up", "sub_hangs_up").to_string();
    let head = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
    let request = format!("{head}Stripe-Signature: {}\r\n\r\n{body}", sign(&body, WEBHOOK_SECRET, now()));
    let mut sender = std::net::TcpStream::connect(&shim.address)?;
    std::io::Write::write_all(&mut sender, request.as_bytes())?;
    world.wait_until_held()?;
    drop(sender);
    // A sender that came later has its answer, so the shim had time to see that the first is gone.
    assert_eq!(stack::http::get(&shim.address, WEBHOOK_PATH, &[])?.status, 405);
    world.release()?;
    deadline::poll("the row to be counted", Duration::from_secs(60), || {
        Ok((shim.metric("tenantry_webhook_stored_total", "")? == 1.0).then_some(()))
    })?;
    assert_eq!(shim.metric("tenantry_webhook_received_total", "")?, 1.0);
    assert_eq!(world.events_and_receipts()?, (1, 1));
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
