//! `tenantry runs list`: what an operator finds, and what is no longer worth finding.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Purchase, Run, World};
use serde_json::{Value, json};
use stack::deadline;

const NOBODY: &str = "33333333-3333-4333-8333-333333333333";
/// More than the minute after which a run is stuck.
const UNTIL_STUCK: Duration = Duration::from_secs(110);

/// The list with these flags.
fn list(world: &World, flags: &[&str]) -> Result<Vec<Value>> {
    let said = world.tenantry(&[&["runs", "list", "--output", "json"], flags].concat())?.exits(0)?;
    let list: Value = serde_json::from_str(&said.stdout)?;
    list["runs"].as_array().cloned().context("no list of runs")
}

/// Waits until the list with these flags has exactly these workflow ids: the server's may lag behind.
fn wait_for(world: &World, flags: &[&str], ids: &[&str]) -> Result<Vec<Value>> {
    let mut expected: Vec<&str> = ids.to_vec();
    expected.sort_unstable();
    let what = format!("`runs list {}` to have {expected:?}", flags.join(" "));
    deadline::poll(&what, Duration::from_secs(60), || {
        let runs = list(world, flags)?;
        let mut found: Vec<&str> = runs.iter().filter_map(|run| run["workflow_id"].as_str()).collect();
        found.sort_unstable();
        Ok((found == expected).then_some(runs.clone()))
    })
    .with_context(|| format!("{:?}", list(world, flags)))
}

fn lost(world: &World) -> Result<(Run, Purchase)> {
    let mut purchase = world.stripe.buy(10)?;
    purchase.subscription = "sub_1Lost".to_owned();
    let run = world.onboard(&purchase)?;
    assert_eq!(run.failure()?.0, "StripeNotFound");
    Ok((run, purchase))
}

#[test]
fn what_failed_and_was_then_started_again_with_success_is_not_listed_as_failed() -> Result<()> {
    let world = World::named("runs-latest").start()?;
    let text = world.tenantry(&["runs", "list", "--failed"])?.exits(0)?.stdout;
    ensure!(text.starts_with("no runs fit"), "{text}");
    let mut purchase = world.stripe.buy(10)?;
    let right = std::mem::replace(&mut purchase.subscription, "sub_1Lost".to_owned());
    let first = world.onboard(&purchase)?;
    first.failure()?;
    let id = first.workflow_id.as_str();
    let failed = wait_for(&world, &["--failed"], &[id])?;
    for (field, expected) in [
        ("status", json!("failed")),
        ("failure_kind", json!("StripeNotFound")),
        ("workflow_type", json!("createTenantWorkflow")),
        ("run_id", json!(first.run_id)),
        ("stripe_customer_id", json!(purchase.customer)),
        ("stripe_subscription_id", json!("sub_1Lost")),
        ("tenant_id", Value::Null),
        ("stuck", Value::Null),
    ] {
        assert_eq!(failed[0][field], expected, "{field}");
    }
    purchase.subscription = right;
    let second = world.onboard(&purchase)?;
    let tenant = second.result()?["tenant_id"].clone();
    // The failed run is still there for whoever lists runs; here its id stands once, and is done.
    assert_eq!(list(&world, &["--failed"])?, Vec::<Value>::new());
    let all = wait_for(&world, &[], &[id])?;
    assert_eq!((&all[0]["status"], &all[0]["tenant_id"]), (&json!("completed"), &tenant));
    assert_eq!(all[0]["run_id"], json!(second.run_id));
    let text = world.tenantry(&["runs", "list"])?.exits(0)?.stdout;
    ensure!(text.contains(id) && text.contains("completed"), "{text}");
    Ok(())
}

#[test]
fn a_list_is_narrowed_down() -> Result<()> {
    let world = World::named("runs-narrow").start()?;
    let bought = world.tenant_with(3)?;
    let done = format!("create-tenant-{}", bought.purchase.customer);
    let (lost, of_lost) = lost(&world)?;
    let wrong =
        world.start_with(&format!("create-tenant-wrong_{}", bought.purchase.customer), r#"{"email": "no address"}"#)?;
    assert_eq!(wrong.failure()?.0, "ValidationError");
    let subscription = world.stripe.buy(2)?.subscription;
    let import = format!("import-subscription-{subscription}");
    let input = json!({"tenant_id": NOBODY, "stripe_subscription_id": subscription}).to_string();
    assert_eq!(world.start_in_bulk("importSubscriptionWorkflow", &import, &input)?.failure()?.0, "TenantNotFound");
    let (lost, wrong, done, import) =
        (lost.workflow_id.as_str(), wrong.workflow_id.as_str(), done.as_str(), import.as_str());
    let all = wait_for(&world, &[], &[lost, wrong, done, import])?;
    assert_eq!(all[0]["workflow_id"], import, "the newest stands first");
    wait_for(&world, &["--failed"], &[lost, wrong, import])?;
    wait_for(&world, &["--type", "importSubscriptionWorkflow"], &[import])?;
    let both = ["--type", "importSubscriptionWorkflow", "--type", "createTenantWorkflow", "--failed"];
    wait_for(&world, &both, &[lost, wrong, import])?;
    wait_for(&world, &["--kind", "ValidationError"], &[wrong])?;
    wait_for(&world, &["--kind", "ValidationError", "--kind", "TenantNotFound"], &[wrong, import])?;
    wait_for(&world, &["--kind", "TenantNotFound", "--type", "createTenantWorkflow"], &[])?;
    wait_for(&world, &["--tenant", &bought.id], &[done])?;
    wait_for(&world, &["--tenant", NOBODY], &[import])?;
    wait_for(&world, &["--customer", &of_lost.customer], &[lost])?;
    wait_for(&world, &["--customer", &of_lost.customer, "--kind", "ValidationError"], &[])?;
    wait_for(&world, &["--failed", "--since", "2h"], &[lost, wrong, import])?;
    wait_for(&world, &["--since", "2030-01-01T00:00:00Z"], &[])?;
    let text = world.tenantry(&["runs", "list", "--limit", "2"])?.exits(0)?.stdout;
    ensure!(text.contains("there are more") && text.contains(import) && !text.contains(lost), "{text}");
    let said = world.tenantry(&["runs", "list", "--limit", "4", "--output", "json"])?.exits(0)?.stdout;
    assert_eq!(serde_json::from_str::<Value>(&said)?["more"], false);
    narrow_screens(&world, lost)
}

/// A line that is too long for the screen is one that nobody reads.
fn narrow_screens(world: &World, id: &str) -> Result<()> {
    for columns in ["70", "140"] {
        let text = world.tenantry_with(&["runs", "list"], &[("COLUMNS", columns)])?.exits(0)?.stdout;
        let width: usize = columns.parse()?;
        let long = text.lines().find(|line| line.chars().count() > width);
        ensure!(long.is_none() && text.contains(id), "on {columns} columns: {long:?}\n{text}");
    }
    Ok(())
}

#[test]
fn what_a_person_ended_is_told_from_what_failed() -> Result<()> {
    let world = World::named("runs-ended").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let cancelled = world.onboard(&world.stripe.buy(1)?)?;
    world.wait_until_held_in(&cancelled)?;
    cancelled.cancel()?;
    world.release()?;
    cancelled.ending(Duration::from_secs(60))?;
    world.stop_worker()?;
    let terminated = world.onboard(&world.stripe.buy(1)?)?;
    terminated.terminate()?;
    wait_for(&world, &["--failed"], &[&terminated.workflow_id])?;
    let listed = wait_for(&world, &["--failed", "--kind", "Cancelled"], &[&cancelled.workflow_id])?;
    assert_eq!(listed[0]["status"], "cancelled");
    wait_for(&world, &["--kind", "Cancelled"], &[&cancelled.workflow_id])?;
    Ok(())
}

/// That run among those that are listed.
fn of(listed: &[Value], run: &Run) -> Result<Value> {
    let found = listed.iter().find(|one| one["workflow_id"] == run.workflow_id.as_str());
    found.cloned().context("not listed")
}

/// A run that a worker cannot decide is stuck at its second try; the others are given a minute.
#[test]
fn what_goes_nowhere_is_listed_with_what_it_waits_for() -> Result<()> {
    let world = World::named("runs-stuck").start()?;
    let (refused, silent) = (world.stripe.buy(1)?, world.stripe.buy(1)?);
    world.stripe.fault_every(1, &format!("/v1/*{}*", refused.subscription), &["unauthorized"])?;
    let silence = world.stripe.hold_all("GET", &format!("/v1/*{}*", silent.subscription))?;
    let (refused, silent) = (world.onboard(&refused)?, world.onboard(&silent)?);
    let foreign = format!("newer-{}", world.task_queue());
    let foreign = world.start_workflow("newerWorkflow", &foreign, "AllowDuplicate", "{}")?;
    wait_for(&world, &["--stuck"], &[&foreign.workflow_id])?;
    let nobodys = World::named("runs-nobody").without_worker()?;
    let waiting = nobodys.onboard(&nobodys.stripe.buy(1)?)?;
    let all = [&refused.workflow_id, &silent.workflow_id, &foreign.workflow_id].map(String::as_str);
    deadline::poll("the runs to be stuck", UNTIL_STUCK, || Ok((list(&world, &["--stuck"])?.len() == 3).then_some(())))?;
    // There is no next try while one is under way.
    let stuck = deadline::poll("a next try", Duration::from_secs(60), || {
        let stuck = wait_for(&world, &["--stuck"], &all)?;
        let one = of(&stuck, &refused)?;
        Ok(one["stuck"]["next_try_at"].is_string().then_some(stuck))
    })?;
    let of = |run: &Run| of(&stuck, run);
    let one = of(&refused)?;
    assert_eq!(
        (&one["failure_kind"], &one["stuck"]["activity"]),
        (&json!("StripeUnauthorized"), &json!("resolvePurchase"))
    );
    ensure!(one["stuck"]["attempt"].as_i64() > Some(3), "{one}");
    ensure!(one["stuck"]["last_error"].as_str().is_some_and(|said| said.contains("HTTP 401")), "{one}");
    let one = of(&silent)?;
    assert_eq!((&one["status"], &one["stuck"]["activity"]), (&json!("running"), &json!("resolvePurchase")));
    ensure!(one["stuck"]["attempt"].as_i64() > Some(1), "{one}");
    assert_eq!(of(&foreign)?["stuck"]["activity"], "workflow task");
    wait_for(&world, &["--stuck", "--kind", "StripeUnauthorized"], &[&refused.workflow_id])?;
    let text = world.tenantry(&["runs", "list", "--stuck"])?.exits(0)?.stdout;
    ensure!(text.contains("resolvePurchase, attempt ") && text.contains("Stripe does not accept the key"), "{text}");
    why_it_waits(&world, &refused, &silent, &foreign)?;
    wait_for(&nobodys, &["--stuck"], &[&waiting.workflow_id])?;
    let why = nobodys.tenantry(&["runs", "why", &waiting.workflow_id])?.exits(0)?.stdout;
    ensure!(why.contains("waits for a worker") && why.contains("tenantry doctor"), "{why}");
    // Nothing was wrong with them.
    world.stripe.forget_faults()?;
    world.stripe.release(&silence)?;
    refused.result()?;
    silent.result()?;
    wait_for(&world, &["--stuck"], &[&foreign.workflow_id])?;
    foreign.terminate()?;
    waiting.terminate()
}

fn why_it_waits(world: &World, refused: &Run, silent: &Run, foreign: &Run) -> Result<()> {
    let why =
        |run: &Run| -> Result<String> { Ok(world.tenantry(&["runs", "why", &run.workflow_id])?.exits(0)?.stdout) };
    for (run, words) in [
        (
            refused,
            &[
                "its step resolvePurchase (look at cus_",
                "HTTP 401",
                "until the worker has a valid one",
                "The next try is",
            ][..],
        ),
        (silent, &["its step resolvePurchase (look at cus_", "The next try is"]),
        (foreign, &["could not tell what comes next", "newerWorkflow", "does not know this workflow"]),
    ] {
        let said = why(run)?;
        let missing = words.iter().find(|word| !said.contains(**word));
        ensure!(missing.is_none() && said.contains("tenantry doctor"), "{missing:?} is not in:\n{said}");
    }
    Ok(())
}

#[test]
fn wrong_questions_are_refused_and_the_near_word_is_named() -> Result<()> {
    let world = World::named("runs-codes").without_worker()?;
    let away = [("TEMPORAL_ADDRESS", "127.0.0.1:9")];
    let usage: [(&[&str], &str); 10] = [
        (&["runs"], "Usage"),
        (&["runs", "lst"], "'list'"),
        (&["runs", "list", "--type", "createTenantWorkfow"], "'createTenantWorkflow'"),
        (&["runs", "list", "--kind", "StripeNotFuond"], "'StripeNotFound'"),
        (&["runs", "list", "--fialed"], "'--failed'"),
        (&["runs", "list", "--since", "yesterday"], "--since"),
        (&["runs", "list", "--limit", "0"], "--limit"),
        (&["runs", "list", "--tenant", "42"], "--tenant"),
        (&["runs", "list", "--customer", "sub_1"], "--customer"),
        (&["runs", "show", "create-tenant-cus_1", "--run", "42"], "--run"),
    ];
    for (args, word) in usage {
        let said = world.tenantry_with(args, &away)?.exits(2)?;
        ensure!(said.everything().contains(word) && said.stdout.is_empty(), "{args:?}: {said:?}");
    }
    let asks: [&[&str]; 4] =
        [&["runs", "list"], &["runs", "show", "a"], &["runs", "why", "a"], &["runs", "watch", "a", "--output", "json"]];
    for args in asks {
        world.tenantry_with(args, &away)?.exits(5)?;
    }
    Ok(())
}
