//! The check before a deploy: whatever is under way is replayed by the workflows of this checkout.
//!
//! `TENANTRY_REPLAY` names the task queue, and `TEMPORAL_*` the server, as for a worker. Without it,
//! a run of this test's own is under way.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use domain::names::bulk_task_queue;
use e2e::World;
use futures::TryStreamExt;
use stack::deadline;
use temporalio_client::envconfig::LoadClientConfigProfileOptions;
use temporalio_client::{Client, ClientOptions, Connection};

use crate::histories::{client, fetch, replay};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_replays() -> Result<()> {
    if let Ok(queue) = std::env::var("TENANTRY_REPLAY") {
        return check(&of_the_settings().await?, &queue).await.map(drop);
    }
    let world = tokio::task::spawn_blocking(under_way).await??;
    let checked = check(&client(&world.temporal.address()).await?, &world.task_queue()).await?;
    ensure!(checked == 1, "{checked} runs were replayed, not the one that is under way");
    tokio::task::spawn_blocking(move || drop(world)).await?;
    Ok(())
}

/// Replays them, and names all that do not fit. Answers how many there are.
async fn check(client: &Client, queue: &str) -> Result<usize> {
    let query = running(queue);
    let runs: Vec<_> = client.list_workflows(&query, Default::default()).try_collect().await?;
    let mut misfits = Vec::new();
    for run in &runs {
        let history = fetch(client, run.id(), Some(run.run_id().to_owned())).await?;
        if let Err(error) = replay(vec![(run.id().to_owned(), history)]).await {
            misfits.push(format!("{error:#}"));
        }
    }
    ensure!(misfits.is_empty(), "{} of {} runs do not fit:\n{}", misfits.len(), runs.len(), misfits.join("\n"));
    match runs.len() {
        0 => println!("no run is under way on {queue}: nothing was checked"),
        count => println!("{count} under way on {queue} fit"),
    }
    Ok(runs.len())
}

fn running(queue: &str) -> String {
    format!("ExecutionStatus = 'Running' AND TaskQueue IN ('{queue}', '{}')", bulk_task_queue(queue))
}

async fn of_the_settings() -> Result<Client> {
    let settings = ClientOptions::load_from_config(LoadClientConfigProfileOptions::default());
    let (connection, options) = settings.map_err(|error| anyhow!("the TEMPORAL_* settings: {error}"))?;
    Ok(Client::new(Connection::connect(connection).await?, options)?)
}

/// A world with an onboarding under way, which the server lists.
fn under_way() -> Result<World> {
    let world = World::named("under-way").start()?;
    let held = world.stripe.hold_all("GET", "/v1/subscriptions/*")?;
    world.onboard(&world.stripe.buy(10)?)?;
    world.stripe.wait_until_held(&held)?;
    let query = running(&world.task_queue());
    let (limit, pause) = (Duration::from_secs(60), Duration::from_millis(200));
    deadline::poll_every("the run to be listed", limit, pause, || {
        let listed = world.temporal.cli(&["workflow", "list", "--query", &query])?;
        Ok(listed.contains("create-tenant-").then_some(()))
    })?;
    Ok(world)
}
