//! The schedule of the reconciliation, on the real server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::World;
use serde_json::{Value, json};
use stack::deadline;

use crate::reconcile::{onboarded, silent};

fn show(world: &World) -> Result<Value> {
    let said = world.tenantry(&["schedule", "show", "--output", "json"])?.exits(0)?;
    Ok(serde_json::from_str(&said.stdout)?)
}

fn doctor(world: &World) -> Result<Value> {
    let said = world.tenantry(&["doctor", "--output", "json"])?;
    let diagnosis: Value = serde_json::from_str(&said.stdout)?;
    let checks = diagnosis["checks"].as_array().context("no checks")?;
    checks.iter().find(|check| check["name"] == "reconciliation").cloned().context("no line about it")
}

fn trigger(world: &World) -> Result<()> {
    world.temporal.cli(&["schedule", "trigger", "--schedule-id", "reconcile"]).map(drop)
}

#[test]
fn it_is_installed_shown_run_changed_and_removed() -> Result<()> {
    let world = silent("rec-schedule")?;
    let (purchase, _) = onboarded(&world, 10)?;
    world.tenantry(&["schedule", "show"])?.exits(3)?;
    let none = doctor(&world)?;
    ensure!(none["verdict"] == "warning" && none["next"] == "tenantry schedule install", "{none}");
    world.tenantry(&["schedule", "install"])?.exits(0)?;
    let shown = show(&world)?;
    ensure!(
        (&shown["every_secs"], &shown["apply"], &shown["paused"]) == (&json!(3600), &json!(false), &json!(false)),
        "{shown}"
    );
    ensure!(shown["next_runs"].as_array().is_some_and(|next| !next.is_empty()), "{shown}");
    // Seldom enough for none of its own runs to fall into the test.
    world.tenantry(&["schedule", "install", "--every", "7d", "--apply"])?.exits(0)?;
    let shown = show(&world)?;
    ensure!((&shown["every_secs"], &shown["apply"]) == (&json!(604_800), &json!(true)), "{shown}");
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    trigger(&world)?;
    world.wait_for_count(&purchase.customer, 12)?;
    deadline::poll("the run to be shown", Duration::from_secs(60), || {
        Ok((show(&world)?["last_runs"][0]["status"] == "completed").then_some(()))
    })?;
    let run = world.run("reconcile");
    ensure!(run.result()?["repaired"]["stale_row"] == 1, "{}", run.result()?);
    deadline::poll("the doctor to see it", Duration::from_secs(60), || {
        let line = doctor(&world)?;
        let is_done = line["found"].as_str().is_some_and(|found| found.contains("last done at"));
        Ok((line["verdict"] == "ok" && is_done).then_some(()))
    })?;
    let said = world.tenantry(&["schedule", "show"])?.exits(0)?;
    ensure!(
        said.stdout.contains("compares and repairs every 604800 s") && said.stdout.contains("completed"),
        "{}",
        said.stdout
    );
    world.tenantry(&["schedule", "remove"])?.exits(0)?;
    world.tenantry(&["schedule", "remove"])?.exits(3)?;
    world.tenantry(&["schedule", "install", "--every", "5s"])?.exits(2)?;
    Ok(())
}

/// One runs at a time, whoever started it: the server has one id for both.
#[test]
fn a_run_by_hand_and_a_scheduled_one_are_never_beside_each_other() -> Result<()> {
    let world = silent("rec-beside")?;
    world.tenantry(&["schedule", "install", "--every", "7d"])?.exits(0)?;
    world.stop_worker()?;
    world.tenantry(&["reconcile", "--no-wait"])?.exits(0)?;
    let by_hand = world.run("reconcile").describe()?["workflowExecutionInfo"]["execution"]["runId"].clone();
    trigger(&world)?;
    let scheduled = deadline::poll("the scheduled run to begin", Duration::from_secs(60), || {
        Ok(show(&world)?["last_runs"][0]["run_id"].as_str().map(str::to_owned))
    })?;
    let refused = world.tenantry(&["reconcile"])?.exits(4)?;
    ensure!(refused.stderr.contains("running already"), "{}", refused.stderr);
    world.start_worker(&[])?;
    world.run("reconcile").result()?;
    let now = world.run("reconcile").describe()?["workflowExecutionInfo"]["execution"]["runId"].clone();
    ensure!(now == by_hand, "{now} ran beside {by_hand}");
    deadline::poll("the scheduled run to have done nothing", Duration::from_secs(60), || {
        let last = show(&world)?["last_runs"][0].clone();
        Ok((last["run_id"] == scheduled.as_str() && last["status"] == "completed").then_some(()))
    })?;
    ensure!(world.value("SELECT count(*) FROM walks")? == "1", "the scheduled run walked too");
    trigger(&world)?;
    deadline::poll("the scheduled run", Duration::from_secs(60), || {
        let latest = world.run("reconcile").describe()?["workflowExecutionInfo"]["execution"]["runId"].clone();
        Ok((latest != by_hand).then_some(()))
    })?;
    world.run("reconcile").result()?;
    Ok(())
}
