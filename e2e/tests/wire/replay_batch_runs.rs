//! Runs of `replayBatchWorkflow`, one of each kind of way that it takes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::names::signal::STOP;
use domain::names::workflow::REPLAY_BATCH;
use e2e::{Ending, Purchase, Run, World};
use serde_json::{Value, json};

use crate::histories::{Named, name};

const NOBODY: &str = "44444444-4444-4444-8444-999999999999";

/// An onboarding that failed, and that succeeds when it is started again.
fn item(world: &World) -> Result<(Value, Purchase)> {
    let sold = world.stripe.buy(7)?;
    world.stripe.fault("GET", &format!("/v1/subscriptions/{}", sold.subscription), "not_found", 0)?;
    let run = world.onboard(&sold)?;
    run.failure()?;
    let input = json!({"workflow_type": "createTenantWorkflow", "input": World::call_of_the_store(&sold)});
    Ok((json!({"workflow_id": run.workflow_id, "run_id": run.run_id, "input": input}), sold))
}

/// An import that fails however often it is started.
fn doomed(world: &World) -> Result<Value> {
    let input = json!({"tenant_id": NOBODY, "stripe_subscription_id": "sub_1Lost"});
    let id = format!("import-subscription-{}", world.task_queue());
    let run = world.start_in_bulk("importSubscriptionWorkflow", &id, &input.to_string())?;
    run.failure()?;
    let input = json!({"workflow_type": "importSubscriptionWorkflow", "input": input});
    Ok(json!({"workflow_id": id, "run_id": run.run_id, "input": input}))
}

fn start(world: &World, called: &str, items: &[&Value], more: &Value) -> Result<Run> {
    let mut input = json!({"operator": "ann", "rate": 10, "items": items});
    let more = more.as_object().context("an object")?.clone();
    input.as_object_mut().context("an object")?.extend(more);
    let id = format!("replay-batch-{called}-{}", world.task_queue());
    world.start_in_bulk(REPLAY_BATCH, &id, &input.to_string())
}

fn counted(run: &Run, field: &str, count: u64) -> Result<()> {
    let result = run.result()?;
    ensure!(result["counts"][field] == count, "{result}");
    Ok(())
}

/// Waits for the read that the item's new run begins with.
fn hold(world: &World, of: &Purchase) -> Result<String> {
    world.stripe.hold_all("GET", &format!("/v1/subscriptions/{}", of.subscription))
}

fn slow(world: &World) -> Result<Run> {
    let (item, of) = item(world)?;
    let held = hold(world, &of)?;
    let run = start(world, "slow", &[&item], &json!({"patience_secs": 2}))?;
    counted(&run, "running", 1)?;
    world.stripe.release(&held)?;
    Ok(run)
}

fn stopped(world: &World) -> Result<Run> {
    let ((one, of), (other, _)) = (item(world)?, item(world)?);
    let held = hold(world, &of)?;
    let run = start(world, "stopped", &[&one, &other], &json!({"rate": 1}))?;
    world.stripe.wait_until_held(&held)?;
    world.temporal.cli(&["workflow", "signal", "--workflow-id", &run.workflow_id, "--name", STOP])?;
    world.stripe.release(&held)?;
    run.result()?;
    Ok(run)
}

fn cancelled(world: &World) -> Result<Run> {
    let (item, of) = item(world)?;
    let held = hold(world, &of)?;
    let run = start(world, "cancelled", &[&item], &json!({}))?;
    world.stripe.wait_until_held(&held)?;
    run.cancel()?;
    let ending = run.ending(Duration::from_secs(60))?;
    ensure!(ending == Ending::Cancelled, "{ending:?}");
    world.stripe.release(&held)?;
    Ok(run)
}

pub(crate) fn runs(world: &World) -> Result<Named> {
    let ((one, _), (other, _), doomed) = (item(world)?, item(world)?, doomed(world)?);
    let whole = start(world, "whole", &[&one, &other, &doomed], &json!({}))?;
    counted(&whole, "completed", 2)?;
    counted(&whole, "failed", 1)?;
    let late = start(world, "late", &[&one], &json!({}))?;
    counted(&late, "not_failed", 1)?;
    // As a run that has become long begins the next.
    let carried = whole.result()?["items"].clone();
    let anew = start(world, "anew", &[&item(world)?.0], &json!({"carried": carried}))?;
    counted(&anew, "completed", 3)?;
    let misfit = start(world, "misfit", &[], &json!({}))?;
    misfit.failure()?;
    let (slow, stopped, cancelled) = (slow(world)?, stopped(world)?, cancelled(world)?);
    Ok(vec![
        name("whole", &whole),
        name("late", &late),
        name("anew", &anew),
        name("misfit", &misfit),
        name("slow", &slow),
        name("stopped", &stopped),
        name("cancelled", &cancelled),
    ])
}
