//! The worker: settings, pools, registration, running, draining.
//!
//! It checks before it works: the schema, the master billing tenant, the account and mode of
//! the key against those of the database, and the search attributes. What stands in the way
//! for good stops it with the setting's name; what may pass is waited for.

mod config;
mod hold_points;
mod observe;
mod queues;
mod startup;
mod temporal;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use service::admin;
use service::hold_points::HoldPoints;
use service::program::{self, Stop};
use service::settings::lookup;
use service::telemetry::Telemetry;
use temporalio_client::Client;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};

use crate::config::Config;
use crate::observe::Observer;
use crate::queues::Queues;

/// When the process ends whatever is still running; orchestrators kill after 30 seconds.
const DRAIN_DEADLINE: Duration = Duration::from_secs(25);

fn main() -> ExitCode {
    program::run(serve)
}

#[tokio::main]
async fn serve() -> Result<()> {
    let config = Config::from_env(lookup).map_err(|e| anyhow!("ConfigurationError: {e}"))?;
    let hold_points = HoldPoints::from_env(lookup, config.stripe.base.is_loopback())
        .map_err(|e| anyhow!("ConfigurationError: {e}"))?;
    let telemetry = Telemetry::start().context("failed to start the metrics")?;
    let readiness = admin::serve(config.worker.admin_addr, &telemetry).await?;
    let mut stop = Stop::listen()?;
    let parts = tokio::select! {
        () = stop.signalled() => return Ok(()),
        parts = startup::start(&config, &telemetry) => parts?,
    };
    readiness.open(parts.store.clone(), parts.client.clone());
    let runtime = temporal::runtime(&telemetry)?;
    let queues = Queues { config: &config, parts: &parts, observer: Observer::new(&telemetry), hold_points };
    let mut front = worker(&runtime, &parts.client, queues.front()?)?;
    let mut bulk = worker(&runtime, &parts.client, queues.bulk()?)?;
    tracing::info!(task_queue = config.task_queue, "working");
    let shut_down = [front.shutdown_handle(), bulk.shutdown_handle()];
    // One future from the first step to the last: dropped and run again, it would have lost the
    // workflow tasks that were under way.
    let working = futures::future::try_join(front.run(), bulk.run());
    tokio::pin!(working);
    tokio::select! {
        ended = &mut working => return ended.map(drop).context("the worker ended"),
        () = stop.signalled() => {}
    }
    readiness.close();
    tracing::info!("draining: no new step is taken, those under way are finished");
    shut_down.iter().for_each(|shut_down| shut_down());
    match tokio::time::timeout(DRAIN_DEADLINE, working).await {
        Ok(ended) => {
            ended.context("the worker ended while draining")?;
            tracing::info!("drained");
        }
        Err(_) => tracing::warn!("a step did not finish in time; another worker will take it up"),
    }
    Ok(())
}

fn worker(runtime: &Runtime, client: &Client, options: WorkerOptions) -> Result<Worker> {
    Worker::new(runtime, client.clone(), options).context("failed to make the worker")
}
