//! `tenantry start tenant`: starts `createTenantWorkflow` the way the store's checkout does.
//!
//! The same command again is a replay: a failed onboarding goes on, a running or a finished one
//! is left alone. The server decides which it is, in one call; a look beforehand would race.

use clap::value_parser;
use domain::create_tenant::{CreateTenantInput, CreateTenantResult, RunError, Step};
use domain::ids::{CheckoutSessionId, StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::words::{ClientName, Email, LicenseCount, WordError};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::search_attributes::SearchAttributes;
use uuid::Uuid;
use workflows::CreateTenant;
use workflows::search_attributes::{STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, TENANT_ID};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows, licences};
use crate::run::{Run, RunEnded, not_started};
use crate::settings::lookup;
use crate::temporal::TemporalConfig;
use crate::wait::{self, BETWEEN_STEPS, Ended};

const HELP: &str = "\
Examples:
  tenantry start tenant --email ann@example.com --client-name 'Ann & Co' \\
      --customer cus_QXg1oyoEfW2bZ3 --subscription sub_1MowQVLkdIwHu7ix --wait
  tenantry start tenant --email ann@example.com --client-name 'Ann & Co' \\
      --checkout-session cs_test_a11YYufWQzNY63
  tenantry start tenant --email ann@example.com --client-name 'Ann & Co' --licenses 10

The same command again goes on where a failed run stopped. An onboarding that runs or is
done is shown and left alone (exit code 4).";

/// A purchase.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Who bought
    #[arg(long, value_parser = email)]
    email: Email,
    /// What the tenant is to be called
    #[arg(long, value_name = "NAME", value_parser = client_name)]
    client_name: ClientName,
    /// Who pays, at Stripe
    #[arg(long, value_name = "cus_…")]
    customer: Option<StripeCustomerId>,
    /// What was bought, at Stripe
    #[arg(long, value_name = "sub_…")]
    subscription: Option<StripeSubscriptionId>,
    /// How many licences to begin with, where Stripe does not know it
    #[arg(long, value_name = "N", value_parser = license_count, allow_negative_numbers = true)]
    licenses: Option<LicenseCount>,
    /// The checkout that sold it; names customer and subscription where they are not given
    #[arg(long, value_name = "cs_…")]
    checkout_session: Option<CheckoutSessionId>,
    /// The tenant to make or to go on with; without it one is found or derived
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
    /// Wait until it has ended, and show how (exit code 1 if it failed)
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this; the run itself goes on
    #[arg(long, value_name = "SECS", requires = "wait", value_parser = value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

fn email(text: &str) -> Result<Email, WordError> {
    text.to_owned().try_into()
}

fn client_name(text: &str) -> Result<ClientName, WordError> {
    text.to_owned().try_into()
}

fn license_count(text: &str) -> Result<LicenseCount, WordError> {
    text.parse::<i64>().map_err(|_| WordError::LicenseCount)?.try_into()
}

/// Starts it, and waits for it if asked to.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let input = args.input();
    let workflow_id = input.workflow_id(Uuid::new_v4());
    match start(&client, &temporal, &input, &workflow_id).await {
        Ok(run) if args.wait => finish(&client, &temporal, &args, run, output).await,
        Ok(run) => {
            output.print(&run);
            Ok(Exit::Done)
        }
        Err(WorkflowStartError::AlreadyStarted { .. }) => {
            let run = Run::existing(&client, &temporal, &workflow_id).await?;
            output.print(&run);
            Err(already(&run, &input, &temporal))
        }
        Err(error) => Err(not_started(&error, &temporal)),
    }
}

impl Args {
    fn input(&self) -> CreateTenantInput {
        CreateTenantInput {
            email: self.email.clone(),
            client_name: self.client_name.clone(),
            stripe_customer_id: self.customer.clone(),
            stripe_subscription_id: self.subscription.clone(),
            initial_license_count: self.licenses,
            checkout_session_id: self.checkout_session.clone(),
            tenant_id: self.tenant,
        }
    }
}

async fn start(
    client: &Client,
    temporal: &TemporalConfig,
    input: &CreateTenantInput,
    workflow_id: &str,
) -> Result<Run, WorkflowStartError> {
    let options = WorkflowStartOptions::new(&temporal.task_queue, workflow_id)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .search_attributes(search_attributes(input))
        .static_summary(input.summary())
        .build();
    let handle = client.start_workflow(CreateTenant::run, input.clone().into(), options).await?;
    Ok(Run::started(&handle, temporal))
}

fn search_attributes(input: &CreateTenantInput) -> SearchAttributes {
    let known = [
        input.tenant_id.map(|id| TENANT_ID.value_set(id.to_string())),
        input.stripe_customer_id.as_ref().map(|id| STRIPE_CUSTOMER_ID.value_set(id.to_string())),
        input.stripe_subscription_id.as_ref().map(|id| STRIPE_SUBSCRIPTION_ID.value_set(id.to_string())),
    ];
    SearchAttributes::new(known.into_iter().flatten())
}

fn already(run: &Run, input: &CreateTenantInput, temporal: &TemporalConfig) -> Failure {
    let Run { workflow_id, run_id, status, .. } = run;
    let look = wait::follow(temporal, workflow_id, run_id);
    match (*status, &input.stripe_customer_id) {
        ("completed", Some(customer)) => Failure::new(
            Exit::Refused,
            format!("{workflow_id} is done already; what is done is not run again"),
            format!("tenantry tenant show {customer}"),
        ),
        ("completed", None) => {
            Failure::new(Exit::Refused, format!("{workflow_id} is done already; what is done is not run again"), look)
        }
        _ => Failure::new(Exit::Refused, format!("{workflow_id} is {status} already; nothing was started"), look),
    }
}

async fn finish(
    client: &Client,
    temporal: &TemporalConfig,
    args: &Args,
    mut run: Run,
    output: Output,
) -> Result<Exit, Failure> {
    let handle = run.handle::<CreateTenant>(client, temporal);
    let standing = async || {
        let state = handle.query(CreateTenant::state, (), Default::default()).await.ok()?;
        Some(state.step.map_or(BETWEEN_STEPS, Step::as_str))
    };
    let shown = (args.timeout, output);
    let ended = wait::show_until_ended(&mut run, &handle, temporal, shown, standing).await?;
    match &ended {
        Ended::Completed(result) => {
            output.print(&RunEnded { run: &run, result: Some(result), failure: None });
            Ok(Exit::Done)
        }
        Ended::Badly { error, .. } => {
            output.print(&RunEnded::<CreateTenantResult> { run: &run, result: None, failure: Some(error) });
            Err(ended_badly(&run, error, &args.input()))
        }
    }
}

fn ended_badly(run: &Run, error: &RunError, input: &CreateTenantInput) -> Failure {
    let message = format!("{} {}: {}: {}", run.workflow_id, run.status, error.kind, error.message);
    let same = "correct what it names and run the same command again; it goes on where it stopped";
    if input.has_stripe_data() || input.tenant_id.is_some() {
        return Failure::new(Exit::Failed, message, same);
    }
    // Without Stripe's ids the next run has another id, and would derive another tenant from it.
    let tenant = TenantId::of_workflow(&run.workflow_id);
    Failure::new(Exit::Failed, message, format!("{same} (with --tenant {tenant}, so that it means the same tenant)"))
}

impl Report for RunEnded<'_, CreateTenantResult> {
    /// What the rows of [`Run`], which stand above it, do not say.
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push_status("ended", self.run.status);
        if let Some(result) = self.result {
            rows.push("tenant", result.tenant_id.to_string());
            rows.push("created", if result.created { "yes, by this run" } else { "no, it existed" });
            rows.push("licences", licences(result.licensed_user_count.map(LicenseCount::get)));
            result.warnings.iter().for_each(|warning| rows.push("warning", warning));
        }
        if let Some(failure) = self.failure {
            rows.push_status("failure", &failure.kind);
        }
        rows.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::failure::FailureKind;

    fn input(customer: Option<&str>, tenant: Option<TenantId>) -> CreateTenantInput {
        CreateTenantInput {
            email: email("ann@example.com").expect("an address"),
            client_name: client_name("Ann").expect("a name"),
            stripe_customer_id: customer.map(|id| id.parse().expect("an id")),
            stripe_subscription_id: None,
            initial_license_count: None,
            checkout_session_id: None,
            tenant_id: tenant,
        }
    }

    fn next(input: &CreateTenantInput) -> String {
        let workflow_id = input.workflow_id(Uuid::nil());
        let run = Run { workflow_id, run_id: "r1".to_owned(), status: "failed", started: true, link: None };
        ended_badly(&run, &RunError::new(FailureKind::ConflictError, "no"), input).next().to_owned()
    }

    #[test]
    fn a_replay_means_the_same_tenant_as_the_run_that_failed() {
        let given = TenantId::from(Uuid::from_u128(7));
        assert!(!next(&input(Some("cus_1"), None)).contains("--tenant"));
        assert!(!next(&input(None, Some(given))).contains("--tenant"));
        let derived = TenantId::of_workflow(&format!("create-tenant-{}", Uuid::nil()));
        assert!(next(&input(None, None)).contains(&format!("--tenant {derived}")));
    }
}
