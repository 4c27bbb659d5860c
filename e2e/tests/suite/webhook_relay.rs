//! What becomes of an event after its 200: it reaches Temporal, whoever dies meanwhile.

use std::time::Duration;

use anyhow::{Result, ensure};
use domain::ids::TenantId;
use e2e::{World, subscription_event};
use serde_json::Value;
use stack::deadline;
use stack::temporal::{Temporal, TemporalOptions};
use store::{DatabaseConfig, DueEvent, Store};

use crate::truth::once_in_time;

const SYNC: &str = "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED";

#[test]
fn an_event_is_handed_over_at_once_and_named_in_the_ui() -> Result<()> {
    let world = World::named("wh-over").claimed().without_worker()?;
    let shim = world.start_shim(&[("EVENT_REDISPATCH_AFTER", "10m")])?;
    for n in 0..3 {
        assert_eq!(shim.deliver(&subscription_event(&format!("evt_over{n}"), "sub_over"))?.status, 200);
    }
    assert_eq!(world.wait_until_dispatched("evt_over", 3)?, [1, 1, 1]);
    let run = world.run("sync-subscription-sub_over");
    assert_eq!(run.search_attribute("StripeSubscriptionId")?, "sub_over");
    let described = run.describe()?;
    ensure!(described["workflowExecutionInfo"]["type"]["name"] == "syncSubscriptionWorkflow", "{described}");
    ensure!(described.to_string().contains("sub_over"), "{described}");
    assert_eq!(run.count_events(SYNC)?, 3);
    let history = run.readable_history()?;
    ensure!((0..3).all(|n| history.contains(&format!("evt_over{n}"))), "{history}");
    // Not before it was handed over: the next time is the setting's, less what has passed.
    let ahead = "SELECT min(extract(epoch FROM next_attempt_at - dispatched_at))::int FROM stripe_webhook_events";
    assert_eq!(world.value(ahead)?, "600");
    Ok(())
}

/// Where a shim may die, and whether the sender has its 200 by then.
const DEATHS: [(&str, bool); 5] = [
    ("before:insert", false),
    ("after:insert", false),
    ("after:ack", true),
    ("before:dispatch", true),
    ("after:dispatch", true),
];

#[test]
fn a_shim_may_die_anywhere_between_the_delivery_and_the_note() -> Result<()> {
    std::thread::scope(|scope| {
        let deaths: Vec<_> = DEATHS.iter().map(|(place, acked)| scope.spawn(|| dies(place, *acked))).collect();
        deaths.into_iter().try_for_each(|death| death.join().expect("no panic"))
    })
}

fn dies(place: &str, acked: bool) -> Result<()> {
    let world = World::named(&format!("wh-dies-{}", place.replace(':', "-"))).claimed().without_worker()?;
    let shim = world.start_shim(&[("TENANTRY_HOLD_AT", place)])?;
    wait_for_temporal(&shim)?;
    let event = subscription_event("evt_dies", &format!("sub_dies{}", place.replace(':', "")));
    std::thread::scope(|scope| -> Result<()> {
        let delivery = scope.spawn(|| shim.deliver(&event));
        assert_eq!(world.wait_until_held()?, place);
        if acked {
            assert_eq!(delivery.join().expect("no panic")?.status, 200, "{place}");
        }
        shim.process().kill9()?;
        Ok(())
    })?;
    let stored = world.events_and_receipts()?;
    assert_eq!(stored, if place == "before:insert" { (0, 0) } else { (1, 1) }, "{place}");
    let shim = world.start_shim(&[])?;
    // Stripe delivers again what was not answered.
    if !acked {
        assert_eq!(shim.deliver(&event)?.status, 200, "{place}");
    }
    world.wait_until_dispatched("evt_dies", 1)?;
    assert_eq!(world.events_and_receipts()?, (1, 1), "{place}");
    Ok(())
}

/// The first hand-over is to be that of a fresh event, not the relay's.
fn wait_for_temporal(shim: &e2e::Shim) -> Result<()> {
    deadline::poll("the shim to find Temporal", Duration::from_secs(60), || {
        Ok(shim.log().contains("Temporal answers").then_some(()))
    })
}

#[test]
fn temporal_may_be_away_and_everything_that_waited_is_handed_over() -> Result<()> {
    let world = World::named("wh-away").claimed().without_worker()?;
    let port = stack::ports::free()?;
    let address = format!("127.0.0.1:{port}");
    // Whatever grew a backoff would not come again while this test looks.
    let shim = world.start_shim(&[("TEMPORAL_ADDRESS", &address), ("EVENT_REDISPATCH_AFTER", "10m")])?;
    deadline::poll("it to say that it is not ready", Duration::from_secs(60), || {
        let ready = shim.admin("/readyz")?;
        let is_so = ready.status == 503 && ready.body == "Postgres answers\nTemporal does not answer\n";
        Ok(is_so.then_some(()))
    })?;
    deliver(&shim, "evt_early", 40)?;
    assert_eq!(world.value("SELECT count(*) FROM stripe_webhook_events WHERE attempts = 0")?, "40");
    let temporal = Temporal::start(TemporalOptions::new(port, &world.folder().join("temporal.log")))?;
    world.wait_until_dispatched("evt_early", 40)?;
    // Frozen, it takes calls and answers none.
    temporal.process().signal("STOP")?;
    deliver(&shim, "evt_frozen", 40)?;
    deadline::poll("the shim to see it", Duration::from_secs(60), || {
        Ok(shim.log().contains("events are taken in and wait").then_some(()))
    })?;
    deliver(&shim, "evt_later", 40)?;
    // Before it goes on, with what piled up: its silence was no fault of theirs and no try.
    let tried = "SELECT count(*) FROM stripe_webhook_events WHERE stripe_event_id LIKE 'evt_frozen%' AND attempts > 0";
    assert_eq!(world.value(tried)?, "0");
    temporal.process().signal("CONT")?;
    world.wait_until_dispatched("evt_later", 40)?;
    world.wait_until_dispatched("evt_frozen", 40)?;
    deadline::poll("readiness", Duration::from_secs(60), || Ok((shim.admin("/readyz")?.status == 200).then_some(())))
}

fn deliver(shim: &e2e::Shim, name: &str, count: usize) -> Result<()> {
    for n in 0..count {
        let answer = shim.deliver(&subscription_event(&format!("{name}{n}"), &format!("sub_{n}")))?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    Ok(())
}

/// Temporal refuses every event alike while it lacks our search attributes. That is no event's
/// fault, and the worker's first start mends it.
#[test]
fn a_temporal_that_is_not_prepared_makes_events_wait() -> Result<()> {
    let world = World::named("wh-untaught").untaught_temporal().claimed().without_worker()?;
    let shim = world.start_shim(&[("EVENT_REDISPATCH_AFTER", "10m")])?;
    deliver(&shim, "evt_untaught", 5)?;
    deadline::poll("the shim to say so", Duration::from_secs(60), || {
        Ok(shim.log().contains("start the worker once").then_some(()))
    })?;
    assert_eq!(world.value("SELECT max(attempts) FROM stripe_webhook_events")?, "0");
    world.start_worker(&[])?;
    world.wait_until_dispatched("evt_untaught", 5).map(drop)
}

/// What is noted about a hand-over counts while its lease does. An event that was opened again
/// since, or is somebody else's by now, keeps its time.
#[test]
fn a_late_note_puts_nothing_off() -> Result<()> {
    let world = World::named("wh-late-note").claimed().without_worker()?;
    strew(&world, "late", 1)?;
    let environment = world.environment();
    let lookup = |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let (config, master) = (DatabaseConfig::from_env(lookup)?, e2e::MASTER.parse::<TenantId>()?);
    tokio::runtime::Runtime::new()?.block_on(async {
        let store = Store::of_the_inbox(&config, master);
        let (lease, again) = (Duration::from_secs(30), Duration::from_secs(600));
        let late = claim(&store, lease).await?;
        store.reopen_event(&late[0].id).await?;
        store.mark_dispatched(&late, again).await?;
        store.put_off(&late, again).await?;
        let mine = claim(&store, lease).await?;
        ensure!(mine.len() == 1, "a late note put off what was opened again");
        store.release_due(&late).await?;
        ensure!(claim(&store, lease).await?.is_empty(), "a late note gave away what is somebody else's");
        store.release_due(&mine).await?;
        store.mark_dispatched(&claim(&store, lease).await?, again).await?;
        Ok(())
    })?;
    let pause = "SELECT extract(epoch FROM next_attempt_at - now()) > 500 FROM stripe_webhook_events";
    assert_eq!(world.value(pause)?, "t", "a note in time counts");
    Ok(())
}

async fn claim(store: &Store, lease: Duration) -> Result<Vec<DueEvent>> {
    Ok(store.claim_due(10, lease).await?.into_iter().collect::<Result<_, _>>()?)
}

/// Puts events into the inbox that nobody was handed.
fn strew(world: &World, name: &str, count: usize) -> Result<()> {
    let sql = format!(
        "INSERT INTO stripe_webhook_events (tenant, stripe_event_id, event_type, event_data, object_id, kind, livemode,
                                            stripe_created_at)
         SELECT '{}', 'evt_{name}' || n, 'customer.subscription.updated', '', 'sub_{name}' || n % 20, 'snapshot', false,
                now() FROM generate_series(1, {count}) n",
        e2e::MASTER
    );
    world.rows(&sql).map(drop)
}

/// One relay is stuck with what it took up; the other does the rest, and nothing is done twice.
#[test]
fn relays_share_the_work() -> Result<()> {
    once_in_time(shared_work, "wh-share")
}

fn shared_work(name: &str) -> Result<bool> {
    const MANY: usize = 280;
    let world = World::named(name).claimed().without_worker()?;
    let stuck = world.start_shim(&[("TENANTRY_HOLD_AT", "before:dispatch"), ("EVENT_REDISPATCH_AFTER", "10m")])?;
    wait_for_temporal(&stuck)?;
    let other = world.start_shim(&[("EVENT_REDISPATCH_AFTER", "10m")])?;
    wait_for_temporal(&other)?;
    // A page of 256 is the stuck one's. The rest is to be done in the 30 seconds for which it has them.
    other.process().signal("STOP")?;
    strew(&world, "share", MANY)?;
    world.wait_until_held()?;
    other.process().signal("CONT")?;
    let left = "SELECT count(*) FROM stripe_webhook_events WHERE dispatched_at IS NULL";
    let all_but_one = deadline::poll_every("all but one", Duration::from_secs(25), Duration::from_millis(100), || {
        Ok((world.value(left)? == "1").then_some(()))
    });
    world.release()?;
    if all_but_one.is_err() {
        return Ok(false);
    }
    let attempts: i64 = world.wait_until_dispatched("evt_share", MANY)?.iter().sum();
    // A call that a busy Temporal did not answer in time is made once more.
    let repeated = |shim: &e2e::Shim| shim.log().matches("an event was not handed over").count();
    let repeated = repeated(&stuck) + repeated(&other);
    ensure!(attempts == i64::try_from(MANY + repeated)?, "{attempts} tries of {MANY} events, {repeated} in vain");
    let done = |shim: &e2e::Shim| shim.metric("tenantry_webhook_dispatched_total", "result=\"ok\"");
    let (one, two) = (done(&stuck)?, done(&other)?);
    ensure!(one > 0.0 && two > 0.0 && one + two == MANY as f64, "{one} and {two}");
    Ok(true)
}

/// The run that was told of it may have been terminated, so it is told of again, later and later.
#[test]
fn what_is_not_settled_is_handed_over_again() -> Result<()> {
    let world = World::named("wh-again").claimed().without_worker()?;
    let shim = world.start_shim(&[("EVENT_REDISPATCH_AFTER", "1s")])?;
    shim.deliver(&subscription_event("evt_again", "sub_again"))?;
    world.wait_until_dispatched("evt_again", 1)?;
    let run = world.run("sync-subscription-sub_again");
    let first = run.describe()?["workflowExecutionInfo"]["execution"]["runId"].clone();
    world.temporal.cli(&["workflow", "terminate", "--workflow-id", "sync-subscription-sub_again"])?;
    deadline::poll_every("another run", Duration::from_secs(120), Duration::from_millis(200), || {
        Ok((run.describe()?["workflowExecutionInfo"]["execution"]["runId"] != first).then_some(()))
    })?;
    let pause = "SELECT extract(epoch FROM next_attempt_at - dispatched_at)::int >= 2 AND attempts >= 2
                 FROM stripe_webhook_events";
    deadline::poll_every("a longer pause", Duration::from_secs(60), Duration::from_millis(200), || {
        Ok((world.value(pause)? == "t").then_some(()))
    })
}

/// Parks an event the way a sync does, as if it had come so long ago, and been looked at once more
/// since or not.
fn park(world: &World, event: &str, customer: &str, age: &str, looked_again: bool) -> Result<()> {
    let input = World::call_of_the_store(&e2e::Purchase {
        customer: customer.to_owned(),
        subscription: "sub_stranded".to_owned(),
        quantity: 3,
    });
    let input = input.to_string().replace('\'', "''");
    let sql = format!(
        "INSERT INTO stripe_webhook_events (tenant, stripe_event_id, event_type, event_data, object_id, kind, livemode,
             stripe_created_at, processing_status, stripe_customer_external_id, stranded_purchase, created_at,
             looked_again)
         VALUES ('{}', 'evt_{event}', 'customer.subscription.created', '', 'sub_stranded', 'snapshot', false,
                 now(), 'parked', '{customer}', '{input}', now() - interval '{age}', {looked_again})",
        e2e::MASTER
    );
    world.rows(&sql).map(drop)
}

#[test]
fn a_purchase_that_nobody_started_is_started_once() -> Result<()> {
    let world = World::named("wh-stranded").claimed().without_worker()?;
    let customer = format!("cus_stranded{}", stack::unique::number());
    let settings = [("STRANDED_PURCHASE_AFTER", "1s")];
    let shims = [world.start_shim(&settings)?, world.start_shim(&settings)?];
    park(&world, "stranded", &customer, "10 s", true)?;
    park(&world, "beside", &customer, "10 s", true)?;
    let waiting = "SELECT count(*) FROM stripe_webhook_events WHERE stranded_purchase IS NOT NULL";
    let cleared = || {
        deadline::poll_every("the purchase to be started", Duration::from_secs(120), Duration::from_millis(200), || {
            Ok((world.value(waiting)? == "0").then_some(()))
        })
    };
    cleared()?;
    let run = world.run(&format!("create-tenant-{customer}"));
    let described = run.describe()?;
    ensure!(described.to_string().contains(&format!("{customer}, 3 licences")), "{described}");
    assert_eq!(run.search_attribute("StripeCustomerId")?, customer);
    // A run that ended badly is left to a person, however many events come after it.
    world.temporal.cli(&["workflow", "terminate", "--workflow-id", &run.workflow_id])?;
    park(&world, "after", &customer, "10 s", true)?;
    cleared()?;
    let id = |described: &Value| described["workflowExecutionInfo"]["execution"]["runId"].clone();
    assert_eq!(id(&run.describe()?), id(&described));
    let logs: String = shims.iter().map(|shim| shim.log()).collect();
    // None where Temporal had started it, and its answer came too late.
    ensure!(logs.matches("nobody had started this purchase's onboarding; started it").count() < 2, "{logs}");
    Ok(())
}

#[test]
fn a_parked_event_is_not_looked_at_again_too_early_nor_with_a_tenant() -> Result<()> {
    let world = World::named("wh-not-stranded").claimed().without_worker()?;
    park(&world, "young", "cus_young", "1 minute", false)?;
    park(&world, "owned", "cus_owned", "1 hour", false)?;
    park(&world, "old", "cus_old", "1 hour", false)?;
    let tenant = "00000000-0000-4000-8000-0000000000aa";
    world
        .rows(&format!("INSERT INTO tenants (tenant, client_name, email) VALUES ('{tenant}', 'A', 'a@example.com')"))?;
    world.rows(&format!(
        "INSERT INTO stripe_customers (tenant, stripe_customer_external_id, billing_tenant)
         VALUES ('{tenant}', 'cus_owned', '{}')",
        e2e::MASTER
    ))?;
    let _shim = world.start_shim(&[])?;
    let left = "SELECT string_agg(stripe_event_id, ' ' ORDER BY stripe_event_id) FROM stripe_webhook_events
                WHERE processing_status = 'parked'";
    deadline::poll_every("the old one to be pending", Duration::from_secs(60), Duration::from_millis(200), || {
        Ok((world.value(left)? == "evt_owned evt_young").then_some(()))
    })
}
