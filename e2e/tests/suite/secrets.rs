//! Canaries: a secret key, a webhook secret and a database password are planted, everything
//! that can go wrong is made to, and then they are looked for wherever we write.

use anyhow::{Result, ensure};
use e2e::{SECRET_KEY, WEBHOOK_SECRET, World};
use serde_json::json;

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
fn provoke(world: &World) -> Result<Vec<e2e::Run>> {
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
    worker.wait(std::time::Duration::from_secs(30))?;
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
