//! `tenantry runs replay --failed`: what failed, few or hundreds, is started again once its cause is
//! gone, and every step has had its effect once.

pub(crate) mod crowd;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use crowd::{assert_onboarded_once, batch, document, failed, id, replay, wait_for, wait_until};
use e2e::World;
use serde_json::{Value, json};
use stack::deadline;

const FOURTH: [&str; 3] = ["resolvePurchase", "createTenant", "insertStripeCustomer"];

fn lines(world: &World, file: &str) -> Result<Vec<Value>> {
    fs::read_to_string(world.folder().join(file))?.lines().map(document).collect()
}

#[test]
fn five_that_failed_at_their_fourth_step_are_finished_by_one_command() -> Result<()> {
    let world = World::named("batch-five").start()?;
    let sold = failed(&world, 5)?;
    for purchase in &sold {
        assert_eq!(world.run(&id(purchase)).state()?["done"], json!(FOURTH), "{purchase:?}");
    }
    let look = ["runs", "replay", "--failed", "--dry-run", "--output", "json"];
    let plan = document(&world.tenantry(&look)?.exits(0)?.stdout)?;
    let of_a_kind = json!([{"workflow_type": "createTenantWorkflow", "failure_kind": "StripeNotFound", "runs": 5}]);
    assert_eq!((&plan["counts"], &plan["skipped"]), (&of_a_kind, &json!([])));
    wait_for(&world, "Failed", 5)?;
    // Nobody can be asked here, and nothing is started unasked.
    let unasked = world.tenantry(&["runs", "replay", "--failed"])?.exits(2)?;
    ensure!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let said =
        replay(&world, &["--name", "five", "--reason", "ticket 4711", "--operator", "ann", "--report", "r.ndjson"])?;
    let said = said.exits(0)?;
    for words in ["5 failed runs would be started again", "StripeNotFound", "replay-batch-five"] {
        ensure!(said.stderr.contains(words), "{words} is not in:\n{}", said.stderr);
    }
    for words in ["status    completed", "operator  ann", "reason    ticket 4711", "runs      5 completed"] {
        ensure!(said.stdout.contains(words), "{words} is not in:\n{}", said.stdout);
    }
    assert_onboarded_once(&world, &sold)?;
    let lines = lines(&world, "r.ndjson")?;
    ensure!(lines.len() == 5 && lines.iter().all(|line| line["outcome"] == "completed"), "{lines:?}");
    for line in &lines {
        let run = world.run(line["workflow_id"].as_str().context("an id")?);
        assert_eq!(run.describe()?["workflowExecutionInfo"]["execution"]["runId"], line["run_id"]);
        assert_eq!(run.search_attribute("TenantId")?, line["tenant_id"]);
    }
    names_nobody(&world)?;
    let again = replay(&world, &["--report", "r.ndjson"])?.exits(0)?;
    ensure!(again.stdout.contains("no failed runs fit"), "{}", again.everything());
    ensure!(fs::read_to_string(world.folder().join("r.ndjson"))?.is_empty(), "the report is of the run before");
    let again = document(&replay(&world, &["--output", "json"])?.exits(0)?.stdout)?;
    assert_eq!(again, json!({"started": false, "batch": null, "skipped": []}));
    assert_onboarded_once(&world, &sold)
}

/// Names and e-mails stand in the payloads of a batch alone.
fn names_nobody(world: &World) -> Result<()> {
    let run = world.run("replay-batch-five");
    let details = run.details()?;
    ensure!(details.contains("**Batch** 5 failed runs") && details.contains("5 completed"), "{details}");
    let shown = [details, run.describe()?.to_string()].concat().to_lowercase();
    let result = run.result()?.to_string().to_lowercase();
    let names = ["ann's company", "example.com"];
    ensure!(names.iter().all(|name| !shown.contains(name) && !result.contains(name)), "{shown}\n{result}");
    Ok(())
}

#[test]
fn six_hundred_that_failed_at_their_fourth_step_are_finished_by_one_command() -> Result<()> {
    const MANY: usize = 600;
    let world = World::named("batch-many").start()?;
    let began = Instant::now();
    let sold = failed(&world, MANY)?;
    let (failed_in, began) = (began.elapsed(), Instant::now());
    let said = replay(&world, &["--rate", "100", "--name", "many", "--output", "json"])?.exits(0)?;
    let took = began.elapsed();
    let said = document(&said.stdout)?;
    assert_eq!(said["batch"]["counts"]["completed"], MANY, "{}", said["batch"]["counts"]);
    assert_onboarded_once(&world, &sold)?;
    let lengths = history_lengths(&world, "replay-batch-many")?;
    println!(
        "{MANY} failed in {failed_in:.1?}, replayed in {took:.1?}, {:.1} a second, histories of {lengths:?} events",
        MANY as f64 / took.as_secs_f64()
    );
    ensure!(lengths.iter().all(|events| *events < 10_000), "{lengths:?}");
    let again = replay(&world, &[])?.exits(0)?;
    ensure!(again.stdout.contains("no failed runs fit"), "{}", again.everything());
    assert_onboarded_once(&world, &sold)
}

/// Of each run of the batch's chain.
fn history_lengths(world: &World, workflow_id: &str) -> Result<Vec<i64>> {
    let query = format!("WorkflowId = '{workflow_id}' AND TaskQueue = '{}-bulk'", world.task_queue());
    let listed = world.temporal.cli(&["workflow", "list", "--query", &query, "--output", "json"])?;
    let listed: Value = serde_json::from_str(&listed)?;
    let runs = listed.as_array().context("a list of runs")?;
    Ok(runs.iter().filter_map(|run| run["historyLength"].as_str()?.parse().ok()).collect())
}

#[test]
fn what_failed_again_stays_listed_with_its_new_reason() -> Result<()> {
    let world = World::named("batch-again").start()?;
    let sold = failed(&world, 2)?;
    // A second item, so that nobody can tell which one counts licences.
    let (of, price) = (&sold[1].subscription, world.stripe.price()?);
    let extra = world.stripe.make("/subscription_items", &[("subscription", of), ("price", &price)])?;
    let said = replay(&world, &["--name", "again"])?.exits(1)?;
    let lost = id(&sold[1]);
    ensure!(said.stdout.contains("1 completed, 1 failed again"), "{}", said.stdout);
    ensure!(said.stderr.contains(&format!("tenantry runs why {lost}")), "{}", said.stderr);
    let listed = world.tenantry(&["runs", "list", "--failed", "--output", "json"])?.exits(0)?;
    let listed = document(&listed.stdout)?;
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(1), "{listed}");
    let run = &listed["runs"][0];
    assert_eq!((&run["workflow_id"], &run["failure_kind"]), (&json!(lost), &json!("AmbiguousSubscription")));
    let shown = batch(&world, &["show", "again"])?;
    let items = shown["items"].as_array().context("a list")?;
    let item = items.iter().find(|item| item["outcome"] == "failed").context("one failed")?;
    assert_eq!((&item["workflow_id"], &item["failure"]["kind"]), (&json!(lost), &json!("AmbiguousSubscription")));
    // A name is given once.
    let taken = replay(&world, &["--name", "again"])?.exits(4)?;
    ensure!(taken.stderr.contains("tenantry runs batch show again"), "{}", taken.stderr);
    world.stripe.delete(&format!("/subscription_items/{extra}"))?;
    replay(&world, &[])?.exits(0)?;
    wait_for(&world, "Completed", 2)
}

/// Starts a run that cannot succeed.
fn doomed(world: &World, kind: &str, workflow_id: &str, input: &Value) -> Result<()> {
    let queue = match kind {
        "createTenantWorkflow" | "changeLicenseCountWorkflow" => world.task_queue(),
        _ => format!("{}-bulk", world.task_queue()),
    };
    let started = ["workflow", "start", "--type", kind, "--workflow-id", workflow_id, "--task-queue", &queue];
    world.temporal.cli(&[&started[..], &["--input", &input.to_string()]].concat())?;
    world.run(workflow_id).failure().map(drop)
}

#[test]
fn what_no_batch_starts_again_is_left_alone_and_has_a_command() -> Result<()> {
    let world = World::named("batch-skips").start()?;
    let nobody = "99999999-9999-4999-8999-999999999999";
    let unique = world.task_queue();
    let (change, import) = (format!("change-{unique}"), format!("import-{unique}"));
    let (customers, misfit) = (format!("customers-{unique}"), format!("misfit-{unique}"));
    doomed(&world, "changeLicenseCountWorkflow", &change, &json!({"tenant_id": nobody, "quantity": 5}))?;
    doomed(
        &world,
        "importSubscriptionWorkflow",
        &import,
        &json!({"tenant_id": nobody, "stripe_subscription_id": "sub_1Lost"}),
    )?;
    doomed(&world, "syncStripeCustomersWorkflow", &customers, &json!({"tenant_id": nobody}))?;
    doomed(&world, "createTenantWorkflow", &misfit, &json!({"email": "ann@example.com"}))?;
    let dry_run = |flags: &[&str]| {
        world.tenantry(&[&["runs", "replay", "--failed", "--dry-run", "--output", "json"][..], flags].concat())
    };
    // The server's list lags.
    let plan = deadline::poll("all four to be listed", Duration::from_secs(60), || {
        let plan = document(&dry_run(&[])?.exits(0)?.stdout)?;
        let is_whole = ["items", "skipped"].iter().filter_map(|list| plan[*list].as_array()).flatten().count() == 4;
        Ok(is_whole.then_some(plan))
    })?;
    assert_eq!(plan["items"].as_array().map(Vec::len), Some(1), "{plan}");
    assert_eq!(plan["items"][0]["workflow_id"], json!(import));
    for (workflow_id, why, next) in [
        (&change, "decided anew", "tenantry runs replay change-"),
        (&customers, "goes on where it was", &format!("tenantry import customers --tenant {nobody} --resume")),
        (&misfit, "client_name", "--set FIELD=VALUE"),
    ] {
        let skipped = plan["skipped"].as_array().context("a list")?;
        let one = skipped.iter().find(|one| one["workflow_id"] == json!(workflow_id)).context("it is skipped")?;
        let says = |field: &str, words: &str| one[field].as_str().is_some_and(|text| text.contains(words));
        ensure!(says("why", why) && says("next", next), "{one}");
    }
    // A field that one of them does not have is refused before anything starts, and so is a value.
    for (flags, words) in [
        (&["--set", "client_name=Ann"][..], "narrow it down with --type createTenantWorkflow"),
        (&["--set", "clientname=Ann"], "has no field clientname"),
        (&["--set", "client_name= ", "--type", "createTenantWorkflow"], "client_name"),
        (&["--type", "createTenantWorkflows"], "createTenantWorkflow"),
        (&["--stuck"], "leave out --stuck"),
    ] {
        let refused = dry_run(flags)?;
        if flags.contains(&"client_name= ") {
            // It never fitted, and does not now: it is left alone.
            ensure!(document(&refused.exits(0)?.stdout)?["items"] == json!([]), "an empty name fits");
            continue;
        }
        let refused = refused.exits(2)?;
        ensure!(refused.stderr.contains(words), "{words} is not in:\n{}", refused.stderr);
    }
    let flags = ["--set", "client_name=Ann & Co", "--type", "createTenantWorkflow"];
    let mended = document(&replay(&world, &[&flags[..], &["--output", "json"]].concat())?.exits(0)?.stdout)?;
    assert_eq!(mended["batch"]["counts"]["completed"], 1, "{mended}");
    assert_eq!(world.value("SELECT client_name FROM tenants WHERE NOT is_master_billing")?, "Ann & Co");
    Ok(())
}

#[test]
fn a_correction_is_set_in_every_one_of_them() -> Result<()> {
    let world = World::named("batch-set").start()?;
    let sold = failed(&world, 3)?;
    let run = |flags: &[&str]| world.tenantry(&[&["runs", "replay", "--failed"][..], flags].concat());
    let looked = run(&["--dry-run", "--set", "initial_license_count=3"])?.exits(0)?;
    ensure!(looked.stdout.contains("--set changes initial_license_count in 3."), "{}", looked.stdout);
    let refused = run(&["--yes", "--set", "email=nobody"])?.exits(2)?;
    ensure!(
        refused.stderr.contains("email: expected") && refused.stderr.contains("nothing was started"),
        "{}",
        refused.stderr
    );
    // Each belongs to a customer of its own: all cannot be led to one, and none to another's.
    let elsewhere = format!("stripe_customer_id={}", sold[0].customer);
    let refused = run(&["--yes", "--set", &elsewhere])?.exits(2)?;
    ensure!(refused.stderr.contains("says whose a purchase is"), "{}", refused.stderr);
    run(&["--yes", "--set", &elsewhere, "--customer", &sold[1].customer])?.exits(4)?;
    ensure!(
        document(&run(&["--dry-run", "--output", "json"])?.exits(0)?.stdout)?["items"].as_array().map(Vec::len)
            == Some(3)
    );
    run(&["--yes", "--set", "initial_license_count=3", "--limit", "2"])?.exits(0)?;
    run(&["--yes", "--set", "initial_license_count=3"])?.exits(0)?;
    for purchase in &sold {
        let warnings = world.run(&id(purchase)).result()?["warnings"].to_string();
        ensure!(warnings.contains("initial_license_count 3 was not taken"), "{warnings}");
    }
    assert_onboarded_once(&world, &sold)
}

#[test]
fn a_batch_is_stopped_listed_and_resumed() -> Result<()> {
    let world = World::named("batch-stop").start()?;
    // At one a second, enough for it to be stopped before its end however slow the machine is.
    let sold = failed(&world, 25)?;
    let started = replay(&world, &["--rate", "1", "--name", "stop", "--no-wait"])?.exits(0)?;
    ensure!(started.stderr.contains("tenantry runs batch stop replay-batch-stop"), "{}", started.everything());
    wait_until(&world, "stop", "some to be started", |shown| shown["counts"]["not_started"].as_u64() < Some(24))?;
    world.tenantry(&["runs", "batch", "resume", "stop", "--yes"])?.exits(4)?;
    batch(&world, &["stop", "sto", "--operator", "bob"])?;
    let shown = wait_until(&world, "stop", "the batch to end", |shown| shown["status"] == "completed")?;
    let left = shown["counts"]["not_started"].as_u64().context("a number")?;
    ensure!((1..=24).contains(&left) && shown["stopped_by"] == "bob", "{shown}");
    ensure!(shown["counts"]["completed"].as_u64() == Some(25 - left), "those that ran were not waited for: {shown}");
    let text = world.tenantry(&["runs", "batch", "show", "replay-batch-stop"])?.exits(0)?.stdout;
    ensure!(text.contains("status      stopped"), "{text}");
    let other = world.tenantry(&["runs", "replay", "replay-batch-stop"])?.exits(4)?;
    ensure!(other.stderr.contains("tenantry runs batch show replay-batch-stop"), "{}", other.stderr);
    let over = world.tenantry(&["runs", "batch", "stop", "stop"])?.exits(4)?;
    ensure!(over.stderr.contains("over already"), "{}", over.stderr);
    world.tenantry(&["runs", "batch", "show", "nobody"])?.exits(3)?;
    let resumed =
        world.tenantry(&["runs", "batch", "resume", "stop", "--yes", "--rate", "50", "--report", "all.ndjson"])?;
    resumed.exits(0)?;
    ensure!(lines(&world, "all.ndjson")?.len() == 25, "what was done before is not in the report");
    assert_onboarded_once(&world, &sold)?;
    let report = ["--report", "again.ndjson"];
    let nothing = world.tenantry(&[&["runs", "batch", "resume", "stop", "--yes"], &report[..]].concat())?.exits(0)?;
    assert_eq!(lines(&world, "again.ndjson")?, lines(&world, "all.ndjson")?);
    ensure!(nothing.stderr.contains("nothing to resume"), "{}", nothing.stderr);
    let listed = batch(&world, &["list"])?;
    let one = &listed["batches"][0];
    ensure!(listed["batches"].as_array().map(Vec::len) == Some(1) && one["counts"]["completed"] == 25, "{listed}");
    let text = world.tenantry(&["runs", "batch", "list"])?.exits(0)?.stdout;
    ensure!(text.contains("25 completed"), "{text}");
    Ok(())
}

#[test]
fn a_run_that_does_not_end_is_left_to_itself() -> Result<()> {
    let world = World::named("batch-slow").start()?;
    let sold = failed(&world, 2)?;
    let held = world.stripe.hold_all("GET", &format!("/v1/subscriptions/{}", sold[0].subscription))?;
    let plan = ["runs", "replay", "--failed", "--dry-run", "--output", "json"];
    let plan = document(&world.tenantry(&plan)?.exits(0)?.stdout)?;
    let items = plan["items"].as_array().context("items")?.iter().map(|item| {
        let of = sold.iter().find(|one| json!(id(one)) == item["workflow_id"]).context("it was sold")?;
        let input = json!({"workflow_type": "createTenantWorkflow", "input": World::call_of_the_store(of)});
        Ok(json!({"workflow_id": item["workflow_id"], "run_id": item["run_id"], "input": input}))
    });
    let items: Vec<Value> = items.collect::<Result<_>>()?;
    let input = json!({"operator": "ann", "patience_secs": 3, "items": items});
    let unique = world.task_queue();
    world.start_in_bulk("replayBatchWorkflow", &format!("replay-batch-{unique}"), &input.to_string())?;
    // The batch may have waited for neither; the other one is done a little later.
    let counts = json!({"items": 2, "not_started": 0, "running": 1, "completed": 1, "failed": 0, "not_failed": 0});
    let is_so = |shown: &Value| shown["status"] == "completed" && shown["counts"] == counts;
    wait_until(&world, &unique, "the batch to end", is_so)?;
    world.stripe.release(&held)?;
    // What is shown later holds then.
    let what = "the run to be shown as completed";
    wait_until(&world, &unique, what, |shown| shown["counts"]["completed"] == 2)?;
    world.run(&id(&sold[0])).ending(Duration::from_secs(60))?;
    assert_onboarded_once(&world, &sold)
}
