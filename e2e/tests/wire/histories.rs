//! Recorded runs take the same way again. A deploy that breaks this would leave every run that
//! is under way stuck in failing workflow tasks.
//!
//! The recorded ones lie in `e2e/histories/`; `TENANTRY_RECORD_HISTORIES=1 cargo test` writes
//! them anew from the runs below, which is right when a way was changed on purpose behind a
//! patch and wrong to silence a failure.

use std::fs;

use anyhow::{Context, Result, anyhow, ensure};
use e2e::World;
use serde_json::json;
use stack::workspace;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, Url, WorkflowFetchHistoryOptions,
    WorkflowHistory,
};
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};
use workflows::CreateTenant;

/// What a history is called, and the workflow whose latest run it is of.
type Named = Vec<(&'static str, String)>;

/// One run of each kind of way.
fn runs(world: &World) -> Result<Named> {
    let purchase = world.stripe.buy(10)?;
    let whole = world.onboard(&purchase)?;
    whole.result()?;
    let again = world.start_with("create-tenant-again", &World::call_of_the_store(&purchase).to_string())?;
    again.result()?;
    let bare = world.start_with("create-tenant-bare", &json!({"email": "b@c.de", "client_name": "B"}).to_string())?;
    bare.result()?;
    let customer =
        json!({"email": "b@c.de", "client_name": "B", "stripe_customer_id": world.stripe.customer("b@c.de")?});
    let customer = world.start_with("create-tenant-customer", &customer.to_string())?;
    customer.result()?;
    let misfit = world.start_with("create-tenant-misfit", "{}")?;
    misfit.failure()?;
    let mut lost = World::call_of_the_store(&purchase);
    lost["stripe_subscription_id"] = json!("sub_1Lost");
    let lost = world.start_with("create-tenant-lost", &lost.to_string())?;
    lost.failure()?;
    let named = [
        ("whole", whole),
        ("again", again),
        ("bare", bare),
        ("customer_only", customer),
        ("misfit", misfit),
        ("lost", lost),
    ];
    Ok(named.into_iter().map(|(name, run)| (name, run.workflow_id)).collect())
}

/// Runs that took a turn because something happened between two of their steps.
fn disturbed(world: &World) -> Result<Named> {
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    world.wait_until_held()?;
    let mut quick = World::call_of_the_store(&purchase);
    quick["tenant_id"] = json!("11111111-1111-4111-8111-111111111111");
    world.start_with("create-tenant-quick", &quick.to_string())?.result()?;
    world.release()?;
    run.result()?;
    Ok(vec![("claim_lost", run.workflow_id)])
}

fn cancelled(world: &World) -> Result<Named> {
    let run = world.onboard(&world.stripe.buy(10)?)?;
    world.wait_until_held()?;
    run.cancel()?;
    world.release()?;
    run.ending(std::time::Duration::from_secs(60))?;
    Ok(vec![("cancelled", run.workflow_id)])
}

fn worlds() -> Result<(Vec<World>, Named)> {
    let named = |name: &str| World::named(name).setting("WORKER_CACHED_WORKFLOWS", "0");
    let plain = named("histories").start()?;
    let overtaken = named("histories-overtaken").setting("TENANTRY_HOLD_AT", "before:createTenant").start()?;
    let stopped = named("histories-stopped").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let all = [runs(&plain)?, disturbed(&overtaken)?, cancelled(&stopped)?].concat();
    Ok((vec![plain, overtaken, stopped], all))
}

/// With no cache every workflow task replays its run from the start, so this also drives
/// replay through the real worker, task by task.
#[tokio::test(flavor = "multi_thread")]
async fn todays_runs_and_the_recorded_ones_replay() -> Result<()> {
    let (worlds, runs) = tokio::task::spawn_blocking(worlds).await??;
    let client = client(&worlds[0].temporal.address()).await?;
    let mut histories = Vec::new();
    for (name, workflow_id) in &runs {
        let history = fetch(&client, workflow_id).await?;
        if std::env::var_os("TENANTRY_RECORD_HISTORIES").is_some() {
            fs::write(folder().join(format!("create_tenant.{name}.json")), &history)?;
        }
        histories.push((format!("today's {name}"), history));
    }
    let recorded = recorded()?;
    ensure!(recorded.len() >= runs.len(), "only {} recorded histories", recorded.len());
    histories.extend(recorded);
    replay(histories).await?;
    tokio::task::spawn_blocking(move || drop(worlds)).await?;
    Ok(())
}

/// A replay that cannot fail would prove nothing: this history has a step that no code takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_took_another_way_does_not_replay() -> Result<()> {
    let whole = fs::read_to_string(folder().join("create_tenant.whole.json"))?;
    ensure!(whole.contains("insertStripeCustomer"), "the recorded run has no such step");
    let changed = whole.replace("insertStripeCustomer", "insertSomethingElse");
    let Err(error) = replay(vec![("changed".to_owned(), changed.into_bytes())]).await else {
        return Err(anyhow!("a changed history replayed"));
    };
    ensure!(format!("{error:#}").contains("nondeterministic"), "{error:#}");
    Ok(())
}

async fn replay(histories: Vec<(String, Vec<u8>)>) -> Result<()> {
    for (name, bytes) in histories {
        let replayer =
            WorkflowReplayer::new(WorkflowReplayerOptions::new().register_workflow::<CreateTenant>()?.build())?;
        let result = replayer.replay_workflow(WorkflowHistory::from_json(&bytes)?).await;
        result.with_context(|| format!("{name} does not replay"))?;
    }
    Ok(())
}

fn recorded() -> Result<Vec<(String, Vec<u8>)>> {
    let files = fs::read_dir(folder())?.map(|entry| {
        let path = entry?.path();
        Ok((path.display().to_string(), fs::read(&path)?))
    });
    files.collect()
}

fn folder() -> std::path::PathBuf {
    workspace::root().join("e2e/histories")
}

async fn client(address: &str) -> Result<Client> {
    let target: Url = format!("http://{address}").parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    Ok(Client::new(connection, ClientOptions::new("default").build())?)
}

async fn fetch(client: &Client, workflow_id: &str) -> Result<Vec<u8>> {
    let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id);
    let history = handle.fetch_history(WorkflowFetchHistoryOptions::builder().build());
    Ok(history.to_json().await?)
}
