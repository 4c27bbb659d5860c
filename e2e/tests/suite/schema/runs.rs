//! What is printed of runs, of starting them again and of ending them.

use std::fs;

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, World};
use serde_json::{Value, json};

use super::BUYER;
use super::fits::Schemas;

/// An onboarding that has failed; its workflow id.
fn failed(world: &World, schemas: &Schemas) -> Result<(Purchase, String)> {
    let purchase = world.stripe.buy(3)?;
    let names = ["--customer", &purchase.customer, "--subscription", "sub_1Lost", "--wait"];
    let said = schemas.check("start tenant", &[&BUYER[..], &names].concat(), 1)?;
    Ok((purchase, said["workflow_id"].as_str().context("no id")?.to_owned()))
}

/// One is started again, one is ended.
pub(super) fn again(world: &World, schemas: &Schemas) -> Result<()> {
    let (purchase, id) = failed(world, schemas)?;
    let replay = |more: &[&str], exit| schemas.check("runs replay", &[&[id.as_str()], more].concat(), exit);
    replay(&["--dry-run"], 0)?;
    replay(&["--set", "moonlight=1"], 2)?;
    let set = format!("stripe_subscription_id={}", purchase.subscription);
    replay(&["--set", &set], 2)?;
    replay(&["--wait"], 1)?;
    replay(&["--set", &set, "--yes", "--wait"], 0)?;
    replay(&[], 4)?;
    schemas.check("runs cancel", &[&id, "--reason", "bought twice"], 4)?;
    let other = world.stripe.buy(2)?;
    world.stripe.fault_every(1, "/v1/*", &["server_error"])?;
    let run = world.onboard(&other)?;
    run.wait_for_attempt(2)?;
    schemas.check("runs cancel", &[&run.workflow_id, "--reason", "bought twice"], 0)?;
    world.stripe.forget_faults()
}

/// One that ends at once, and one that is stopped before it began, since no worker runs.
pub(super) fn batches(world: &World, schemas: &Schemas) -> Result<()> {
    failed(world, schemas)?;
    failed(world, schemas)?;
    schemas.check("runs replay", &["--failed", "--dry-run"], 0)?;
    schemas.check("runs replay", &["--failed", "--stuck"], 2)?;
    let report = world.folder().join("runs.ndjson");
    let report = report.to_str().context("a path")?;
    let all = ["--failed", "--yes", "--operator", "ann"];
    schemas.check("runs replay", &[&all[..], &["--name", "first", "--report", report]].concat(), 1)?;
    schemas.lines("runs replay --report", &fs::read_to_string(report)?)?;
    schemas.check("runs batch stop", &["first"], 4)?;
    schemas.check("runs batch resume", &["first"], 0)?;
    world.kill_worker()?;
    schemas.check("runs replay", &[&all[..], &["--name", "second", "--no-wait"]].concat(), 0)?;
    schemas.check("runs batch stop", &["second", "--operator", "ann"], 0)?;
    world.start_worker(&[])?;
    world.run("replay-batch-second").result()?;
    schemas.check("runs batch resume", &["second", "--yes", "--operator", "ann"], 1)?;
    schemas.check("runs batch list", &[], 0)?;
    schemas.check("runs batch show", &["second"], 0)?;
    schemas.check("runs batch show", &["third"], 3)?;
    Ok(())
}

/// Each run that there is, with what went in and what came out.
pub(super) fn each(schemas: &Schemas) -> Result<()> {
    let list = schemas.check("runs list", &["--limit", "100"], 0)?;
    schemas.check("runs list", &["--kind", "StripeNotFond"], 2)?;
    for run in list["runs"].as_array().context("no runs")? {
        let id = run["workflow_id"].as_str().context("no id")?;
        schemas.check("runs why", &[id], 0)?;
        let shown = schemas.check("runs show", &[id], 0)?;
        let kind = shown["workflow_type"].as_str().context("no type")?;
        schemas.fits(&format!("{kind} input"), &shown["input"])?;
        if shown["status"] == json!("completed") {
            schemas.fits(&format!("{kind} result"), &shown["result"])?;
            schemas.check("runs watch", &[id], 0)?;
        }
    }
    let nobody: Value = schemas.check("runs show", &["create-tenant-cus_1Nobody"], 3)?;
    ensure!(nobody.is_null(), "{nobody}");
    Ok(())
}
