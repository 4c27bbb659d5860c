//! `tenantry import customers` as operators and scripts use it: every flag, what it prints, what it
//! writes into its report, how it is stopped and how it exits.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Ending, World};
use serde_json::{Value, json};

const WORKFLOW: &str = "sync-stripe-customers";
const IMPORT: [&str; 2] = ["import", "customers"];

/// Tenants of which each ends in another outcome. The last two wait for a person.
const TENANTS: [(&str, &str); 5] = [
    ("11111111-1111-4111-8111-000000000001", "imported"),
    ("11111111-1111-4111-8111-000000000002", "no_customer"),
    ("11111111-1111-4111-8111-000000000003", "no_live_subscription"),
    ("11111111-1111-4111-8111-000000000004", "ambiguous"),
    ("11111111-1111-4111-8111-000000000005", "failed"),
];

/// A world with a Temporal of its own: everywhere else another import would have the same id.
fn world(name: &str) -> Result<World> {
    World::named(name).private_temporal().start()
}

fn import(world: &World, more: &[&str]) -> Result<e2e::Said> {
    world.tenantry(&[&IMPORT[..], more].concat())
}

fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("no document: {text}"))
}

fn report(world: &World, file: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(world.folder().join(file))?;
    text.lines().map(document).collect()
}

/// The outcomes of a report's tenants, in the order of their ids.
fn outcomes(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["outcome"].as_str().unwrap_or_default()).collect()
}

/// One tenant for each outcome; the customer and the subscription of the first.
fn settle(world: &World) -> Result<(String, String)> {
    for (number, (tenant, _)) in TENANTS.iter().enumerate() {
        world.add_tenant(tenant, &format!("owner{number}@example.com"))?;
    }
    let price = world.stripe.price()?;
    let sell = |number: usize| -> Result<(String, String)> {
        let customer = world.stripe.old_customer(&format!("Owner{number}@example.com"))?;
        let subscription = world.stripe.subscription(&customer, &price, 7)?;
        Ok((customer, subscription))
    };
    let first = sell(0)?;
    world.stripe.cancel(&sell(2)?.1)?;
    // Two customers, one address, each with a live subscription.
    sell(3)?;
    sell(3)?;
    sell(4)?;
    world.rows(&format!(
        "INSERT INTO stripe_customers (tenant, stripe_customer_external_id, billing_tenant)
         VALUES ('{}', 'cus_another', '{}')",
        TENANTS[4].0,
        e2e::MASTER
    ))?;
    Ok(first)
}

#[test]
fn an_import_says_what_became_of_every_tenant() -> Result<()> {
    let world = world("import-outcomes")?;
    let (customer, subscription) = settle(&world)?;
    let expected = TENANTS.map(|(_, outcome)| outcome);
    world.stripe.forget_requests()?;
    let looked = import(&world, &["--dry-run", "--report", "look.ndjson"])?.exits(6)?;
    for words in ["dry run", "nothing was written", "1  imported", "1  ambiguous", "2 tenants wait for a person"] {
        ensure!(looked.stdout.contains(words), "{words} is not in:\n{}", looked.stdout);
    }
    ensure!(outcomes(&report(&world, "look.ndjson")?) == expected, "{:?}", report(&world, "look.ndjson")?);
    ensure!(world.value("SELECT count(*) FROM stripe_subscriptions")? == "0", "a dry run wrote rows");
    ensure!(world.stripe.requests()?.iter().all(|request| request.method == "GET"), "a dry run wrote to Stripe");
    let done = import(&world, &["--report", "import.ndjson", "--output", "json"])?.exits(6)?;
    ensure!(done.stderr.is_empty(), "{}", done.stderr);
    let shown = document(&done.stdout)?;
    let totals = json!({
        "imported": 1, "already": 0, "no_customer": 1, "ambiguous": 1, "no_live_subscription": 1, "failed": 1,
    });
    ensure!(shown["result"]["totals"] == totals && shown["status"] == "completed", "{shown}");
    ensure!(shown["result"]["dry_run"] == false && shown["result"]["resumable"] == false, "{shown}");
    let attention = shown["attention"].as_array().context("a list")?;
    ensure!(outcomes(attention) == ["ambiguous", "failed"], "{attention:?}");
    let lines = report(&world, "import.ndjson")?;
    ensure!(outcomes(&lines) == expected && lines[3..] == attention[..], "{lines:?}");
    let first = json!({
        "tenant_id": TENANTS[0].0, "outcome": "imported", "reason": null, "stripe_customer_id": customer,
        "stripe_subscription_ids": [subscription],
    });
    ensure!(lines[0] == first, "{}", lines[0]);
    ensure!(lines[4]["reason"].as_str().is_some_and(|reason| reason.contains("cus_another")), "{}", lines[4]);
    let count = format!("SELECT licensed_user_count FROM tenants WHERE tenant = '{}'", TENANTS[0].0);
    ensure!(world.value(&count)? == "7");
    let again = document(&import(&world, &["--output", "json"])?.exits(6)?.stdout)?;
    ensure!(again["result"]["totals"]["already"] == 1 && again["result"]["totals"]["imported"] == 0, "{again}");
    let anew = import(&world, &["--resume"])?.exits(6)?;
    ensure!(anew.stdout.contains("began anew"), "{}", anew.stdout);
    let alone = import(&world, &["--tenant", TENANTS[0].0, "--page-size", "1"])?.exits(0)?;
    ensure!(alone.stdout.contains("1  already") && !alone.stdout.contains("a person:"), "{}", alone.stdout);
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_started() -> Result<()> {
    let world = World::named("import-refused").without_worker()?;
    let check = |more: &[&str], words: &str| -> Result<()> {
        let refused = import(&world, more)?.exits(2)?;
        ensure!(refused.stderr.contains(words), "{more:?}: {}", refused.stderr);
        Ok(())
    };
    for size in ["0", "101", "-1", "ten"] {
        check(&["--page-size", size], "--page-size")?;
    }
    check(&["--tenant", "42"], "--tenant")?;
    check(&["--report", "no/such/folder/file"], "cannot write the report to no/such/folder/file")?;
    let unset = world.tenantry_with(&IMPORT, &[("MASTER_BILLING_TENANT_ID", "")])?.exits(2)?;
    ensure!(unset.stderr.contains("MASTER_BILLING_TENANT_ID"), "{}", unset.stderr);
    let away = world.tenantry_with(&IMPORT, &[("TEMPORAL_ADDRESS", "127.0.0.1:1")])?.exits(5)?;
    ensure!(away.stderr.contains("cannot reach Temporal"), "{}", away.stderr);
    let away = world.tenantry_with(&IMPORT, &[("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")])?.exits(5)?;
    ensure!(away.stderr.contains("cannot reach Postgres"), "{}", away.stderr);
    Ok(())
}

const MANY: usize = 120;
const PAGE: usize = 10;

/// Tenants with a customer and a subscription each.
fn settle_many(world: &World) -> Result<()> {
    let price = world.stripe.price()?;
    let email = |number: usize| format!("owner{number}@example.com");
    let emails: Vec<String> = (0..MANY).map(email).collect();
    let forms: Vec<_> = emails.iter().map(|email| vec![("email", email.as_str()), ("source", "tok_visa")]).collect();
    let customers = world.stripe.make_many("/customers", &forms)?;
    let form =
        |customer| vec![("customer", customer), ("items[0][price]", price.as_str()), ("items[0][quantity]", "7")];
    let forms: Vec<_> = customers.iter().map(|customer| form(customer.as_str())).collect();
    world.stripe.make_many("/subscriptions", &forms)?;
    let values: Vec<String> = emails.iter().map(|email| format!("(gen_random_uuid(), 'Old', '{email}')")).collect();
    world.rows(&format!("INSERT INTO tenants (tenant, client_name, email) VALUES {}", values.join(", "))).map(drop)
}

/// How often a list of Stripe's was read.
fn pages(world: &World, path: &str) -> Result<usize> {
    Ok(world.stripe.requests()?.iter().filter(|request| request.method == "GET" && request.path == path).count())
}

#[test]
fn ctrl_c_stops_it_after_the_page_and_resume_goes_on() -> Result<()> {
    let world = world("import-stopped")?;
    settle_many(&world)?;
    world.stripe.forget_requests()?;
    let held = world.stripe.hold_all_after("GET", "/v1/subscriptions", 4)?;
    let size = PAGE.to_string();
    let command = world.tenantry_at_work(&[&IMPORT[..], &["--page-size", &size]].concat())?;
    world.stripe.wait_until_held(&held)?;
    command.wait_until_it_says("reading: ")?;
    let second = import(&world, &[])?.exits(4)?;
    let run = world.run(WORKFLOW);
    let run_id = run.describe()?["workflowExecutionInfo"]["execution"]["runId"].clone();
    let run_id = run_id.as_str().context("a run")?;
    ensure!(second.stderr.contains(run_id) && second.stderr.contains("workflow show --follow"), "{}", second.stderr);
    command.interrupt()?;
    command.wait_until_it_says("it stops after the step under way")?;
    world.stripe.release(&held)?;
    let stopped = command.ended()?.exits(1)?;
    for words in ["it was stopped before its end: 0 of ", "tenantry import customers --resume"] {
        ensure!(stopped.stderr.contains(words), "{words} is not in:\n{}", stopped.stderr);
    }
    // What was read, however often it was asked for.
    let walked = "SELECT pages FROM walks ORDER BY started_at DESC LIMIT 1";
    let read: usize = world.value(walked)?.parse()?;
    ensure!(read == MANY / PAGE + 5, "{read} pages");
    let asked = pages(&world, "/v1/subscriptions")?;
    let resumed = import(&world, &["--resume", "--page-size", &size, "--output", "json"])?.exits(0)?;
    let shown = document(&resumed.stdout)?;
    ensure!(shown["result"]["resumed"] == true && shown["result"]["totals"]["imported"] == MANY, "{shown}");
    // Nothing was read twice: twelve full pages of each, of which the last says that it is, and one
    // of products.
    let read: usize = world.value(walked)?.parse()?;
    ensure!(read == 2 * MANY / PAGE + 1, "{read} pages");
    let after = pages(&world, "/v1/subscriptions")? - asked;
    ensure!(after == MANY / PAGE - 5, "{after} pages after it was stopped");
    Ok(())
}

#[test]
fn a_second_ctrl_c_leaves_it_to_itself() -> Result<()> {
    let world = world("import-left")?;
    settle_many(&world)?;
    let held = world.stripe.hold("GET", "/v1/customers", "before", 0)?;
    let command = world.tenantry_at_work(&IMPORT)?;
    world.stripe.wait_until_held(&held)?;
    command.wait_until_it_says("reading: ")?;
    // Or the read ends while it is held, and the import with it.
    world.kill_worker()?;
    command.interrupt()?;
    command.wait_until_it_says("Ctrl-C again")?;
    command.interrupt()?;
    let left = command.ended()?.exits(1)?;
    ensure!(left.stderr.contains("was left before its end"), "{}", left.stderr);
    let run = world.run(WORKFLOW);
    let status = &run.describe()?["workflowExecutionInfo"]["status"];
    ensure!(*status == "WORKFLOW_EXECUTION_STATUS_RUNNING", "{status}");
    world.stripe.release(&held)?;
    world.start_worker(&[])?;
    let Ending::Completed(result) = run.ending(Duration::from_secs(120))? else {
        return Err(anyhow::anyhow!("it did not complete"));
    };
    ensure!(result["resumable"] == true, "{result}");
    Ok(())
}
