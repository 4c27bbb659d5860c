//! Stripe fails, at each of its calls and in every way; and Postgres is away for a while.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, Run, World};

/// Each call of an onboarding: method, whose path, how many calls of that kind come before.
const CALLS: [(&str, Object, u64); 8] = [
    ("GET", Object::Session, 0),
    ("GET", Object::Customer, 0),
    ("GET", Object::Subscription, 0),
    ("GET", Object::Subscription, 1),
    ("GET", Object::Subscription, 2),
    ("GET", Object::Customer, 1),
    ("POST", Object::Subscription, 0),
    ("POST", Object::Customer, 0),
];

const FAULTS: [&str; 7] = [
    "too_many_requests",
    "server_error",
    "html_bad_gateway",
    "empty_gateway_timeout",
    "hang",
    "reset_after",
    "unauthorized",
];

#[derive(Clone, Copy, Debug)]
enum Object {
    Session,
    Customer,
    Subscription,
}

struct Case {
    what: String,
    purchase: Purchase,
    run: Run,
}

#[test]
fn every_fault_at_every_call_is_waited_out_and_no_effect_comes_twice() -> Result<()> {
    let world = World::named("faults").without_worker()?;
    let mut cases = Vec::new();
    for call in CALLS {
        for fault in FAULTS {
            cases.push(onboard_with(&world, call, fault)?);
        }
    }
    world.start_worker(&[])?;
    for Case { what, purchase, run } in &cases {
        let result = run.result().with_context(|| what.clone())?;
        ensure!(result["created"] == true, "{what}: {result}");
        let tenant = result["tenant_id"].as_str().unwrap_or_default();
        world.assert_onboarded(purchase, tenant).with_context(|| what.clone())?;
    }
    assert_eq!(world.stripe.faults_struck()?, cases.len() as u64, "each fault must have struck once");
    assert_eq!(world.tenants()?, cases.len());
    keys_grow_only_after_an_answered_500(&world, &cases)
}

fn onboard_with(world: &World, (method, object, skip): (&str, Object, u64), fault: &str) -> Result<Case> {
    let what = format!("{fault} at {method} {object:?} after {skip}");
    let (purchase, session) = match object {
        Object::Session => {
            let (purchase, session) = world.stripe.check_out(10)?;
            (purchase, Some(session))
        }
        Object::Customer | Object::Subscription => (world.stripe.buy(10)?, None),
    };
    let path = match (object, &session) {
        (Object::Customer, _) => format!("/v1/customers/{}", purchase.customer),
        (Object::Subscription, _) => format!("/v1/subscriptions/{}", purchase.subscription),
        (Object::Session, session) => format!("/v1/checkout/sessions/{}", session.as_deref().unwrap_or_default()),
    };
    world.stripe.fault(method, &path, fault, skip)?;
    let mut call = World::call_of_the_store(&purchase);
    if let Some(session) = session {
        call["checkout_session_id"] = session.into();
    }
    let run = world.start_with(&format!("create-tenant-{}", purchase.customer), &call.to_string())?;
    Ok(Case { what, purchase, run })
}

/// The sweep above is about every call there is: those of an onboarding that nothing disturbs.
#[test]
fn the_calls_of_an_onboarding_are_those_that_are_swept() -> Result<()> {
    let world = World::named("calls").start()?;
    let (purchase, session) = world.stripe.check_out(10)?;
    world.stripe.forget_requests()?;
    let mut call = World::call_of_the_store(&purchase);
    call["checkout_session_id"] = session.into();
    world.start_with("create-tenant-calls", &call.to_string())?.result()?;
    let requests = world.stripe.requests()?;
    let mut seen: Vec<_> = requests.iter().map(|r| (r.method.as_str(), object_of(&r.path))).collect();
    let mut swept: Vec<_> = CALLS.iter().map(|(method, object, _)| (*method, format!("{object:?}"))).collect();
    seen.sort();
    swept.sort();
    assert_eq!(seen, swept);
    for request in &requests {
        assert_eq!(request.version.as_deref(), Some("2026-09-30.endive"), "{request:?}");
    }
    Ok(())
}

fn object_of(path: &str) -> String {
    let kinds = [("/v1/customers/", "Customer"), ("/v1/subscriptions/", "Subscription"), ("/v1/checkout/", "Session")];
    let kind = kinds.iter().find(|(prefix, _)| path.starts_with(prefix));
    kind.map_or(path, |(_, kind)| kind).to_owned()
}

/// After an answered 500 the next key is taken; after no answer, and after a proxy's page, the
/// same one. A fault elsewhere changes nothing about it.
fn keys_grow_only_after_an_answered_500(world: &World, cases: &[Case]) -> Result<()> {
    let requests = world.stripe.requests()?;
    for Case { what, purchase, run } in cases {
        let run_id = run.run_id.as_deref().context("a started run has an id")?;
        let paths = [
            ("Customer", "tagCustomer", format!("/v1/customers/{}", purchase.customer)),
            ("Subscription", "tagSubscription", format!("/v1/subscriptions/{}", purchase.subscription)),
        ];
        for (object, step, path) in paths {
            let numbers: &[u32] = match what.strip_suffix(&format!(" at POST {object} after 0")) {
                Some("server_error") => &[1, 2],
                Some("reset_after") | None => &[1],
                Some(_) => &[1, 1],
            };
            let expected: Vec<_> = numbers.iter().map(|n| format!("{run_id}/{step}/{n}")).collect();
            let keys: Vec<_> = requests
                .iter()
                .filter(|r| r.method == "POST" && r.path == path)
                .filter_map(|r| r.key.clone())
                .collect();
            assert_eq!(keys, expected, "{what}, {step}");
        }
    }
    Ok(())
}

#[test]
fn a_key_that_stripe_does_not_accept_is_waited_out_and_shouts() -> Result<()> {
    let world = World::named("unauthorized").start()?;
    let purchase = world.stripe.buy(2)?;
    let path = format!("/v1/subscriptions/{}", purchase.subscription);
    world.stripe.fault("GET", &path, "forbidden", 0)?;
    let result = world.onboard(&purchase)?.result()?;
    assert_eq!(result["licensed_user_count"], 2);
    let log = world.worker_log();
    ensure!(log.contains("ERROR") && log.contains("Stripe does not accept the key"), "it did not shout: {log}");
    let metrics = world.admin("/metrics")?.body;
    let counted = r#"tenantry_failed_attempts_total{kind="StripeUnauthorized",step="resolvePurchase"} 1"#;
    ensure!(metrics.contains(counted), "not counted: {metrics}");
    Ok(())
}

/// The key of a request whose answer was lost is kept, and its parameters may have changed since:
/// Stripe refuses that, and a look and the next key mend it.
#[test]
fn a_setting_that_changes_between_two_attempts_does_no_harm() -> Result<()> {
    let world = World::named("new-url").start()?;
    let purchase = world.stripe.buy(3)?;
    let path = format!("/customers/{}", purchase.customer);
    let hold = world.stripe.hold("POST", &format!("/v1{path}"), "after", 0)?;
    let run = world.onboard(&purchase)?;
    world.stripe.wait_until_held(&hold)?;
    world.kill_worker()?;
    world.stripe.release(&hold)?;
    world.start_worker(&[("APP_URL", "https://moved.example.com")])?;
    run.result()?;
    assert_eq!(world.stripe.metadata(&path, "algapsa_url")?, "https://moved.example.com");
    let keys: Vec<_> =
        world.stripe.requests()?.into_iter().filter(|r| r.path.ends_with(&path)).filter_map(|r| r.key).collect();
    let numbers: Vec<_> = keys.iter().filter_map(|key| key.rsplit('/').next()).collect();
    assert_eq!(numbers, ["1", "1", "2"]);
    Ok(())
}

#[test]
fn when_one_tag_fails_for_good_the_other_is_not_waited_for() -> Result<()> {
    let world = World::named("one-tag").setting("TENANTRY_HOLD_AT", "before:tagSubscription").start()?;
    let (ours, theirs) = (world.stripe.buy(1)?, world.stripe.buy(2)?);
    let other = world.onboard(&theirs)?;
    let held = world.wait_until_held();
    world.release()?;
    held?;
    let other = other.result()?["tenant_id"].as_str().unwrap_or_default().to_owned();
    for _ in 0..50 {
        world.stripe.fault("POST", &format!("/v1/customers/{}", ours.customer), "unauthorized", 0)?;
    }
    let hold = world.stripe.hold("GET", &format!("/v1/subscriptions/{}", ours.subscription), "before", 2)?;
    let run = world.onboard(&ours)?;
    world.stripe.wait_until_held(&hold)?;
    world.stripe.post(&format!("/subscriptions/{}", ours.subscription), &[("metadata[tenant_id]", &other)])?;
    world.stripe.release(&hold)?;
    let (kind, message) = run.failure()?;
    assert_eq!(kind, "DuplicateError", "{message}");
    assert_eq!(run.search_attribute("FailureKind")?, "DuplicateError");
    Ok(())
}

#[test]
fn postgres_may_stop_in_the_middle() -> Result<()> {
    let world = World::named("no-postgres").private_postgres().without_worker()?;
    world.start_worker(&[("TENANTRY_HOLD_AT", "after:createTenant")])?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held()?;
    world.stop_postgres()?;
    let stopped = Instant::now();
    world.release()?;
    run.wait_for_attempt(3)?;
    assert_eq!(world.admin("/readyz")?.status, 503);
    assert_eq!(world.admin("/healthz")?.status, 200);
    stack::deadline::poll("five seconds to be over", Duration::from_secs(6), || {
        Ok((stopped.elapsed() >= Duration::from_secs(5)).then_some(()))
    })?;
    world.start_postgres()?;
    let result = run.result()?;
    ensure!(result["created"] == true, "{result}");
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
}

#[test]
fn seven_days_of_trying_end_a_run_as_exhausted() -> Result<()> {
    let world = World::named("exhausted").start()?;
    let purchase = world.stripe.buy(2)?;
    for _ in 0..20 {
        world.stripe.fault("GET", &format!("/v1/subscriptions/{}", purchase.subscription), "server_error", 0)?;
    }
    let run = world.onboard(&purchase)?;
    run.wait_for_attempt(2)?;
    // Nobody waits a week: the server is told that the step's week is over.
    run.end_the_week_of_the_step()?;
    let (kind, message) = run.failure()?;
    assert_eq!(kind, "Exhausted", "{message}");
    ensure!(message.contains("start it again") && message.contains("HTTP 500"), "{message}");
    assert_eq!(run.search_attribute("FailureKind")?, "Exhausted");
    Ok(())
}
