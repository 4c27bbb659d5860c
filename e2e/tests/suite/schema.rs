//! What `tenantry` prints for programs fits the schemas that it prints, whatever happened, and so
//! does what goes into the workflows and comes out of them.

mod fits;
mod runs;

use std::fs;

use anyhow::{Context, Result, ensure};
use e2e::{MASTER, World};

use crate::reconcile::silent;
use fits::Schemas;

const BUYER: [&str; 4] = ["--email", "ann@example.com", "--client-name", "Ann & Co"];

#[test]
fn everything_that_is_printed_fits_its_schema() -> Result<()> {
    let world = silent("schema")?;
    let schemas = Schemas::of(&world)?;
    installation(&schemas)?;
    let (tenant, subscription) = purchases(&world, &schemas)?;
    licences(&schemas, &tenant)?;
    imports(&world, &schemas, &tenant, &subscription)?;
    events(&world, &schemas, &subscription)?;
    reconciliation(&world, &schemas, &subscription)?;
    schedule(&schemas)?;
    runs::again(&world, &schemas)?;
    runs::batches(&world, &schemas)?;
    runs::each(&schemas)?;
    schemas.are_all_used()
}

fn installation(schemas: &Schemas) -> Result<()> {
    schemas.check("doctor", &[], 0)?;
    schemas.check_with("doctor", &[], &[("MASTER_BILLING_TENANT_ID", "")], 6)?;
    schemas.check("migrate", &["--master-tenant", MASTER], 0)?;
    schemas.check("migrate", &["--master-tenant", "7"], 2)?;
    schemas.check("ui", &["--print"], 2)?;
    schemas.check_with("ui", &["--print"], &[("TEMPORAL_UI_URL", "http://127.0.0.1:8233")], 0)?;
    Ok(())
}

/// One that works, one that fails, and both again.
fn purchases(world: &World, schemas: &Schemas) -> Result<(String, String)> {
    let purchase = world.stripe.buy(10)?;
    let lost = world.stripe.buy(1)?;
    let start = |customer: &str, subscription: &str, more: &[&str], exit| {
        let names = ["--customer", customer, "--subscription", subscription];
        schemas.check("start tenant", &[&BUYER[..], &names, more].concat(), exit)
    };
    let done = start(&purchase.customer, &purchase.subscription, &["--wait"], 0)?;
    start(&purchase.customer, &purchase.subscription, &[], 4)?;
    start(&lost.customer, "sub_1Lost", &["--wait"], 1)?;
    start(&lost.customer, &lost.subscription, &[], 0)?;
    schemas.check("start tenant", &["--email", "ann"], 2)?;
    let tenant = done["result"]["tenant_id"].as_str().context("no tenant")?.to_owned();
    for command in ["tenant show", "tenant why"] {
        schemas.check(command, &[&tenant], 0)?;
        schemas.check(command, &["cus_1Nobody"], 3)?;
        schemas.check_with(command, &[&tenant], &[("DATABASE_URL", "postgres://a:b@127.0.0.1:9/none")], 5)?;
    }
    world.run(&format!("create-tenant-{}", lost.customer)).result()?;
    Ok((tenant, purchase.subscription))
}

fn licences(schemas: &Schemas, tenant: &str) -> Result<()> {
    schemas.check("license preview", &[tenant, "15"], 0)?;
    schemas.check("license preview", &["cus_1Nobody", "15"], 3)?;
    schemas.check("license set", &[tenant, "15", "--yes", "--wait"], 0)?;
    schemas.check("license set", &[tenant, "12", "--from", "3", "--yes", "--wait"], 1)?;
    schemas.check("license set", &[tenant, "14"], 2)?;
    schemas.check("license set", &[tenant, "12", "--yes", "--wait"], 0)?;
    schemas.check("license set", &[tenant, "12", "--yes"], 0)?;
    schemas.check("license show", &[tenant], 0)?;
    schemas.check("license history", &[tenant], 0)?;
    schemas.check("license history", &[tenant, "--limit", "0"], 2)?;
    Ok(())
}

fn imports(world: &World, schemas: &Schemas, tenant: &str, subscription: &str) -> Result<()> {
    let whose = ["--tenant", tenant, "--subscription", subscription];
    schemas.check("import subscription", &[&whose[..], &["--wait"]].concat(), 0)?;
    let lost = ["--tenant", tenant, "--subscription", "sub_1Lost"];
    schemas.check("import subscription", &[&lost[..], &["--wait"]].concat(), 1)?;
    schemas.check("import subscription", &whose, 0)?;
    let report = world.folder().join("import.ndjson");
    let report = report.to_str().context("a path")?;
    schemas.check("import customers", &["--dry-run", "--report", report], 0)?;
    schemas.lines("import customers --report", &fs::read_to_string(report)?)?;
    schemas.check("import customers", &["--report", "/nowhere/at/all"], 2)?;
    Ok(())
}

fn events(world: &World, schemas: &Schemas, subscription: &str) -> Result<()> {
    for (id, status, object) in [
        ("evt_1Failed", "failed", subscription),
        ("evt_2Failed", "failed", subscription),
        ("evt_1Completed", "completed", subscription),
        ("evt_1Ignored", "ignored", ""),
    ] {
        world.rows(&format!(
            "INSERT INTO stripe_webhook_events (tenant, stripe_event_id, event_type, event_data, processing_status,
                 object_id, kind, livemode, api_version, stripe_created_at)
             VALUES ('{MASTER}', '{id}', 'customer.subscription.updated', '{{}}', '{status}', nullif('{object}', ''),
                 'snapshot', false, '2026-09-30.endive', now())"
        ))?;
    }
    schemas.check("events list", &[], 0)?;
    schemas.check("events list", &["--status", "faild"], 2)?;
    schemas.check("events show", &["evt_1Failed"], 0)?;
    schemas.check("events show", &["evt_1Nowhere"], 3)?;
    schemas.check("events accounting", &[], 6)?;
    schemas.check("events replay", &["--status", "failed", "--dry-run"], 0)?;
    schemas.check("events replay", &["evt_1Failed", "evt_1Completed", "--wait"], 0)?;
    schemas.check("events replay", &["evt_1Ignored"], 4)?;
    schemas.check_with("events replay", &["--status", "failed", "--yes"], &[("TEMPORAL_ADDRESS", "127.0.0.1:9")], 5)?;
    Ok(())
}

fn reconciliation(world: &World, schemas: &Schemas, subscription: &str) -> Result<()> {
    world.rows(&format!(
        "UPDATE stripe_subscriptions SET quantity = 1 WHERE stripe_subscription_external_id = '{subscription}'"
    ))?;
    let report = world.folder().join("drift.ndjson");
    let report = report.to_str().context("a path")?;
    let found = schemas.check("reconcile", &["--report", report], 6)?;
    ensure!(found["findings"].as_array().is_some_and(|findings| !findings.is_empty()), "{found}");
    schemas.lines("reconcile --report", &fs::read_to_string(report)?)?;
    schemas.check("reconcile", &["--apply", "--yes"], 0)?;
    schemas.check("reconcile", &["--apply"], 2)?;
    schemas.check("reconcile", &["--no-wait"], 0)?;
    world.run("reconcile").result()?;
    Ok(())
}

fn schedule(schemas: &Schemas) -> Result<()> {
    schemas.check("schedule show", &[], 3)?;
    schemas.check("schedule install", &["--every", "1h"], 0)?;
    schemas.check("schedule install", &["--every", "hourly"], 2)?;
    schemas.check("schedule show", &[], 0)?;
    schemas.check("schedule remove", &[], 0)?;
    Ok(())
}
