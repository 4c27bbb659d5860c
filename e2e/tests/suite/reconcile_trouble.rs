//! Reconciliation in trouble: a worker killed at each step, Stripe failing at each call, and changes
//! in the middle of a walk.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, World};
use serde_json::{Value, json};
use stack::{deadline, scratch};

use crate::reconcile::{onboarded, reconcile, silent};

/// In the order of a run. A step that runs often is met the first time; one that does nothing but
/// read or write here is the same when it was not begun.
const PLACES: [&str; 12] = [
    "after:openWalk",
    "before:stagePage",
    "after:stagePage",
    "before:readAlone",
    "after:readAlone",
    "after:compareSubscriptions",
    "after:compareCounts",
    "after:weighDrift",
    "before:repairDrift",
    "after:repairDrift",
    "after:pruneEvents",
    "after:closeWalk",
];

/// Each call of a run that repairs, and how the paths begin.
const CALLS: [(&str, &str); 4] = [
    ("GET", "/v1/subscriptions"),
    ("GET", "/v1/subscriptions/*"),
    ("POST", "/v1/subscriptions/*"),
    ("GET", "/v1/events"),
];

const FAULTS: [&str; 6] =
    ["too_many_requests", "server_error", "html_bad_gateway", "empty_gateway_timeout", "reset_after", "unauthorized"];

/// Two tenants, of which one lost a change and the other its whole subscription; and a purchase of the
/// first that nobody heard of, which is in want of a row and a tag.
struct Scene {
    world: World,
    changed: Purchase,
    ended: Purchase,
    second: String,
    quantity: i64,
}

impl Scene {
    fn set(name: &str) -> Result<Self> {
        let world = silent(name)?;
        let (changed, _) = onboarded(&world, 10)?;
        let (ended, _) = onboarded(&world, 20)?;
        Ok(Self { world, changed, ended, second: String::new(), quantity: 10 })
    }

    /// Makes drift of every kind that is repaired.
    fn drift(&mut self) -> Result<()> {
        let stripe = &self.world.stripe;
        self.quantity += 1;
        stripe.advance(60)?;
        if !self.second.is_empty() {
            stripe.cancel(&self.second)?;
        }
        self.second = stripe.subscription(&self.changed.customer, &stripe.price()?, self.quantity)?;
        stripe.set_quantity(&self.ended.subscription, self.quantity)
    }

    fn assert_repaired(&self) -> Result<()> {
        self.world.wait_for_count(&self.changed.customer, self.quantity)?;
        self.world.wait_for_count(&self.ended.customer, self.quantity)?;
        let tags = self.world.stripe.effects(&format!("/subscriptions/{}", self.second))?;
        ensure!(tags == 1, "{} was tagged {tags} times", self.second);
        let (_, found) = reconcile(&self.world, &[], 0)?;
        ensure!(found.is_empty(), "{found:?}");
        Ok(())
    }
}

#[test]
fn a_worker_killed_at_any_step_is_gone_on_from() -> Result<()> {
    let mut scene = Scene::set("rec-kill")?;
    for place in PLACES {
        scene.drift()?;
        kill_at(&scene.world, place).context(place)?;
        scene.world.run("reconcile").result().context(place)?;
        scene.assert_repaired().context(place)?;
    }
    Ok(())
}

fn kill_at(world: &World, place: &str) -> Result<()> {
    world.stop_worker()?;
    let folder = scratch::folder(&format!("{}-{}", world.task_queue(), place.replace(':', "-")))?;
    let dir = folder.to_str().context("a path")?;
    world.start_worker(&[("TENANTRY_HOLD_AT", place), ("TENANTRY_HOLD_DIR", dir)])?;
    world.tenantry(&["reconcile", "--apply", "--yes", "--no-wait"])?.exits(0)?;
    deadline::poll("the worker to stop at its hold point", Duration::from_secs(60), || {
        Ok(std::fs::read_to_string(folder.join("held")).ok().filter(|place| !place.is_empty()))
    })?;
    world.kill_worker()?;
    world.start_worker(&[])
}

#[test]
fn every_fault_at_every_call_is_waited_out() -> Result<()> {
    let mut scene = Scene::set("rec-faults")?;
    for (call, (method, path)) in CALLS.into_iter().enumerate() {
        for (n, fault) in FAULTS.into_iter().enumerate() {
            let what = format!("{fault} at {method} {path}");
            scene.drift()?;
            scene.world.stripe.fault(method, path, fault, 0)?;
            reconcile(&scene.world, &["--apply"], 0).with_context(|| what.clone())?;
            let struck = scene.world.stripe.faults_struck()?;
            ensure!(struck == (call * FAULTS.len() + n + 1) as u64, "{what} did not strike: {struck}");
            scene.assert_repaired().with_context(|| what)?;
        }
    }
    Ok(())
}

/// A row that is read again while the walk goes on is newer than its page.
#[test]
fn a_change_in_the_middle_of_a_walk_is_no_drift() -> Result<()> {
    let world = World::named("rec-middle").private_temporal().start()?;
    let (_line, _shim) = world.wired()?;
    let (purchase, _) = onboarded(&world, 10)?;
    let (ended, _) = onboarded(&world, 20)?;
    world.wait_until_settled()?;
    reconcile(&world, &[], 0)?;
    world.stop_worker()?;
    world.start_worker(&[("TENANTRY_HOLD_AT", "after:stagePage")])?;
    world.tenantry(&["reconcile", "--no-wait"])?.exits(0)?;
    world.wait_until_held()?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    world.stripe.cancel(&ended.subscription)?;
    world.wait_for_count(&purchase.customer, 12)?;
    world.wait_for_count(&ended.customer, 0)?;
    world.wait_until_settled()?;
    let staged = "SELECT count(*) FROM staged_subscriptions s JOIN walks USING (walk)
                  WHERE ended_at IS NULL AND body -> 'items' -> 0 ->> 'quantity' = '10'";
    ensure!(world.value(staged)? == "1", "the page is not older than the change");
    world.release()?;
    let result = world.run("reconcile").result()?;
    ensure!(result["found"] == json!({}), "{result}");
    Ok(())
}

/// What was read alone is read once: the walk of a run that continued as new goes on, it does not begin
/// again, and its history stays short.
#[test]
fn a_run_says_where_it_stands_and_can_be_cancelled() -> Result<()> {
    let mut scene = Scene::set("rec-state")?;
    scene.drift()?;
    scene.world.stop_worker()?;
    scene.world.start_worker(&[("TENANTRY_HOLD_AT", "before:repairDrift")])?;
    scene.world.tenantry(&["reconcile", "--apply", "--yes", "--no-wait"])?.exits(0)?;
    scene.world.wait_until_held()?;
    let run = scene.world.run("reconcile");
    let state: Value = run.state()?;
    ensure!(state["progress"]["place"] == "repair" && state["drift"]["found"]["missing_row"] == 1, "{state}");
    ensure!(run.details()?.contains("1 missing_row"), "{}", run.details()?);
    run.cancel()?;
    scene.world.release()?;
    ensure!(run.ending(Duration::from_secs(60))? == e2e::Ending::Cancelled, "it was not cancelled");
    ensure!(run.search_attribute("FailureKind")? == "Cancelled");
    reconcile(&scene.world, &["--apply"], 0)?;
    scene.assert_repaired()
}
