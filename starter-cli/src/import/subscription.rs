//! `tenantry import subscription`: starts `importSubscriptionWorkflow`.
//!
//! The same command again reads Stripe again, so it also brings rows that are old up to date. Only
//! beside a run that is under way nothing is started.

use clap::value_parser;
use domain::ids::{StripeSubscriptionId, TenantId};
use domain::import_subscription::{ImportStep, ImportSubscriptionInput, ImportSubscriptionResult};
use domain::names::bulk_task_queue;
use domain::words::LicenseCount;
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::search_attributes::SearchAttributes;
use workflows::ImportSubscription;
use workflows::search_attributes::{STRIPE_SUBSCRIPTION_ID, TENANT_ID};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows, licences};
use crate::run::{Run, RunEnded, not_started};
use crate::settings::lookup;
use crate::temporal::TemporalConfig;
use crate::wait::{self, BETWEEN_STEPS, Ended};

const HELP: &str = "\
Examples:
  tenantry import subscription --tenant 0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11 \\
      --subscription sub_1MowQVLkdIwHu7ix --wait

The tenant must exist; `tenantry start tenant` makes one. What belongs to another tenant already,
by a row here or by metadata.tenant_id at Stripe, is refused before anything is written. The same
command again reads Stripe again and changes nothing that is right.";

/// A subscription, and whose it is to be.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Whose it is to be
    #[arg(long, value_name = "UUID")]
    tenant: TenantId,
    /// What to take over
    #[arg(long, value_name = "sub_…")]
    subscription: StripeSubscriptionId,
    /// Wait until it has ended, and show how (exit code 1 if it failed)
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this; the run itself goes on
    #[arg(long, value_name = "SECS", requires = "wait", value_parser = value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

/// Starts it, and waits for it if asked to.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let input = ImportSubscriptionInput { tenant_id: args.tenant, stripe_subscription_id: args.subscription.clone() };
    match start(&client, &temporal, &input).await {
        Ok(run) if args.wait => finish(&client, &temporal, &args, run, output).await,
        Ok(run) => {
            output.print(&run);
            Ok(Exit::Done)
        }
        Err(WorkflowStartError::AlreadyStarted { .. }) => {
            let run = Run::existing(&client, &temporal, &input.workflow_id()).await?;
            output.print(&run);
            Err(run.already(&temporal))
        }
        Err(error) => Err(not_started(&error, &temporal)),
    }
}

async fn start(
    client: &Client,
    temporal: &TemporalConfig,
    input: &ImportSubscriptionInput,
) -> Result<Run, WorkflowStartError> {
    let known = [
        TENANT_ID.value_set(input.tenant_id.to_string()),
        STRIPE_SUBSCRIPTION_ID.value_set(input.stripe_subscription_id.to_string()),
    ];
    let options = WorkflowStartOptions::new(bulk_task_queue(&temporal.task_queue), input.workflow_id())
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .search_attributes(SearchAttributes::new(known))
        .static_summary(input.summary())
        .build();
    let handle = client.start_workflow(ImportSubscription::run, input.clone().into(), options).await?;
    Ok(Run::started(&handle, temporal))
}

async fn finish(
    client: &Client,
    temporal: &TemporalConfig,
    args: &Args,
    mut run: Run,
    output: Output,
) -> Result<Exit, Failure> {
    let handle = run.handle::<ImportSubscription>(client, temporal);
    let standing = async || {
        let state = handle.query(ImportSubscription::state, (), Default::default()).await.ok()?;
        Some(state.step.map_or(BETWEEN_STEPS, ImportStep::as_str))
    };
    let shown = (args.timeout, output);
    let ended = wait::show_until_ended(&mut run, &handle, temporal, shown, standing).await?;
    match &ended {
        Ended::Completed(result) => {
            output.print(&RunEnded { run: &run, result: Some(result), failure: None });
            Ok(Exit::Done)
        }
        Ended::Badly { error, .. } => {
            output.print(&RunEnded::<ImportSubscriptionResult> { run: &run, result: None, failure: Some(error) });
            let message = format!("{} {}: {}: {}", run.workflow_id, run.status, error.kind, error.message);
            Err(Failure::new(Exit::Failed, message, "correct what it names and run the same command again"))
        }
    }
}

impl Report for RunEnded<'_, ImportSubscriptionResult> {
    /// What the rows of [`Run`], which stand above it, do not say.
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push_status("ended", self.run.status);
        if let Some(result) = self.result {
            let count = |count: Option<LicenseCount>| licences(count.map(LicenseCount::get));
            rows.push("tenant", result.tenant_id.to_string());
            rows.push("customer", result.stripe_customer_id.to_string());
            let quantity = result.quantity.map_or_else(|| "no quantity".to_owned(), |n| format!("quantity {n}"));
            rows.push("subscription", format!("{}, {quantity}", result.status));
            let (before, now) = (count(result.licensed_user_count_before), count(result.licensed_user_count));
            rows.push("licences", if before == now { now } else { format!("{before} before, {now} now") });
        }
        if let Some(failure) = self.failure {
            rows.push_status("failure", &failure.kind);
        }
        rows.to_string()
    }
}
