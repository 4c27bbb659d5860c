//! Runs of `reconcileWorkflow`, one of each kind of way that it takes.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Ending, Purchase, Run, World};
use serde_json::{Value, json};
use stack::deadline;

use crate::histories::{Named, name};

const PATIENCE: Duration = Duration::from_secs(120);

/// One run after the other, since they share an id. No event tells of what changes.
pub(crate) fn runs(world: &World) -> Result<Named> {
    world.stripe.delivery_policy(&json!({"lose": {}}))?;
    let purchases = (0..3).map(|_| onboarded(world)).collect::<Result<Vec<_>>>()?;
    let nothing = run(world, "reconcile", &json!({}))?;
    nothing.result()?;
    drift(world, &purchases[0], 12)?;
    let reported = run(world, "reconcile", &json!({}))?;
    ensure!(reported.result()?["found"]["stale_row"] == 1);
    let tenant = tenant_of(world, &purchases[0])?;
    let one = run(world, &format!("reconcile-{tenant}"), &json!({"tenant_id": tenant, "apply": true}))?;
    ensure!(one.result()?["repaired"]["stale_row"] == 1);
    drift(world, &purchases[0], 13)?;
    let scheduled = run(world, "reconcile-2026-01-31T12:00:00Z", &json!({"apply": true}))?;
    ensure!(scheduled.result()?["repaired"]["wrong_count"] == 1);
    let applied = latest(world)?;
    purchases[1..].iter().try_for_each(|purchase| world.stripe.cancel(&purchase.subscription))?;
    let refused = run(world, "reconcile", &json!({"apply": true}))?;
    ensure!(refused.failure()?.0 == "MassFall");
    let went_on = run(world, "reconcile", &json!({"progress": {"walk": walk_of(&reported)?, "place": "weigh"}}))?;
    went_on.result()?;
    let misfit = run(world, "reconcile", &json!({"tenant_id": 42}))?;
    ensure!(misfit.failure()?.0 == "ValidationError");
    Ok(vec![
        name("nothing", &nothing),
        name("reported", &reported),
        name("one", &one),
        name("scheduled", &scheduled),
        name("applied", &applied),
        name("refused", &refused),
        name("went_on", &went_on),
        name("misfit", &misfit),
    ])
}

/// The page under way is waited for.
pub(crate) fn cancelled(world: &World) -> Result<Named> {
    let run = run(world, "reconcile", &json!({}))?;
    world.wait_until_held()?;
    run.cancel()?;
    world.release()?;
    ensure!(run.ending(PATIENCE)? == Ending::Cancelled, "it was not cancelled");
    Ok(vec![name("cancelled", &run)])
}

fn onboarded(world: &World) -> Result<Purchase> {
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    Ok(purchase)
}

fn drift(world: &World, purchase: &Purchase, quantity: i64) -> Result<()> {
    world.stripe.set_quantity(&purchase.subscription, quantity)
}

fn tenant_of(world: &World, purchase: &Purchase) -> Result<String> {
    let customer = &purchase.customer;
    world.value(&format!("SELECT tenant FROM stripe_customers WHERE stripe_customer_external_id = '{customer}'"))
}

fn walk_of(run: &Run) -> Result<Value> {
    Ok(run.result()?["walk"].clone())
}

fn run(world: &World, workflow_id: &str, input: &Value) -> Result<Run> {
    let queue = format!("{}-bulk", world.task_queue());
    let input = input.to_string();
    world.temporal.cli(&[
        "workflow",
        "start",
        "--type",
        "reconcileWorkflow",
        "--task-queue",
        &queue,
        "--workflow-id",
        workflow_id,
        "--input",
        &input,
    ])?;
    fixed(world.run(workflow_id))
}

/// The run that a scheduled one had the work done by.
fn latest(world: &World) -> Result<Run> {
    fixed(world.run("reconcile"))
}

fn fixed(mut run: Run) -> Result<Run> {
    let id = deadline::poll("the run to be known", PATIENCE, || {
        let described = run.describe()?;
        Ok(described["workflowExecutionInfo"]["execution"]["runId"].as_str().map(str::to_owned))
    })?;
    run.run_id = Some(id);
    Ok(run)
}
