//! The two queues that every worker serves: what each runs, and how much of it at once.
//!
//! Imports and reconciliation ask Stripe thousands of times. They stand on a queue of their own,
//! with few slots and a rate that the server keeps, so that an event or an onboarding never waits
//! behind them.

use std::time::Duration;

use activities::{
    ImportActivities, ImportSubscriptionActivities, LicenseActivities, ReconcileActivities, SyncActivities,
    TenantActivities, WalkActivities,
};
use anyhow::{Context, Result};
use domain::names::bulk_task_queue;
use service::hold_points::HoldPoints;
use temporalio_sdk::WorkerOptions;
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};

use crate::config::Config;
use crate::hold_points::HeldSteps;
use crate::observe::Observer;
use crate::startup::Parts;

/// What a step under way gets to finish in after SIGTERM; longer than one try at Stripe.
const STEP_GRACE: Duration = Duration::from_secs(16);
/// Steps in bulk at once.
const BULK_ACTIVITIES: usize = 4;
/// How long a run in bulk waits for the worker that keeps it in memory: one that was killed has
/// thousands of steps before it, and each kill would cost ten seconds.
const STICKY_WAIT: Duration = Duration::from_secs(2);
/// Workflow tasks in bulk at once.
const BULK_WORKFLOW_TASKS: usize = 6;
/// Runs in bulk that are kept in memory; there are only a few.
const BULK_CACHED_WORKFLOWS: usize = 20;

/// What both queues are served with.
pub(crate) struct Queues<'a> {
    pub(crate) config: &'a Config,
    pub(crate) parts: &'a Parts,
    pub(crate) observer: Observer,
    pub(crate) hold_points: HoldPoints,
}

impl Queues<'_> {
    /// What somebody waits for: onboardings, changes of licences, and events.
    pub(crate) fn front(&self) -> Result<WorkerOptions> {
        let settings = &self.config.worker;
        let options = WorkerOptions::new(self.config.task_queue.clone())
            .tuner(slots(settings.max_workflow_tasks, settings.max_activities))
            .max_cached_workflows(settings.cached_workflows)
            .graceful_shutdown_period(STEP_GRACE)
            .register_workflow::<workflows::CreateTenant>()
            .and_then(|options| options.register_workflow::<workflows::SyncSubscription>())
            .and_then(|options| options.register_workflow::<workflows::ChangeLicense>())
            .context("failed to register a workflow")?
            .register_activities(self.tenants())
            .register_activities(self.syncs())
            .register_activities(self.licenses())
            .build();
        Ok(self.watched(options))
    }

    /// What nobody waits for. It imports, tags and repairs by the same steps as the front.
    pub(crate) fn bulk(&self) -> Result<WorkerOptions> {
        let settings = &self.config.worker;
        let rate = settings.bulk_requests_per_sec(self.parts.stripe.mode().is_live());
        let options = WorkerOptions::new(bulk_task_queue(&self.config.task_queue))
            .tuner(slots(BULK_WORKFLOW_TASKS, BULK_ACTIVITIES))
            .max_cached_workflows(settings.cached_workflows.min(BULK_CACHED_WORKFLOWS))
            .max_task_queue_activities_per_second(f64::from(rate))
            .sticky_queue_schedule_to_start_timeout(STICKY_WAIT)
            .graceful_shutdown_period(STEP_GRACE)
            .register_workflow::<workflows::ImportSubscription>()
            .and_then(|options| options.register_workflow::<workflows::SyncStripeCustomers>())
            .and_then(|options| options.register_workflow::<workflows::Reconcile>())
            .and_then(|options| options.register_workflow::<workflows::ReplayBatch>())
            .context("failed to register a workflow in bulk")?
            .register_activities(self.tenants())
            .register_activities(self.syncs())
            .register_activities(self.subscription_imports())
            .register_activities(self.walks())
            .register_activities(self.imports())
            .register_activities(self.reconciles())
            .build();
        Ok(self.watched(options))
    }

    fn walks(&self) -> WalkActivities {
        WalkActivities::new(self.parts.store.clone(), self.parts.stripe.clone())
    }

    fn reconciles(&self) -> ReconcileActivities {
        let Parts { store, stripe, .. } = self.parts;
        ReconcileActivities::new(store.clone(), stripe.clone(), self.config.worker.event_retention_days)
    }

    fn imports(&self) -> ImportActivities {
        ImportActivities::new(self.parts.store.clone(), self.parts.stripe.clone())
    }

    fn subscription_imports(&self) -> ImportSubscriptionActivities {
        ImportSubscriptionActivities::new(self.parts.store.clone(), self.parts.stripe.clone())
    }

    fn tenants(&self) -> TenantActivities {
        let Parts { store, stripe, .. } = self.parts;
        TenantActivities::new(store.clone(), stripe.clone(), self.config.app_url.clone())
    }

    fn syncs(&self) -> SyncActivities {
        SyncActivities::new(self.parts.store.clone(), self.parts.stripe.clone())
    }

    fn licenses(&self) -> LicenseActivities {
        LicenseActivities::new(self.parts.store.clone(), self.parts.stripe.clone())
    }

    fn watched(&self, options: WorkerOptions) -> WorkerOptions {
        let mut options = options;
        options.activity_inbound_interceptor(self.observer.clone());
        if self.hold_points.are_on() {
            options.activity_inbound_interceptor(HeldSteps(self.hold_points.clone()));
        }
        options
    }
}

fn slots(workflow_tasks: usize, activities: usize) -> TunerHolder {
    let slots = FixedSizeSlotSupplier::new;
    TunerHolder::builder()
        .workflow_task_slot_supplier(slots(workflow_tasks))
        .activity_task_slot_supplier(slots(activities))
        .local_activity_task_slot_supplier(slots(1))
        .nexus_task_slot_supplier(slots(1))
        .build()
}
