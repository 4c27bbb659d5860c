//! Runs of `syncStripeCustomersWorkflow`, one of each kind of way that it takes.

use std::time::Duration;

use anyhow::{Result, ensure};
use domain::names::signal::STOP;
use domain::names::workflow::SYNC_STRIPE_CUSTOMERS;
use e2e::{Ending, Run, World};
use serde_json::{Value, json};

use crate::histories::{Named, name};

const TENANTS: [&str; 2] = ["44444444-4444-4444-8444-000000000001", "44444444-4444-4444-8444-000000000002"];
const NOBODY: &str = "44444444-4444-4444-8444-999999999999";

fn start(world: &World, called: &str, input: &Value) -> Result<Run> {
    let id = format!("sync-stripe-customers-{called}-{}", world.task_queue());
    world.start_in_bulk(SYNC_STRIPE_CUSTOMERS, &id, &input.to_string())
}

fn completed(world: &World, called: &'static str, input: &Value) -> Result<Run> {
    let run = start(world, called, input)?;
    World::imported(&run)?;
    Ok(run)
}

/// A run that waits for its first page.
fn held(world: &World, called: &str) -> Result<(Run, String)> {
    let held = world.stripe.hold_all("GET", "/v1/customers")?;
    let run = start(world, called, &json!({"page_size": 1}))?;
    world.stripe.wait_until_held(&held)?;
    Ok((run, held))
}

fn stopped(world: &World) -> Result<Run> {
    let (run, held) = held(world, "stopped")?;
    world.temporal.cli(&["workflow", "signal", "--workflow-id", &run.workflow_id, "--name", STOP])?;
    world.stripe.release(&held)?;
    let result = World::imported(&run)?;
    ensure!(result["resumable"] == true, "{result}");
    Ok(run)
}

fn cancelled(world: &World) -> Result<Run> {
    let (run, held) = held(world, "cancelled")?;
    run.cancel()?;
    world.stripe.release(&held)?;
    let ending = run.ending(Duration::from_secs(60))?;
    ensure!(ending == Ending::Cancelled, "{ending:?}");
    Ok(run)
}

pub(crate) fn runs(world: &World) -> Result<Named> {
    let price = world.stripe.price()?;
    for (tenant, email) in [(TENANTS[0], "one@example.com"), (TENANTS[1], "two@example.com")] {
        world.add_tenant(tenant, email)?;
        world.stripe.subscription(&world.stripe.old_customer(email)?, &price, 7)?;
    }
    let look = completed(world, "look", &json!({"dry_run": true}))?;
    let whole = completed(world, "whole", &json!({}))?;
    let stopped = stopped(world)?;
    let resumed = completed(world, "resumed", &json!({"resume": true}))?;
    // As a run that has become long begins the next.
    let carried = resumed.state()?;
    let anew = completed(world, "anew", &json!({"carried": carried}))?;
    let one = completed(world, "one", &json!({"tenant_id": TENANTS[0]}))?;
    let unknown = start(world, "unknown", &json!({"tenant_id": NOBODY}))?;
    unknown.failure()?;
    let misfit = start(world, "misfit", &json!({"page_size": 0}))?;
    misfit.failure()?;
    let cancelled = cancelled(world)?;
    Ok(vec![
        name("look", &look),
        name("whole", &whole),
        name("stopped", &stopped),
        name("resumed", &resumed),
        name("anew", &anew),
        name("one", &one),
        name("unknown", &unknown),
        name("misfit", &misfit),
        name("cancelled", &cancelled),
    ])
}
