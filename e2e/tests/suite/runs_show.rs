//! `tenantry runs show`, `watch` and `tenantry ui`: one run, found by its id or the beginning of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Run, World};
use serde_json::{Value, json};
use stack::deadline;

const UI: (&str, &str) = ("TEMPORAL_UI_URL", "http://ui.example/t/");

fn shown(world: &World, args: &[&str]) -> Result<Value> {
    let said = world.tenantry_with(&[&["runs", "show", "--output", "json"], args].concat(), &[UI])?.exits(0)?;
    serde_json::from_str(&said.stdout).with_context(|| said.stdout.clone())
}

fn text(world: &World, args: &[&str]) -> Result<String> {
    Ok(world.tenantry_with(args, &[UI])?.exits(0)?.stdout)
}

fn has(text: &str, words: &[&str]) -> Result<()> {
    words.iter().try_for_each(|word| {
        ensure!(text.contains(word), "{word:?} is not in:\n{text}");
        Ok(())
    })
}

fn link(run: &Run) -> String {
    let run_id = run.run_id.as_deref().unwrap_or_default();
    format!("http://ui.example/t/namespaces/default/workflows/{}/{run_id}/history", run.workflow_id)
}

#[test]
fn a_run_is_shown_with_each_step_and_its_tries() -> Result<()> {
    let world = World::named("runs-show").start()?;
    let mut purchase = world.stripe.buy(10)?;
    let right = std::mem::replace(&mut purchase.subscription, "sub_1Lost".to_owned());
    let first = world.onboard(&purchase)?;
    first.failure()?;
    purchase.subscription = right;
    world.stripe.fault("POST", &format!("/v1/customers/{}", purchase.customer), "server_error", 0)?;
    let second = world.onboard(&purchase)?;
    let result = second.result()?;
    let id = second.workflow_id.as_str();
    // The server's list, where the others come from, may lag behind.
    let run = deadline::poll("the earlier run to be listed", Duration::from_secs(60), || {
        Ok(Some(shown(&world, &[id])?).filter(|run| run["other_runs"].as_array().is_some_and(|runs| !runs.is_empty())))
    })?;
    assert_eq!((&run["status"], &run["link"]), (&json!("completed"), &json!(link(&second))));
    assert_eq!(run["input"]["client_name"], "Ann's Company");
    assert_eq!((&run["result"]["tenant_id"], &run["result"]["created"]), (&result["tenant_id"], &json!(true)));
    let steps = run["steps"].as_array().context("no steps")?;
    let mut told: Vec<_> = steps.iter().map(|step| json!([step["name"], step["outcome"]])).collect();
    told[5..].sort_by_key(ToString::to_string);
    let expected = [
        json!(["resolvePurchase", "done"]),
        json!(["createTenant", "done"]),
        json!(["insertStripeCustomer", "done"]),
        json!(["importSubscription", "done"]),
        json!(["setLicensedUserCount", "done"]),
        json!(["tagCustomer", "done"]),
        json!(["tagSubscription", "done"]),
    ];
    assert_eq!(told, expected);
    assert_eq!(steps[3]["about"], format!("import {}", purchase.subscription));
    let tag = steps.iter().find(|step| step["name"] == "tagCustomer").context("no tag")?;
    assert_eq!(tag["last_error"]["kind"], "StripeUnavailable");
    // One of them on a machine that is slow may be one more.
    ensure!(tag["tries"].as_i64() >= Some(2) && steps[3]["tries"].as_i64() >= Some(1), "{steps:?}");
    let other = &run["other_runs"][0];
    assert_eq!(
        (&other["run_id"], &other["status"], &other["link"]),
        (&json!(first.run_id), &json!("failed"), &json!(link(&first)))
    );
    let said = text(&world, &["runs", "show", id])?;
    let about = format!("import {}", purchase.subscription);
    has(
        &said,
        &["completed after", "client_name: Ann's Company", &about, "earlier", &link(&first), "licensed_user_count: 10"],
    )?;
    // The older one, by its own id.
    let older = ["runs", "show", id, "--run", first.run_id.as_deref().context("an id")?];
    has(
        &text(&world, &older)?,
        &["failed after", "StripeNotFound: sub_1Lost does not exist", "later", &link(&second)],
    )?;
    let unknown = ["runs", "show", id, "--run", "99999999-9999-4999-8999-999999999999"];
    world.tenantry(&unknown)?.exits(3)?;
    Ok(())
}

#[test]
fn a_run_is_found_by_as_much_of_its_id_as_tells_it_apart() -> Result<()> {
    let world = World::named("runs-prefix").start()?;
    let (one, other) = (world.tenant_with(1)?.purchase, world.tenant_with(1)?.purchase);
    let id = format!("create-tenant-{}", one.customer);
    let beginning = &id[..id.len() - 2];
    deadline::poll("both to be listed", Duration::from_secs(60), || {
        let list: Value = serde_json::from_str(&text(&world, &["runs", "list", "--output", "json"])?)?;
        Ok((list["runs"].as_array().map(Vec::len) == Some(2)).then_some(()))
    })?;
    assert_eq!(shown(&world, &[beginning])?["workflow_id"], id.as_str());
    let several = world.tenantry(&["runs", "show", "create-tenant-cus_"])?.exits(2)?.stderr;
    has(&several, &["several workflow ids begin with", &one.customer, &other.customer])?;
    let slip = id.replace("create-tenant", "create-tennant");
    has(&world.tenantry(&["runs", "why", &slip])?.exits(3)?.stderr, &["did you mean", &id])?;
    for about in [&one.customer, &one.subscription] {
        has(&world.tenantry(&["runs", "why", about])?.exits(3)?.stderr, &["did you mean", &id])?;
    }
    for odd in ["it's 100 % \\ odd", "a' OR '1'='1"] {
        has(&world.tenantry(&["runs", "watch", odd])?.exits(3)?.stderr, &[odd])?;
    }
    // Another world's run, as of TEST and LIVE in one namespace.
    let elsewhere = World::named("runs-elsewhere").without_worker()?;
    let said = elsewhere.tenantry(&["runs", "show", &id])?.exits(3)?;
    has(&said.stderr, &["is on the task queue", "TEMPORAL_TASK_QUEUE"])?;
    elsewhere.tenantry(&["runs", "show", beginning])?.exits(3)?;
    Ok(())
}

#[test]
fn a_run_is_followed_to_its_end() -> Result<()> {
    let world = World::named("runs-watch").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    world.stripe.fault("POST", &format!("/v1/customers/{}", purchase.customer), "server_error", 0)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held()?;
    let left = world.tenantry_at_work(&["runs", "watch", &run.workflow_id])?;
    let followed = world.tenantry_at_work(&["runs", "watch", &run.workflow_id])?;
    let document = world.tenantry_at_work(&["runs", "watch", &run.workflow_id, "--output", "json"])?;
    left.wait_until_it_prints("importSubscription")?;
    followed.wait_until_it_prints("importSubscription")?;
    left.interrupt()?;
    has(&left.ended()?.exits(1)?.stderr, &["was left before its end; it goes on", "tenantry runs watch"])?;
    world.release()?;
    let said = followed.ended()?.exits(0)?.stdout;
    has(&said, &["resolvePurchase (look at cus_", ": under way", "2 tries", "completed after"])?;
    let ended: Value = serde_json::from_str(&document.ended()?.exits(0)?.stdout)?;
    assert_eq!((&ended["status"], ended["steps"].as_array().map(Vec::len)), (&json!("completed"), Some(7)));
    run.result()?;
    // One that failed is told as such, and at once.
    let mut lost = world.stripe.buy(1)?;
    lost.subscription = "sub_1Lost".to_owned();
    let failed = world.onboard(&lost)?;
    failed.failure()?;
    let said = world.tenantry(&["runs", "watch", &failed.workflow_id])?.exits(1)?;
    has(&said.everything(), &["failed after", "StripeNotFound: sub_1Lost does not exist", "tenantry runs why"])
}

#[test]
fn the_ui_is_opened_at_the_right_page() -> Result<()> {
    let world = World::named("runs-ui").start()?;
    let run = world.onboard(&world.stripe.buy(1)?)?;
    run.result()?;
    let queue = world.task_queue();
    let page = |args: &[&str]| -> Result<String> { Ok(text(&world, &[&["ui"], args].concat())?.trim().to_owned()) };
    let list = "http://ui.example/t/namespaces/default/workflows?query=TaskQueue%20IN%20%28%27";
    for (args, words) in [
        (&[][..], &[][..]),
        (&["failed"], &["ExecutionStatus%20IN%20%28%27Failed%27%2C%20%27TimedOut%27%2C%20%27Terminated%27%29"]),
        (
            &["failed", "--type", "createTenantWorkflow", "--kind", "StripeNotFound"],
            &["WorkflowType%20IN%20%28%27createTenantWorkflow%27%29", "FailureKind%20IN%20%28%27StripeNotFound%27%29"],
        ),
        (&["stuck", "--print"], &["ExecutionStatus%20%3D%20%27Running%27", "StartTime%20%3C%20%27"]),
        (&["parked"], &["syncSubscriptionWorkflow", "TenantId%20IS%20NULL"]),
        (&["tenant", "cus_1"], &["StripeCustomerId%20%3D%20%27cus_1%27"]),
        (&["tenant", "sub_1"], &["StripeSubscriptionId%20%3D%20%27sub_1%27"]),
    ] {
        let link = page(args)?;
        ensure!(link.starts_with(&format!("{list}{queue}%27%2C%20%27{queue}-bulk%27%29")), "{args:?}: {link}");
        has(&link, words)?;
        // What the UI would ask the server.
        let query = link.split_once("?query=").context("no query")?.1;
        world.temporal.cli(&["workflow", "list", "--query", &decoded(query)?, "--output", "json"])?;
    }
    assert_eq!(page(&["run", &run.workflow_id])?, link(&run));
    let document: Value = serde_json::from_str(&page(&["failed", "--output", "json"])?)?;
    assert_eq!(document["opened"], false);
    world.tenantry_with(&["ui", "run", "create-tenant-cus_1Nobody"], &[UI])?.exits(3)?;
    let unset = world.tenantry(&["ui", "failed"])?.exits(2)?;
    has(&unset.stderr, &["TEMPORAL_UI_URL is not set", "8233"])?;
    let near = world.tenantry_with(&["ui", "faild"], &[UI])?.exits(2)?;
    has(&near.stderr, &["'failed'"])
}

fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match first {
            b'%' => (u8::from_str_radix(std::str::from_utf8(&after[..2])?, 16)?, &after[2..]),
            other => (other, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Ok(String::from_utf8(bytes)?)
}
