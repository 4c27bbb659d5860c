//! Events on their whole way: Stripe, shim, inbox, Temporal, worker, rows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, World, subscription_event};
use serde_json::json;
use stack::deadline;

/// Stripe's own versions of the events' shapes, each with its own places for periods and invoices.
const VERSIONS: [&str; 3] = ["2020-08-27", "2024-06-20", "2025-04-30.basil"];

/// What the official CLI can trigger, as far as licences may depend on it.
const TRIGGERS: [&str; 9] = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "subscription_schedule.created",
    "subscription_schedule.updated",
    "invoice.paid",
    "invoice.payment_failed",
    "payment_intent.succeeded",
];

/// A change at Stripe is in the tenant's rows, said twice and counted once, and the audit row
/// names the event.
#[test]
fn a_change_at_stripe_reaches_the_licence_count() -> Result<()> {
    let world = World::named("change").start()?;
    let (_line, shim) = world.wired()?;
    let purchase = onboarded(&world)?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    world.wait_for_count(&purchase.customer, 12)?;
    world.wait_until_settled()?;
    world.assert_accounted()?;
    let twins = "SELECT count(*) FROM stripe_webhook_events thin JOIN stripe_webhook_events snapshot
                 ON thin.snapshot_event_id = snapshot.stripe_event_id
                 WHERE thin.event_type = 'v1.customer.subscription.updated'
                   AND least(thin.processing_status, snapshot.processing_status) = 'completed'
                   AND greatest(thin.processing_status, snapshot.processing_status) = 'superseded'";
    ensure!(world.value(twins)? != "0", "no change was told twice: {:?}", world.statuses()?);
    let why = world.tenantry(&["tenant", "why", &purchase.subscription])?.exits(0)?;
    ensure!(why.stdout.contains("12") && why.stdout.contains("evt_"), "{}", why.stdout);
    world.stripe.cancel(&purchase.subscription)?;
    world.wait_for_count(&purchase.customer, 0)?;
    ensure!(world.tenants()? == 1, "the tenant is gone");
    shim.stop()
}

/// Rule 3: what an event holds is never copied. The one that says `updated` comes after the end.
#[test]
fn a_late_event_revives_nothing() -> Result<()> {
    let world = World::named("late").start()?;
    let (_line, _shim) = world.wired()?;
    let purchase = onboarded(&world)?;
    world.wait_until_settled()?;
    world.stripe.delivery_policy(&json!({"hold": {"types": ["customer.subscription.updated"]}}))?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    world.stripe.cancel(&purchase.subscription)?;
    world.wait_for_count(&purchase.customer, 0)?;
    let late = world.stripe.release_all()?;
    ensure!(!late.is_empty(), "nothing was held back");
    world.wait_until_settled()?;
    world.wait_for_count(&purchase.customer, 0)?;
    let status = world.value("SELECT status FROM stripe_subscriptions")?;
    ensure!(status == "canceled", "a late event made it {status}");
    world.assert_accounted()
}

/// Twenty orders of the events of one life go through everything: created, updated three times,
/// a schedule that is applied, and for every other one the end.
#[test]
fn twenty_orders_of_a_life_end_alike() -> Result<()> {
    let world = World::named("orders").start()?;
    let (_line, _shim) = world.wired()?;
    let price = world.stripe.price()?;
    let mut lives = Vec::new();
    world.stripe.delivery_policy(&json!({"hold": {}, "duplicate": {"every": 5}}))?;
    for life in 0..20_i64 {
        let customer = world.stripe.customer("ann@example.com")?;
        let subscription = world.stripe.subscription(&customer, &price, 10)?;
        let purchase = Purchase { customer, subscription, quantity: 10 };
        world.onboard(&purchase)?.result()?;
        (1..=3).try_for_each(|n| world.stripe.set_quantity(&purchase.subscription, 10 + n + life))?;
        world.stripe.schedule_quantity(&purchase.subscription, 5 + life)?;
        lives.push((purchase, if life % 2 == 0 { 0 } else { 5 + life }));
    }
    // Before the clock leaps: what is older than three days is given up.
    release_in_any_order(&world, 1)?;
    world.stripe.advance(32 * 24 * 60 * 60)?;
    for (purchase, _) in lives.iter().filter(|(_, count)| *count == 0) {
        world.stripe.cancel(&purchase.subscription)?;
    }
    release_in_any_order(&world, 1_000)?;
    lives.iter().try_for_each(|(purchase, count)| world.wait_for_count(&purchase.customer, *count))?;
    world.wait_until_settled()?;
    lives.iter().try_for_each(|(purchase, count)| world.wait_for_count(&purchase.customer, *count))?;
    let waiting = "SELECT count(*) FROM stripe_subscriptions WHERE scheduled_quantity IS NOT NULL";
    ensure!(world.value(waiting)? == "0", "a change that was applied still waits");
    world.assert_accounted()
}

/// Sends all that is held, shuffled, and all that is held by then.
fn release_in_any_order(world: &World, first_seed: u64) -> Result<()> {
    for seed in first_seed.. {
        if world.stripe.release_shuffled(seed)?.is_empty() {
            break;
        }
    }
    Ok(())
}

/// An event that comes before its tenant waits for it, can be seen waiting, and is applied then.
#[test]
fn an_event_before_its_tenant_waits_for_it() -> Result<()> {
    let world = World::named("before-tenant").start()?;
    let (_line, _shim) = world.wired()?;
    let purchase = world.stripe.buy(10)?;
    world.stripe.set_quantity(&purchase.subscription, 11)?;
    world.wait_until_settled()?;
    let parked = world.tenantry(&["events", "list", "--status", "parked"])?.exits(0)?;
    ensure!(parked.stdout.contains(&purchase.customer), "{}", parked.stdout);
    ensure!(world.tenants()? == 0, "a parked event made a tenant");
    world.rows("UPDATE stripe_webhook_events SET attempts = 9 WHERE processing_status = 'parked'")?;
    world.onboard(&purchase)?.result()?;
    world.wait_until_settled()?;
    world.wait_for_count(&purchase.customer, 11)?;
    ensure!(world.statuses()?.iter().all(|(status, _)| status != "parked"), "{:?}", world.statuses()?);
    let backoffs = world.value("SELECT max(attempts) FROM stripe_webhook_events")?;
    ensure!(backoffs.parse::<u32>()? < 9, "after {backoffs} tries, its backoff went on where it was");
    world.assert_accounted()
}

/// The store died between Stripe and Temporal: its onboarding is started from here, once, though
/// two relays saw it.
#[test]
fn a_purchase_whose_start_never_came_is_started_once() -> Result<()> {
    let world = World::named("stranded").start()?;
    let line = world.line(None)?;
    let soon = [("STRANDED_PURCHASE_AFTER", "1s")];
    let (_one, _other) = (world.start_shim_on(&line, &soon)?, world.start_shim(&soon)?);
    let customer = world.stripe.customer("Ann@Example.com")?;
    world.stripe.post(&format!("/customers/{customer}"), &[("name", "Ann's Company")])?;
    let bystander = world.stripe.customer("b@example.com")?;
    world.stripe.post(&format!("/customers/{bystander}"), &[("metadata[pending_tenant]", "")])?;
    let price = world.stripe.price()?;
    world.stripe.subscription(&bystander, &price, 3)?;
    world.stripe.subscription(&customer, &price, 7)?;
    world.wait_for_count(&customer, 7)?;
    let run = world.run(&format!("create-tenant-{customer}"));
    ensure!(run.result()?["created"] == true, "the onboarding did not make it");
    world.wait_until_settled()?;
    ensure!(world.tenants()? == 1, "{} tenants", world.tenants()?);
    ensure!(world.value("SELECT client_name FROM tenants WHERE NOT is_master_billing")? == "Ann's Company");
    ensure!(world.stripe.metadata(&format!("/customers/{customer}"), "onboarded")? == "true");
    let waiting = "SELECT count(*) FROM stripe_webhook_events WHERE processing_status = 'parked'
                   AND stripe_customer_external_id <> ";
    ensure!(world.value(&format!("{waiting}'{bystander}'"))? == "0", "{:?}", world.statuses()?);
    world.assert_accounted()
}

/// A run that took its signals and was then ended by somebody loses nothing: what it had not
/// settled is handed over again.
#[test]
fn an_ended_runs_events_are_handed_over_again() -> Result<()> {
    for how in ["cancel", "terminate"] {
        let world = World::named(&format!("ended-{how}")).start()?;
        let (_line, _shim) = world.wired()?;
        let purchase = onboarded(&world)?;
        world.wait_until_settled()?;
        // However often it is tried, it gets no answer.
        world.stripe.delivery_policy(&json!({"hold": {}}))?;
        world.stripe.set_quantity(&purchase.subscription, 12)?;
        let read = world.stripe.hold_all("GET", &format!("/v1/subscriptions/{}", purchase.subscription))?;
        world.stripe.delivery_policy(&json!({"retry_ms": 300}))?;
        world.stripe.release_all()?;
        world.stripe.wait_until_held(&read)?;
        let id = format!("sync-subscription-{}", purchase.subscription);
        world.temporal.cli(&["workflow", how, "--workflow-id", &id])?;
        // The step under way would settle them all the same, and prove nothing.
        world.kill_worker()?;
        world.stripe.release(&read)?;
        world.start_worker(&[])?;
        world.wait_for_count(&purchase.customer, 12)?;
        world.wait_until_settled()?;
        world.assert_accounted()?;
    }
    Ok(())
}

/// More events than one read takes, of a subscription that is refused for good: each is noted as
/// failed, and Stripe is not asked over and over.
#[test]
fn many_events_of_a_refused_subscription_fail_once() -> Result<()> {
    let world = World::named("refused").start()?;
    let purchase = onboarded(&world)?;
    let reads = reads_of_a_pile(&world, "sub_1Gone", 700)?;
    ensure!(reads < 10, "{reads} reads of what is not there");
    let statuses = world.statuses()?;
    ensure!(statuses == [("failed".to_owned(), 700)], "{statuses:?}");
    let reason = world.value("SELECT min(processing_error) FROM stripe_webhook_events")?;
    ensure!(reason.starts_with("StripeNotFound: sub_1Gone does not exist"), "{reason}");
    world.wait_for_count(&purchase.customer, 10)
}

/// While Stripe does not answer, signals pile up. The run begins anew before the server refuses
/// more, and forgets none.
#[test]
fn a_flood_of_events_begins_the_run_anew() -> Result<()> {
    let world = World::named("flood").start()?;
    let purchase = onboarded(&world)?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    let reads = reads_of_a_pile(&world, &purchase.subscription, 650)?;
    ensure!(reads < 10, "{reads} reads for 650 events");
    world.wait_for_count(&purchase.customer, 12)?;
    let id = format!("sync-subscription-{}", purchase.subscription);
    // What the server lists comes a little later than what it did.
    deadline::poll("more than one run to be listed", Duration::from_secs(60), || {
        let runs = world.temporal.cli(&["workflow", "count", "--query", &format!("WorkflowId = '{id}'")])?;
        Ok((runs.trim() != "Total: 1").then_some(()))
    })?;
    world.assert_accounted()
}

/// How often Stripe is asked for the subscription once that many events of it have piled up, until
/// all are settled. However slow the machine is, no read gets through and no event comes twice
/// before all have come once.
fn reads_of_a_pile(world: &World, subscription: &str, events: usize) -> Result<usize> {
    let shim = world.start_shim(&[("EVENT_REDISPATCH_AFTER", "10m")])?;
    let read = world.stripe.hold_all("GET", &format!("/v1/subscriptions/{subscription}"))?;
    for n in 0..events {
        let answer = shim.deliver(&subscription_event(&format!("evt_1Pile{n}"), subscription))?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
    }
    world.wait_until_dispatched("evt_1Pile", events)?;
    // Those that are held, and those that nobody waits for any more.
    world.stripe.forget_requests()?;
    world.stripe.release(&read)?;
    world.wait_until_settled()?;
    Ok(world.stripe.requests()?.iter().filter(|request| request.path.ends_with(subscription)).count())
}

/// Endpoints of other API versions say it in other shapes; ours are read again, so they do not
/// matter, as long as the subscription is found in them.
#[test]
fn payloads_of_other_api_versions_are_understood() -> Result<()> {
    std::thread::scope(|scope| {
        let worlds: Vec<_> = VERSIONS.into_iter().map(|version| scope.spawn(move || understood(version))).collect();
        worlds.into_iter().try_for_each(|world| world.join().expect("a world panicked"))
    })
}

fn understood(version: &str) -> Result<()> {
    let world = World::named(&format!("version-{}", &version[..4])).start()?;
    let line = world.line(Some(version))?;
    let _shim = world.start_shim_on(&line, &[])?;
    let purchase = onboarded(&world)?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    world.stripe.advance(32 * 24 * 60 * 60)?;
    world.wait_for_count(&purchase.customer, 12)?;
    world.wait_until_settled()?;
    for kind in ["customer.subscription.updated", "invoice.paid"] {
        let sql = format!(
            "SELECT count(*) FROM stripe_webhook_events WHERE api_version = '{version}' AND event_type = '{kind}'
             AND object_id = '{}' AND processing_status IN ('completed', 'superseded')",
            purchase.subscription
        );
        ensure!(world.value(&sql)? != "0", "no {kind} of {version} was understood");
    }
    world.assert_accounted()
}

/// What the official CLI triggers arrives as signed events, each settled or ignored with a reason.
#[test]
fn what_the_official_cli_triggers_arrives() -> Result<()> {
    let world = World::named("triggers").start()?;
    let (_line, _shim) = world.wired()?;
    for trigger in TRIGGERS {
        world.stripe_cli(&["trigger", trigger])?;
    }
    world.wait_until_settled()?;
    for trigger in TRIGGERS {
        let sql = format!("SELECT count(*) FROM stripe_webhook_events WHERE event_type = '{trigger}'");
        ensure!(world.value(&sql)? != "0", "no {trigger} arrived");
    }
    let open = "SELECT count(*) FROM stripe_webhook_events
                WHERE processing_status IN ('ignored', 'parked', 'failed') AND processing_error IS NULL";
    ensure!(world.value(open)? == "0", "an event without a reason: {:?}", world.statuses()?);
    world.assert_accounted()
}

/// Temporal away for a minute under load: every delivery is taken, and applied afterwards.
#[test]
fn temporal_away_for_a_minute() -> Result<()> {
    let world = World::named("temporal-away").private_temporal().start()?;
    let (_line, shim) = world.wired()?;
    let purchases = (0..5).map(|_| onboarded(&world)).collect::<Result<Vec<_>>>()?;
    world.wait_until_settled()?;
    world.kill_temporal()?;
    let (away, mut quantity) = (Instant::now(), 10);
    for second in 0..60 {
        deadline::poll("the next second", Duration::from_secs(90), || {
            Ok((away.elapsed() >= Duration::from_secs(second)).then_some(()))
        })?;
        quantity += 1;
        for purchase in &purchases {
            world.stripe.set_quantity(&purchase.subscription, quantity)?;
        }
        deadline::poll("the deliveries to be taken", Duration::from_secs(60), || {
            Ok(world.stripe.deliveries("state=pending")?.is_empty().then_some(()))
        })?;
    }
    // A Postgres that was slow for a moment is another matter.
    let refused = |reason| shim.metric("tenantry_webhook_refused_total", reason);
    ensure!(refused("")? == refused("postgres_away")?, "deliveries were refused: {}", shim.log());
    ensure!(shim.admin("/readyz")?.status == 503, "it says that it is ready");
    world.start_temporal_again()?;
    purchases.iter().try_for_each(|purchase| world.wait_for_count(&purchase.customer, quantity))?;
    world.wait_until_settled()?;
    world.assert_accounted()
}

/// A thousand events of two hundred subscriptions, shuffled, a fifth of them twice, through two
/// shims and two workers.
#[test]
fn a_thousand_events_converge() -> Result<()> {
    let world = World::named("thousand").start()?;
    let _second_worker = world.launch_worker(&[])?;
    let shims = [world.start_shim(&[])?, world.start_shim(&[])?];
    let price = world.stripe.price()?;
    let mut lives = Vec::new();
    for life in 0..200 {
        let customer = world.stripe.customer("ann@example.com")?;
        let subscription = world.stripe.subscription(&customer, &price, 5)?;
        lives.push((Purchase { customer, subscription, quantity: 5 }, 10 + life));
    }
    let runs = lives.iter().map(|(purchase, _)| world.onboard(purchase)).collect::<Result<Vec<_>>>()?;
    runs.iter().try_for_each(|run| run.result().map(drop))?;
    for (purchase, last) in &lives {
        (1..=5).try_for_each(|n| world.stripe.set_quantity(&purchase.subscription, last - 5 + n))?;
    }
    let events = world.stripe.events("customer.subscription.updated")?;
    let changes: Vec<_> =
        events.into_iter().filter(|event| event["data"]["previous_attributes"]["items"].is_object()).collect();
    ensure!(changes.len() == 1000, "{} changes", changes.len());
    let mut letters: Vec<_> = changes.iter().chain(changes.iter().step_by(5)).collect();
    letters.sort_by_cached_key(|event| shuffle_key(event));
    std::thread::scope(|scope| {
        let posters: Vec<_> = (0..8)
            .map(|first| {
                let (letters, shims) = (&letters, &shims);
                scope.spawn(move || {
                    let mine = letters.iter().enumerate().skip(first).step_by(8);
                    mine.map(|(n, event)| shims[n % 2].deliver(event)).collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        posters.into_iter().try_for_each(|poster| {
            let answers = poster.join().expect("a poster panicked")?;
            ensure!(answers.iter().all(|answer| answer.status == 200), "not all were taken");
            Ok(())
        })
    })?;
    world.wait_until_settled()?;
    lives.iter().try_for_each(|(purchase, last)| world.wait_for_count(&purchase.customer, *last))?;
    ensure!(world.events_and_receipts()? == (1000, 1000), "{:?}", world.events_and_receipts()?);
    let completed = world.statuses()?;
    ensure!(completed == [("completed".to_owned(), 1000)], "{completed:?}");
    world.assert_accounted()
}

/// Another order than Stripe's, and the same in every run of one world.
fn shuffle_key(event: &serde_json::Value) -> u64 {
    let id = event["id"].as_str().unwrap_or_default();
    id.bytes().rev().fold(7, |key: u64, byte| key.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// A purchase that has its tenant.
fn onboarded(world: &World) -> Result<Purchase> {
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result().context("an onboarding")?;
    Ok(purchase)
}
