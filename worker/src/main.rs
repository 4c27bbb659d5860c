//! The worker: settings, pools, registration, running, draining.
//!
//! It checks before it works: the schema, the master billing tenant, the account and mode of
//! the key against those of the database, and the search attributes. What stands in the way
//! for good stops it with the setting's name; what may pass is waited for.

mod config;
mod hold_points;
mod observe;
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
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Worker, WorkerOptions};

use crate::config::Config;
use crate::hold_points::HeldSteps;
use crate::observe::Observer;
use crate::startup::Parts;

/// What a step under way gets to finish in after SIGTERM; longer than one try at Stripe.
const STEP_GRACE: Duration = Duration::from_secs(16);
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
    let observer = Observer::new(&telemetry);
    let runtime = temporal::runtime(&telemetry)?;
    let mut worker = Worker::new(&runtime, parts.client.clone(), options(&config, parts, observer, hold_points)?)
        .context("failed to make the worker")?;
    tracing::info!(task_queue = config.task_queue, "working");
    let shut_down = worker.shutdown_handle();
    // One future from the first step to the last: dropped and run again, it would have lost the
    // workflow tasks that were under way.
    let working = worker.run();
    tokio::pin!(working);
    tokio::select! {
        ended = &mut working => return ended.context("the worker ended"),
        () = stop.signalled() => {}
    }
    tracing::info!("draining: no new step is taken, those under way are finished");
    readiness.close();
    shut_down();
    match tokio::time::timeout(DRAIN_DEADLINE, working).await {
        Ok(ended) => {
            ended.context("the worker ended while draining")?;
            tracing::info!("drained");
        }
        Err(_) => tracing::warn!("a step did not finish in time; another worker will take it up"),
    }
    Ok(())
}

fn options(config: &Config, parts: Parts, observer: Observer, hold_points: HoldPoints) -> Result<WorkerOptions> {
    let slots = FixedSizeSlotSupplier::new;
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(slots(config.worker.max_workflow_tasks))
        .activity_task_slot_supplier(slots(config.worker.max_activities))
        .local_activity_task_slot_supplier(slots(1))
        .nexus_task_slot_supplier(slots(1))
        .build();
    let mut options = WorkerOptions::new(config.task_queue.clone())
        .tuner(tuner)
        .max_cached_workflows(config.worker.cached_workflows)
        .graceful_shutdown_period(STEP_GRACE)
        .register_workflow::<workflows::CreateTenant>()
        .and_then(|options| options.register_workflow::<workflows::SyncSubscription>())
        .context("failed to register a workflow")?
        .register_activities(parts.tenants)
        .register_activities(parts.syncs)
        .activity_inbound_interceptor(observer)
        .build();
    if hold_points.are_on() {
        options.activity_inbound_interceptor(HeldSteps(hold_points));
    }
    Ok(options)
}
