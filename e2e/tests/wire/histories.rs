//! Recorded runs take the same way again. A deploy that breaks this would leave every run that
//! is under way stuck in failing workflow tasks.
//!
//! The recorded ones lie in `e2e/histories/`; `TENANTRY_RECORD_HISTORIES=1 cargo test` writes
//! them anew from the runs below, which is right when a way was changed on purpose behind a
//! patch and wrong to silence a failure.

use std::fs;

use anyhow::{Context, Result, anyhow, ensure};
use e2e::{Run, World, WorldBuilder};
use serde_json::json;
use stack::workspace;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, Url, WorkflowExecutionInfo, WorkflowFetchHistoryOptions,
    WorkflowHistory,
};
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};
use workflows::{
    ChangeLicense, CreateTenant, ImportSubscription, Reconcile, ReplayBatch, SyncStripeCustomers, SyncSubscription,
};

use crate::{import_customers_runs, import_runs, license_runs, reconcile_runs, replay_batch_runs, sync_runs};

/// What a history is called, the id of its workflow, and of its run if it is not the latest.
pub(crate) type Named = Vec<(&'static str, String, Option<String>)>;

/// Gives a run's history its name.
pub(crate) fn name(called: &'static str, run: &Run) -> (&'static str, String, Option<String>) {
    (called, run.workflow_id.clone(), run.run_id.clone())
}

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
    Ok(vec![
        name("whole", &whole),
        name("again", &again),
        name("bare", &bare),
        name("customer_only", &customer),
        name("misfit", &misfit),
        name("lost", &lost),
    ])
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
    Ok(vec![name("claim_lost", &run)])
}

fn cancelled(world: &World) -> Result<Named> {
    let run = world.onboard(&world.stripe.buy(10)?)?;
    world.wait_until_held()?;
    run.cancel()?;
    world.release()?;
    run.ending(std::time::Duration::from_secs(60))?;
    Ok(vec![name("cancelled", &run)])
}

/// With no cache every workflow task replays its run from the start, so this also drives
/// replay through the real worker, task by task.
fn named(name: &str) -> WorldBuilder {
    World::named(name).setting("WORKER_CACHED_WORKFLOWS", "0")
}

fn onboardings() -> Result<(Vec<World>, Named)> {
    let plain = named("histories").start()?;
    let overtaken = named("histories-overtaken").setting("TENANTRY_HOLD_AT", "before:createTenant").start()?;
    let stopped = named("histories-stopped").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let all = [runs(&plain)?, disturbed(&overtaken)?, cancelled(&stopped)?].concat();
    Ok((vec![plain, overtaken, stopped], all))
}

/// The long run is let alone: replaying it from the start at each of its tasks would take minutes.
fn syncs() -> Result<(Vec<World>, Named)> {
    let (plain, flood) = (named("histories-sync").start()?, World::named("histories-flood").start()?);
    let all = [sync_runs::runs(&plain)?, sync_runs::flooded(&flood)?].concat();
    Ok((vec![plain, flood], all))
}

/// Each in a Temporal of its own: the id `reconcile` is there once.
fn reconciliations() -> Result<(Vec<World>, Named)> {
    let plain = named("histories-reconcile").private_temporal().start()?;
    let all = reconcile_runs::runs(&plain)?;
    Ok((vec![plain], all))
}

fn cancelled_reconciliations() -> Result<(Vec<World>, Named)> {
    let stopped = named("histories-reconcile-stopped").setting("TENANTRY_HOLD_AT", "after:stagePage");
    let stopped = stopped.private_temporal().start()?;
    let all = reconcile_runs::cancelled(&stopped)?;
    Ok((vec![stopped], all))
}

fn license_changes() -> Result<(Vec<World>, Named)> {
    let plain = named("histories-license").start()?;
    let stopped = named("histories-license-stopped").setting("TENANTRY_HOLD_AT", "after:attachSchedule").start()?;
    let all = [license_runs::runs(&plain)?, license_runs::taken_back(&plain)?, license_runs::cancelled(&stopped)?];
    Ok((vec![plain, stopped], all.concat()))
}

fn imports_of_all() -> Result<(Vec<World>, Named)> {
    let world = named("histories-import-all").start()?;
    let all = import_customers_runs::runs(&world)?;
    Ok((vec![world], all))
}

fn batches() -> Result<(Vec<World>, Named)> {
    let world = named("histories-batch").start()?;
    let all = replay_batch_runs::runs(&world)?;
    Ok((vec![world], all))
}

fn imports_of_one() -> Result<(Vec<World>, Named)> {
    let world = named("histories-import").start()?;
    let all = import_runs::runs(&world)?;
    Ok((vec![world], all))
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_onboardings_and_the_recorded_ones_replay() -> Result<()> {
    replay_all("create_tenant", onboardings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_syncs_and_the_recorded_ones_replay() -> Result<()> {
    replay_all("sync_subscription", syncs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_reconciliations_and_the_recorded_ones_replay() -> Result<()> {
    replay_all("reconcile", reconciliations).await?;
    replay_all("reconcile", cancelled_reconciliations).await
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_changes_of_licences_and_the_recorded_ones_replay() -> Result<()> {
    replay_all("change_license", license_changes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_imports_of_customers_and_the_recorded_ones_replay() -> Result<()> {
    replay_all("sync_stripe_customers", imports_of_all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_batches_and_the_recorded_ones_replay() -> Result<()> {
    replay_all("replay_batch", batches).await
}

#[tokio::test(flavor = "multi_thread")]
async fn todays_imports_of_a_subscription_and_the_recorded_ones_replay() -> Result<()> {
    replay_all("import_subscription", imports_of_one).await
}

async fn replay_all(workflow: &str, runs: fn() -> Result<(Vec<World>, Named)>) -> Result<()> {
    let (worlds, runs) = tokio::task::spawn_blocking(runs).await??;
    let client = client(&worlds[0].temporal.address()).await?;
    let mut histories = Vec::new();
    for (name, workflow_id, run_id) in &runs {
        let history = fetch(&client, workflow_id, run_id.clone()).await?;
        if std::env::var_os("TENANTRY_RECORD_HISTORIES").is_some() {
            fs::write(folder().join(format!("{workflow}.{name}.json")), &history)?;
        }
        histories.push((format!("today's {name}"), history));
    }
    let recorded = recorded(workflow)?;
    ensure!(recorded.len() >= runs.len(), "only {} recorded histories", recorded.len());
    histories.extend(recorded);
    replay(histories).await?;
    tokio::task::spawn_blocking(move || drop(worlds)).await?;
    Ok(())
}

/// A replay that cannot fail would prove nothing: these histories have a step that no code takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_took_another_way_does_not_replay() -> Result<()> {
    for (history, step) in [
        ("create_tenant.whole", "insertStripeCustomer"),
        ("import_subscription.whole", "settleImport"),
        ("sync_stripe_customers.whole", "tagImported"),
        ("sync_subscription.whole", "syncSubscription"),
        ("sync_subscription.failed", "failEvents"),
        ("sync_subscription.anew", "syncSubscription"),
        ("change_license.over_a_waiting_one", "setLicenseQuantity"),
        ("change_license.declined", "writeSchedule"),
        ("change_license.cancelled", "releaseSchedule"),
        ("replay_batch.whole", "createTenantWorkflow"),
    ] {
        let recorded = fs::read_to_string(folder().join(format!("{history}.json")))?;
        let step = format!("{{\"name\":\"{step}\"}}");
        ensure!(recorded.contains(&step), "{history} has no such step");
        let changed = recorded.replace(&step, "{\"name\":\"somethingElse\"}");
        let Err(error) = replay(vec![("changed".to_owned(), changed.into_bytes())]).await else {
            return Err(anyhow!("a changed {history} replayed"));
        };
        ensure!(format!("{error:#}").contains("nondeterministic"), "{history}: {error:#}");
    }
    Ok(())
}

/// Has this build's workflows take the way of each, and names the first that does not fit.
pub(crate) async fn replay(histories: Vec<(String, Vec<u8>)>) -> Result<()> {
    for (name, bytes) in histories {
        let options = WorkflowReplayerOptions::new()
            .register_workflow::<CreateTenant>()?
            .register_workflow::<ImportSubscription>()?
            .register_workflow::<SyncSubscription>()?
            .register_workflow::<ChangeLicense>()?
            .register_workflow::<Reconcile>()?
            .register_workflow::<ReplayBatch>()?
            .register_workflow::<SyncStripeCustomers>()?;
        let replayer = WorkflowReplayer::new(options.build())?;
        let result = replayer.replay_workflow(WorkflowHistory::from_json(&bytes)?).await;
        result.with_context(|| format!("{name} does not replay"))?;
    }
    Ok(())
}

fn recorded(workflow: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.split('.').next() == Some(workflow) {
            found.push((name, fs::read(entry.path())?));
        }
    }
    Ok(found)
}

fn folder() -> std::path::PathBuf {
    workspace::root().join("e2e/histories")
}

/// A client of a server without TLS or key.
pub(crate) async fn client(address: &str) -> Result<Client> {
    let target: Url = format!("http://{address}").parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    Ok(Client::new(connection, ClientOptions::new("default").build())?)
}

/// A run's history, in the SDK's own words.
pub(crate) async fn fetch(client: &Client, workflow_id: &str, run_id: Option<String>) -> Result<Vec<u8>> {
    let info = WorkflowExecutionInfo::builder().namespace("default").workflow_id(workflow_id).maybe_run_id(run_id);
    let info = info.build();
    let handle = info.bind_untyped(client.clone());
    let history = handle.fetch_history(WorkflowFetchHistoryOptions::builder().build());
    Ok(history.to_json().await?)
}
