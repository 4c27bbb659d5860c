//! The worker's life: what stops it at the start, what it waits for, how it ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::World;
use stack::process::Exit;

#[test]
fn a_missing_or_wrong_setting_stops_the_worker_and_is_named() -> Result<()> {
    let world = World::named("settings").without_worker()?;
    let cases = [
        ("DATABASE_URL", ""),
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_SECRET_KEY", "sk_test_REPLACE_ME"),
        ("STRIPE_SECRET_KEY", "whsec_1"),
        ("STRIPE_MODE", "sandbox"),
        ("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", "pk_live_1"),
        ("STRIPE_API_BASE", "nowhere"),
        ("MASTER_BILLING_TENANT_ID", ""),
        ("MASTER_BILLING_TENANT_ID", "99999999-9999-4999-8999-999999999999"),
        ("APP_URL", ""),
        ("ADMIN_ADDR", "nowhere"),
        ("ENTITLED_STATUSES", "paying"),
        ("LICENSE_PRICE_IDS", "price_a,,"),
        ("WORKER_MAX_ACTIVITIES", "0"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "=="),
        ("TENANTRY_HOLD_AT", "nowhere"),
    ];
    for (name, value) in cases {
        let said = stopped_by(&world, name, value)?;
        ensure!(said.contains("ConfigurationError") && said.contains(name), "{name}={value}: {said}");
    }
    // A live key leaves for Stripe only, and the double is not Stripe.
    let said = stopped_by(&world, "STRIPE_SECRET_KEY", "sk_live_1")?;
    ensure!(said.contains("STRIPE_API_BASE is not Stripe's, and LIVE mode is active"), "{said}");
    Ok(())
}

/// What the worker writes before it stops because of one setting.
fn stopped_by(world: &World, name: &str, value: &str) -> Result<String> {
    let before = world.worker_log().len();
    let worker = world.launch_worker(&[(name, value)])?;
    let exit = worker.wait(Duration::from_secs(60)).with_context(|| format!("{name}={value} did not stop it"))?;
    ensure!(exit == Exit::Code(1), "{name}={value}: {exit}");
    Ok(world.worker_log()[before..].to_owned())
}

#[test]
fn a_database_that_is_not_migrated_stops_the_worker() -> Result<()> {
    let world = World::named("not-migrated").without_worker()?;
    world.rows("DELETE FROM _sqlx_migrations WHERE version > 2")?;
    let said = stopped_by(&world, "LOG_FORMAT", "text")?;
    ensure!(said.contains("the database's schema is at version 2 and behind; run: tenantry migrate"), "{said}");
    Ok(())
}

#[test]
fn the_worker_says_which_mode_is_active_and_waits_for_stripe() -> Result<()> {
    let world = World::named("patient").without_worker()?;
    for fault in ["server_error", "unauthorized", "reset_before"] {
        world.stripe.fault("GET", "/v1/account", fault, 0)?;
    }
    world.start_worker(&[("LOG_FORMAT", "json")])?;
    assert_eq!(world.stripe.faults_struck()?, 3);
    let log = world.worker_log();
    ensure!(log.contains(r#""message":"[Stripe] Service initialized in TEST mode""#), "{log}");
    let purchase = world.stripe.buy(3)?;
    let run = world.onboard(&purchase)?;
    let tenant = run.result()?["tenant_id"].as_str().unwrap_or_default().to_owned();
    let log = world.worker_log();
    let line = log.lines().find(|line| line.contains("tagCustomer")).context("no line of the last step")?;
    for word in [&tenant, &run.workflow_id, run.run_id.as_ref().context("a run has an id")?] {
        ensure!(line.contains(word.as_str()), "{word} is not in: {line}");
    }
    Ok(())
}

/// Postgres is asked before Stripe is, and is not there: nothing leaves for Stripe.
#[test]
fn live_mode_is_said_as_exactly() -> Result<()> {
    let world = World::named("live").without_worker()?;
    let _worker = world.launch_worker(&[
        ("STRIPE_MODE", "live"),
        ("STRIPE_LIVE_SECRET_KEY", "sk_live_nobodys"),
        ("STRIPE_API_BASE", "https://api.stripe.com"),
        ("DATABASE_URL", "postgres://a:b@127.0.0.1:9/none"),
    ])?;
    stack::deadline::poll("the worker to wait for Postgres", Duration::from_secs(60), || {
        Ok(world.worker_log().contains("Postgres does not answer yet").then_some(()))
    })?;
    let log = world.worker_log();
    ensure!(log.contains("[Stripe] Service initialized in LIVE mode"), "{log}");
    Ok(())
}

#[test]
fn the_worker_waits_for_temporal_and_can_be_seen_waiting() -> Result<()> {
    let world = World::named("no-temporal").without_worker()?;
    let worker = world.launch_worker(&[("TEMPORAL_ADDRESS", "127.0.0.1:9")])?;
    stack::deadline::poll("the worker to wait for Temporal", Duration::from_secs(60), || {
        Ok(world.worker_log().contains("Temporal does not answer yet").then_some(()))
    })?;
    ensure!(worker.is_running(), "{}", world.worker_log());
    let (health, ready) = (world.admin("/healthz")?, world.admin("/readyz")?);
    assert_eq!((health.status, ready.status, ready.body.as_str()), (200, 503, "starting\n"));
    Ok(())
}

#[test]
fn a_server_that_does_not_know_our_search_attributes_is_taught() -> Result<()> {
    let world = World::named("untaught").untaught_temporal().without_worker()?;
    let listed = || world.temporal.cli(&["operator", "search-attribute", "list", "--output", "json"]);
    ensure!(!listed()?.contains("FailureKind"), "the server knows them already");
    world.start_worker(&[])?;
    let listed = listed()?;
    for name in ["TenantId", "StripeCustomerId", "StripeSubscriptionId", "FailureKind"] {
        ensure!(listed.contains(name), "{name} is not registered: {listed}");
    }
    world.onboard(&world.stripe.buy(3)?)?.result().map(drop)
}

#[test]
fn a_search_attribute_of_another_type_stops_the_worker() -> Result<()> {
    let world = World::named("mistaught").untaught_temporal().without_worker()?;
    world.temporal.cli(&["operator", "search-attribute", "create", "--name", "TenantId", "--type", "Text"])?;
    let said = stopped_by(&world, "LOG_FORMAT", "text")?;
    ensure!(said.contains("the search attribute TenantId exists in Temporal and is not of type Keyword"), "{said}");
    Ok(())
}

#[test]
fn a_worker_that_is_asked_to_stop_finishes_the_step_under_way() -> Result<()> {
    let world = World::named("drain").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held()?;
    let took = world.drain_worker(|| {
        let ready = world.admin("/readyz")?;
        ensure!(ready.status == 503 && ready.body.contains("draining"), "{ready:?}");
        Ok(())
    })?;
    ensure!(took < Duration::from_secs(30), "the drain took {took:?}");
    assert_eq!(run.count_events("EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT")?, 0);
    world.start_worker(&[])?;
    let result = run.result()?;
    // The step was done by the worker that stopped: no attempt of it was lost.
    assert_eq!(run.attempts("importSubscription")?, 1);
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
}

/// Workflow tasks are under way all the time here, unlike above; none may be lost or crash it.
#[test]
fn a_worker_that_is_asked_to_stop_under_load_stops_at_once() -> Result<()> {
    let world = World::named("busy").start()?;
    let purchases: Vec<_> = (0..12).map(|_| world.stripe.buy(1)).collect::<Result<_>>()?;
    let mut runs = Vec::new();
    for purchase in &purchases[..8] {
        runs.push(world.onboard(purchase)?);
    }
    std::thread::scope(|scope| -> Result<()> {
        let stopping = scope.spawn(|| world.stop_worker());
        for purchase in &purchases[8..] {
            runs.push(world.onboard(purchase)?);
        }
        stopping.join().expect("stopping panicked").map(drop)
    })?;
    ensure!(!world.worker_log().contains("did not finish in time"), "a step was left behind");
    world.start_worker(&[])?;
    for run in runs {
        run.result()?;
    }
    Ok(())
}

#[test]
fn a_broken_env_file_stops_the_worker_without_being_quoted() -> Result<()> {
    let world = World::named("env-file").without_worker()?;
    // The canary is not a secret of anybody's; the line that holds it is not NAME=value.
    std::fs::write(world.folder().join(".env"), "COMPANY=Ann & canary-Tr7\nLICENSE_PRICE_IDS=price_a\n")?;
    let worker = world.launch_worker_in(world.folder())?;
    assert_eq!(worker.wait(Duration::from_secs(60))?, Exit::Code(1));
    let said = world.worker_log();
    ensure!(
        said.contains("ConfigurationError: .env has a line that is not NAME=value") && !said.contains("canary-Tr7"),
        "{said}"
    );
    Ok(())
}

#[test]
fn the_settings_size_the_worker_and_readiness_asks_temporal() -> Result<()> {
    let world = World::named("sized").untaught_temporal().without_worker()?;
    world.start_worker(&[("WORKER_MAX_ACTIVITIES", "3"), ("WORKER_MAX_WORKFLOW_TASKS", "4")])?;
    // The SDK tells its slots once they have been used, and all are free again soon after.
    world.onboard(&world.stripe.buy(1)?)?.result()?;
    for (kind, slots) in [("ActivityWorker", " 3"), ("WorkflowWorker", " 4")] {
        stack::deadline::poll(&format!("{slots} free slots of {kind}"), Duration::from_secs(60), || {
            let is_it =
                |line: &str| line.contains("task_slots_available") && line.contains(kind) && line.ends_with(slots);
            Ok(world.admin("/metrics")?.body.lines().any(is_it).then_some(()))
        })?;
    }
    world.temporal.process().kill9()?;
    stack::deadline::poll("readiness to be withdrawn", Duration::from_secs(60), || {
        let ready = world.admin("/readyz")?;
        Ok((ready.status == 503 && ready.body.contains("Temporal does not answer")).then_some(()))
    })
}

#[test]
fn a_step_that_waits_for_a_lock_says_so_and_is_tried_again() -> Result<()> {
    let world = World::named("locked").start()?;
    let purchase = world.stripe.buy(2)?;
    let mut lock = world.session()?;
    lock.run("BEGIN")?;
    lock.run("LOCK TABLE stripe_customers IN ACCESS EXCLUSIVE MODE")?;
    let run = world.onboard(&purchase)?;
    stack::deadline::poll("the worker to give up waiting", Duration::from_secs(60), || {
        Ok(world.worker_log().contains("canceling statement due to lock timeout").then_some(()))
    })?;
    lock.run("COMMIT")?;
    run.result().map(drop)
}

#[test]
fn a_step_that_never_ends_does_not_keep_the_worker_beyond_30_seconds() -> Result<()> {
    let world = World::named("stubborn").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held()?;
    // Kills it after 35.
    world.stop_worker()?;
    ensure!(world.worker_log().contains("did not finish in time"), "{}", world.worker_log());
    world.start_worker(&[])?;
    let result = run.result()?;
    world.assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
}
