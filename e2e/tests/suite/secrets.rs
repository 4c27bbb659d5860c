//! Canaries: a secret key, a webhook secret and a database password are planted, everything
//! that can go wrong is made to, and then they are looked for wherever we write.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{
    Run, SECRET_KEY, Shim, WEBHOOK_PATH, WEBHOOK_SECRET, WEBHOOK_SECRET_THIN, World, now, sign, subscription_event,
};
use serde_json::json;
use stack::deadline;

const PASSWORD: &str = "tenantry-test-password";
const EMAIL: &str = "ann@example.com";
const NAME: &str = "Ann's Company";

#[test]
fn no_secret_is_in_a_history_a_log_line_a_metric_or_an_output() -> Result<()> {
    let world = World::named("canary").private_postgres().setting("RUST_LOG", "debug").without_worker()?;
    ensure!(world.database_url.contains(PASSWORD), "the canary is not planted");
    world.start_worker(&[("TENANTRY_HOLD_AT", "after:createTenant")])?;
    let runs = provoke(&world)?;
    let mut searched = vec![("metrics", world.admin("/metrics")?.body)];
    let mut outputs = commands(&world)?;
    outputs.push(("output of a worker that does not start", broken_file(&world)?));
    searched.insert(0, ("worker's log", world.worker_log()));
    searched.extend(outputs);
    for run in &runs {
        searched.push(("history", run.readable_history()?));
    }
    for (what, text) in &searched {
        ensure!(text.len() > 20, "nothing to search in: {what}");
        for canary in [SECRET_KEY, WEBHOOK_SECRET, PASSWORD] {
            ensure!(!text.contains(canary), "{canary} is in the {what}:\n{text}");
        }
    }
    // A search that could not find anything would pass too: what must be there is.
    ensure!(searched[0].1.contains("step failed"), "the log says nothing of the failures");
    ensure!(searched.iter().any(|(what, text)| *what == "history" && text.contains(EMAIL)), "no payload was decoded");
    // A person's data is in payloads only.
    for (what, text) in searched.iter().filter(|(what, _)| matches!(*what, "worker's log" | "metrics")) {
        for datum in [EMAIL, NAME] {
            ensure!(!text.to_lowercase().contains(&datum.to_lowercase()), "{datum} is in the {what}");
        }
    }
    Ok(())
}

/// Failures of Stripe and of Postgres while a purchase is onboarded, and one for good.
fn provoke(world: &World) -> Result<Vec<Run>> {
    let purchase = world.stripe.buy(10)?;
    let subscription = format!("/v1/subscriptions/{}", purchase.subscription);
    for fault in ["unauthorized", "forbidden", "html_bad_gateway", "reset_before"] {
        world.stripe.fault("GET", &subscription, fault, 0)?;
    }
    world.stripe.fault("POST", &subscription, "server_error", 0)?;
    let mut call = World::call_of_the_store(&purchase);
    call["email"] = json!(EMAIL);
    let run = world.start_with("create-tenant-canary", &call.to_string())?;
    world.wait_until_held()?;
    world.stop_postgres()?;
    world.release()?;
    run.wait_for_attempt(2)?;
    world.start_postgres()?;
    run.result()?;
    let mut lost = call.clone();
    lost["stripe_subscription_id"] = json!("sub_1Lost");
    let lost = world.start_with("create-tenant-lost", &lost.to_string())?;
    lost.failure()?;
    let misfit = json!({"email": EMAIL, "client_name": "A", "initial_license_count": EMAIL});
    let misfit = world.start_with("create-tenant-misfit", &misfit.to_string())?;
    let (_, message) = misfit.failure()?;
    ensure!(!message.contains(EMAIL), "the failure repeats a person's data: {message}");
    Ok(vec![run, lost, misfit])
}

/// Temporal's configuration file may hold an API key, and its parser likes to quote what is wrong.
fn broken_file(world: &World) -> Result<String> {
    let file = world.folder().join("temporal.toml");
    std::fs::write(&file, format!("[profile.default]\napi_key = \"{SECRET_KEY}\n"))?;
    let file = file.display().to_string();
    let settings = [("TEMPORAL_CONFIG_FILE", file.as_str()), ("TEMPORAL_ADDRESS", "")];
    let before = world.worker_log().len();
    let worker = world.launch_worker(&settings)?;
    worker.wait(Duration::from_secs(60))?;
    let said = world.tenantry_with(&["doctor"], &settings)?.everything();
    ensure!(said.contains("TEMPORAL_CONFIG_FILE"), "the broken file is not named: {said}");
    Ok(world.worker_log()[before..].to_owned() + &said)
}

/// What `tenantry` prints, right and wrong, as text and as JSON.
fn commands(world: &World) -> Result<Vec<(&'static str, String)>> {
    let unreachable = world.database_url.replace("127.0.0.1", "127.0.0.2");
    let wrong = world.database_url.replace("postgres://", "mysql://");
    let mut outputs = Vec::new();
    for format in ["text", "json"] {
        let start = ["start", "tenant", "--email", EMAIL, "--client-name", NAME, "--customer", "cus_1Lost", "--wait"];
        outputs
            .push(("output of tenantry", world.tenantry(&[&start[..], &["--output", format]].concat())?.everything()));
        for url in [&world.database_url, &unreachable, &wrong] {
            for args in [&["doctor"][..], &["tenant", "show", "cus_1"], &["migrate", "--master-tenant", e2e::MASTER]] {
                let args = [args, &["--output", format]].concat();
                outputs
                    .push(("output of tenantry", world.tenantry_with(&args, &[("DATABASE_URL", url)])?.everything()));
            }
        }
    }
    Ok(outputs)
}

/// A person's data in what Stripe sends.
const BUYER_EMAIL: &str = "canary.buyer@example.com";
const BUYER_NAME: &str = "Canary Buyerson";

#[test]
fn nothing_that_an_event_holds_leaves_the_inbox() -> Result<()> {
    let world = World::named("canary-events").private_postgres().setting("RUST_LOG", "debug").start()?;
    let line = world.line(None)?;
    let own = format!("{},{WEBHOOK_SECRET}", line.snapshot.secret);
    let thin = format!("{},{WEBHOOK_SECRET_THIN}", line.thin.secret);
    let secrets = [("STRIPE_WEBHOOK_SECRET", own.as_str()), ("STRIPE_WEBHOOK_SECRET_THIN", thin.as_str())];
    let shim = world.start_shim_on(&line, &secrets)?;
    let runs = tell(&world, &shim)?;
    let settled = world.statuses()?;
    for status in ["completed", "failed", "ignored", "parked", "superseded"] {
        ensure!(settled.iter().any(|(found, _)| found == status), "no event is {status}: {settled:?}");
    }
    let mut searched = vec![("shim's log", shim.log()), ("shim's metrics", shim.admin("/metrics")?.body)];
    searched.extend([("worker's log", world.worker_log()), ("worker's metrics", world.admin("/metrics")?.body)]);
    for run in &runs {
        searched.extend([("history", run.readable_history()?), ("description", run.describe()?.to_string())]);
        searched.push(("details", run.details()?));
    }
    searched.extend(event_commands(&world)?);
    let canaries =
        [&line.snapshot.secret, &line.thin.secret, WEBHOOK_SECRET, WEBHOOK_SECRET_THIN, SECRET_KEY, PASSWORD];
    for (what, text) in &searched {
        ensure!(text.len() > 20, "nothing to search in: {what}");
        for canary in canaries.into_iter().chain([BUYER_EMAIL, BUYER_NAME, "canary.buyer"]) {
            ensure!(!text.to_lowercase().contains(&canary.to_lowercase()), "{canary} is in the {what}:\n{text}");
        }
    }
    // A search that could not find anything would pass too: what must be there is.
    ensure!(searched[0].1.contains("Webhook received: customer.updated"), "the log says nothing of the events");
    ensure!(searched[0].1.contains("DEBUG"), "the log does not say everything");
    ensure!(runs[0].readable_history()?.contains("evt_"), "no payload was decoded");
    let payloads = "SELECT count(*) FROM stripe_webhook_events WHERE convert_from(event_data, 'UTF8') LIKE ";
    for datum in [BUYER_EMAIL, BUYER_NAME] {
        ensure!(world.value(&format!("{payloads}'%{datum}%'"))? != "0", "no event holds {datum}");
    }
    Ok(())
}

/// One event of each state, all with a person's data, also while Postgres is away; and what is
/// refused.
fn tell(world: &World, shim: &Shim) -> Result<Vec<Run>> {
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    let person = [("email", BUYER_EMAIL), ("name", BUYER_NAME)];
    world.stripe.post(&format!("/customers/{}", purchase.customer), &person)?;
    let stranger = world.stripe.customer(BUYER_EMAIL)?;
    world.stripe.post(&format!("/customers/{stranger}"), &person)?;
    let parked = world.stripe.subscription(&stranger, &world.stripe.price()?, 3)?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    let lost = format!("sub_1Canary{}", world.task_queue().replace('-', ""));
    let told = |id: &str, subscription: &str| {
        let mut event = subscription_event(id, subscription);
        event["data"]["object"]["metadata"] = json!({"client_name": BUYER_NAME, "email": BUYER_EMAIL});
        event["data"]["object"]["customer"] = json!({"id": "cus_1", "email": BUYER_EMAIL, "name": BUYER_NAME});
        event
    };
    let refused = told("evt_refused", &lost).to_string();
    ensure!(shim.post(WEBHOOK_PATH, "t=1,v1=00", &refused)?.status == 400, "an unsigned event was taken");
    let cut = &refused[..refused.len() - 1];
    ensure!(shim.post(WEBHOOK_PATH, &sign(cut, WEBHOOK_SECRET, now()), cut)?.status == 400, "no JSON was taken");
    world.wait_until_settled()?;
    world.stop_postgres()?;
    ensure!(shim.deliver_once(&told("evt_lost", &lost))?.status == 503, "it was taken without a database");
    world.start_postgres()?;
    deadline::poll("200 again", Duration::from_secs(60), || {
        Ok((shim.deliver_once(&told("evt_lost", &lost))?.status == 200).then_some(()))
    })?;
    world.wait_until_settled()?;
    let run = |subscription: &str| world.run(&format!("sync-subscription-{subscription}"));
    Ok(vec![run(&purchase.subscription), run(&parked), run(&lost)])
}

/// All that `tenantry` says of events and of why, as text and as JSON. `--payload` is asked for by
/// name, and left out.
fn event_commands(world: &World) -> Result<Vec<(&'static str, String)>> {
    let mut outputs = Vec::new();
    let ids = world.rows("SELECT stripe_event_id FROM stripe_webhook_events ORDER BY processing_status, created_at")?;
    let tenant = world.value("SELECT tenant FROM tenants WHERE NOT is_master_billing")?;
    for format in ["text", "json"] {
        let mut say = |args: &[&str]| -> Result<()> {
            let said = world.tenantry(&[args, &["--output", format]].concat())?;
            outputs.push(("output of tenantry", said.everything()));
            Ok(())
        };
        say(&["events", "list", "--limit", "100"])?;
        say(&["events", "accounting"])?;
        say(&["events", "replay", "evt_lost", "--wait", "--timeout", "60"])?;
        say(&["tenant", "why", &tenant])?;
        ids.iter().try_for_each(|id| say(&["events", "show", &id[0]]))?;
    }
    Ok(outputs)
}
