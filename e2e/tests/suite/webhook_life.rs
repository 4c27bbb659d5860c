//! The shim's life: what stops it at the start, what it waits for, what it says of itself, how it
//! ends.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{SECRET_KEY, WEBHOOK_PATH, WEBHOOK_SECRET, WEBHOOK_SECRET_THIN, World, now, sign, subscription_event};
use stack::deadline;
use stack::process::Exit;

/// What the shim writes before it stops because of these settings.
fn stopped_by(world: &World, settings: &[(&str, &str)]) -> Result<String> {
    let (shim, log) = world.launch_shim(settings)?;
    assert_eq!(shim.wait(Duration::from_secs(60))?, Exit::Code(1), "{settings:?}");
    Ok(std::fs::read_to_string(log)?)
}

#[test]
fn a_missing_or_wrong_setting_stops_the_shim_and_is_named() -> Result<()> {
    let world = World::named("wh-settings").claimed().without_worker()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    let cases = [
        ("DATABASE_URL", ""),
        ("STRIPE_WEBHOOK_SECRET", ""),
        ("STRIPE_WEBHOOK_SECRET", "whsec_REPLACE_ME"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a,,whsec_b"),
        ("STRIPE_WEBHOOK_SECRET_THIN", "sk_test_1"),
        ("STRIPE_MODE", "sandbox"),
        ("STRIPE_API_BASE", "nowhere"),
        ("MASTER_BILLING_TENANT_ID", ""),
        ("MASTER_BILLING_TENANT_ID", "99999999-9999-4999-8999-999999999999"),
        ("WEBHOOK_ADDR", "nowhere"),
        ("WEBHOOK_ADDR", &taken),
        ("ADMIN_ADDR", "nowhere"),
        ("EVENT_REDISPATCH_AFTER", "30"),
        ("STRANDED_PURCHASE_AFTER", "5 minutes"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "=="),
        ("TENANTRY_HOLD_AT", "nowhere"),
        ("TEMPORAL_PROFILE", "nowhere"),
    ];
    for (name, value) in cases {
        let said = stopped_by(&world, &[(name, value)])?;
        ensure!(said.contains("ConfigurationError") && said.contains(name), "{name}={value}: {said}");
    }
    let said = stopped_by(&world, &[("TENANTRY_HOLD_AT", "before:insert"), ("STRIPE_API_BASE", "")])?;
    ensure!(said.contains("needs STRIPE_API_BASE on loopback"), "{said}");
    Ok(())
}

#[test]
fn one_database_has_one_mode() -> Result<()> {
    let world = World::named("wh-mode").without_worker()?;
    world.claim("acct_1Live", true)?;
    let said = stopped_by(&world, &[])?;
    ensure!(said.contains("ConfigurationError: the database belongs to acct_1Live in LIVE mode"), "{said}");
    ensure!(!said.contains("initialized"), "{said}");
    // Without a key or a mode of its own it takes the database's word.
    let shim = world.start_shim(&[("STRIPE_SECRET_KEY", "")])?;
    ensure!(shim.log().contains("[Stripe] Webhook handler initialized in LIVE mode"), "{}", shim.log());
    assert_eq!(shim.deliver(&subscription_event("evt_test", "sub_1"))?.status, 400);
    let shim = world.start_shim(&[("STRIPE_MODE", "live"), ("STRIPE_LIVE_WEBHOOK_SECRET", WEBHOOK_SECRET)])?;
    assert_eq!(shim.deliver(&subscription_event("evt_test", "sub_1"))?.status, 400);
    Ok(())
}

#[test]
fn a_shim_waits_for_the_worker_that_says_whose_the_database_is() -> Result<()> {
    let world = World::named("wh-waits").without_worker()?;
    let (shim, log) = world.launch_shim(&[])?;
    let says =
        |words: &str| deadline::poll(words, Duration::from_secs(60), || Ok(read(&log).contains(words).then_some(())));
    says("the worker writes it at its first start")?;
    ensure!(shim.is_running() && !read(&log).contains(" webhooks address="), "{}", read(&log));
    world.claim("acct_1Test", false)?;
    says("[Stripe] Webhook handler initialized in TEST mode")?;
    says(" webhooks address=")
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

#[test]
fn without_postgres_the_answer_is_503_at_once_and_afterwards_200_again() -> Result<()> {
    let world = World::named("wh-postgres").private_postgres().claimed().without_worker()?;
    let shim = world.start_shim(&[])?;
    assert_eq!(shim.deliver(&subscription_event("evt_before", "sub_pg"))?.status, 200);
    world.stop_postgres()?;
    for n in 0..5 {
        let began = Instant::now();
        let answer = shim.deliver_once(&subscription_event(&format!("evt_during{n}"), "sub_pg"))?;
        assert_eq!((answer.status, answer.body.as_str()), (503, r#"{"error":"refused"}"#), "delivery {n}");
        // Stripe waits longer than that, so it hears of it.
        ensure!(began.elapsed() < Duration::from_secs(10), "answer {n} took {:?}", began.elapsed());
    }
    let body = subscription_event("evt_header", "sub_pg").to_string();
    let answer = shim.raw(request(&body).as_bytes())?;
    ensure!(answer.to_lowercase().contains("\r\nretry-after: 5\r\n"), "{answer}");
    assert_eq!(shim.admin("/readyz")?.status, 503);
    world.start_postgres()?;
    let event = subscription_event("evt_during0", "sub_pg");
    deadline::poll("200 again", Duration::from_secs(60), || {
        Ok((shim.deliver_once(&event)?.status == 200).then_some(()))
    })?;
    assert_eq!(world.events_and_receipts()?, (2, 2));
    ensure!(shim.metric("tenantry_webhook_refused_total", "postgres_away")? >= 6.0, "not counted");
    Ok(())
}

/// A whole delivery after which the shim is to hang up.
fn request(body: &str) -> String {
    let signature = sign(body, WEBHOOK_SECRET, now());
    let length = body.len();
    format!(
        "POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nStripe-Signature: {signature}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A writer that is held before its insert is as good as a Postgres that hangs: what comes meanwhile
/// is one batch.
#[test]
fn deliveries_that_come_together_are_committed_together() -> Result<()> {
    let world = World::named("wh-batch").claimed().without_worker()?;
    let shim = world.start_shim(&[("TENANTRY_HOLD_AT", "before:insert")])?;
    let events: Vec<_> = (0..20).map(|n| subscription_event(&format!("evt_batch{n}"), "sub_batch")).collect();
    std::thread::scope(|scope| -> Result<()> {
        let first = scope.spawn(|| shim.deliver(&events[0]));
        world.wait_until_held()?;
        let rest: Vec<_> = events[1..].iter().map(|event| scope.spawn(|| shim.deliver(event))).collect();
        deadline::poll("all to be received", Duration::from_secs(60), || {
            Ok((shim.log().matches("Webhook received: ").count() == 20).then_some(()))
        })?;
        world.release()?;
        for delivery in rest.into_iter().chain([first]) {
            assert_eq!(delivery.join().expect("no panic")?.status, 200);
        }
        Ok(())
    })?;
    assert_eq!(world.events_and_receipts()?, (20, 20));
    let batches = shim.metric("tenantry_webhook_batch_size_count", "")?;
    ensure!(batches <= 4.0, "20 deliveries took {batches} statements");
    Ok(())
}

#[test]
fn a_shim_that_is_asked_to_stop_answers_and_hands_over_what_it_has() -> Result<()> {
    let world = World::named("wh-drain").claimed().without_worker()?;
    let shim = world.start_shim(&[("TENANTRY_HOLD_AT", "before:insert")])?;
    deadline::poll("the shim to find Temporal", Duration::from_secs(60), || {
        Ok(shim.log().contains("Temporal answers").then_some(()))
    })?;
    let event = subscription_event("evt_drain", "sub_drain");
    std::thread::scope(|scope| -> Result<()> {
        let delivery = scope.spawn(|| shim.deliver(&event));
        world.wait_until_held()?;
        shim.process().signal("TERM")?;
        deadline::poll("the shim to drain", Duration::from_secs(60), || {
            Ok(shim.log().contains("draining").then_some(()))
        })?;
        deadline::poll("the door to be shut", Duration::from_secs(60), || {
            Ok(std::net::TcpStream::connect(&shim.address).is_err().then_some(()))
        })?;
        ensure!(shim.admin("/readyz")?.body.contains("draining"), "it still calls itself ready");
        world.release()?;
        assert_eq!(delivery.join().expect("no panic")?.status, 200);
        Ok(())
    })?;
    assert_eq!(shim.process().wait(Duration::from_secs(60))?, Exit::Code(0));
    // At its end, not after the next one's start.
    assert_eq!(world.value("SELECT attempts FROM stripe_webhook_events WHERE dispatched_at IS NOT NULL")?, "1");
    Ok(())
}

#[test]
fn the_metrics_add_up_and_nothing_that_is_said_holds_a_secret() -> Result<()> {
    let world = World::named("wh-metrics").claimed().without_worker()?;
    let shim = world.start_shim(&[("RUST_LOG", "debug")])?;
    let mut event = subscription_event("evt_metrics", "sub_metrics");
    event["data"]["object"]["canary"] = "canary-Payload9".into();
    shim.deliver(&event)?;
    shim.deliver(&event)?;
    shim.post(WEBHOOK_PATH, "t=1,v1=00", "canary-Payload9")?;
    world.wait_until_dispatched("evt_metrics", 1)?;
    let count = |name: &str| shim.metric(&format!("tenantry_webhook_{name}"), "");
    assert_eq!(count("received_total")?, 3.0);
    assert_eq!((count("stored_total")?, count("duplicate_total")?, count("refused_total")?), (1.0, 1.0, 1.0));
    assert_eq!((count("dispatched_total")?, count("ack_seconds_count")?), (1.0, 2.0));
    deadline::poll("the depth to be measured", Duration::from_secs(60), || {
        Ok((shim.metric("tenantry_inbox_events", "pending")? == 1.0).then_some(()))
    })?;
    let page = shim.admin("/metrics")?.body;
    for status in ["pending", "parked", "failed"] {
        ensure!(page.contains(&format!("tenantry_inbox_oldest_seconds{{status=\"{status}\"")), "{page}");
    }
    for canary in [SECRET_KEY, WEBHOOK_SECRET, WEBHOOK_SECRET_THIN, "tenantry-test-password", "canary-Payload9"] {
        ensure!(!shim.log().contains(canary) && !page.contains(canary), "{canary} is told: {}", shim.log());
    }
    Ok(())
}
