//! `tenantry runs cancel`: ends a run between two of its steps, and says what is there then.

use std::time::Duration;

use clap::value_parser;
use clap_complete::engine::ArgValueCompleter;
use domain::create_tenant::{RunError, Step};
use domain::failure::FailureKind;
use domain::import_subscription::ImportStep;
use domain::names::query;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Client, UntypedQuery, UntypedWorkflow};
use temporalio_common::data_converters::RawValue;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::workflowservice::v1::RequestCancelWorkflowExecutionRequest;

use super::explanation::Again;
use super::found::{FoundRun, describe, handle};
use super::history::{History, Outcome};
use super::next_command::Ended;
use super::workflow_type::WorkflowType;
use super::{resolve, start_again};
use crate::completions::run_ids;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows};
use crate::run::STATUSES;
use crate::settings::lookup;
use crate::temporal::TemporalConfig;
use crate::wait;

const HELP: &str = "\
Examples:
  tenantry runs cancel create-tenant-cus_QXg1oyoEfW2bZ3 --reason 'bought twice, ticket 4711'
  tenantry runs cancel change-license-count-190f0b43 --reason 'wrong number' --timeout 60

The step under way is waited for, so that what it did is known; what was built stays. The reason
stands in the run's history. `tenantry runs replay` goes on with a run that was cancelled. One that
is over is left as it is (exit code 4), also where it came to its end before it could be cancelled.
An import of customers and a batch are stopped instead, so that they can be resumed.";

/// A query waits for a worker, perhaps for long.
const ONE_LOOK: Duration = Duration::from_secs(3);

/// Which run, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The run, by its workflow id or the beginning of it
    #[arg(value_name = "ID", add = ArgValueCompleter::new(run_ids))]
    id: String,
    /// Why, for whoever reads its history
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Wait no longer than this; it ends all the same
    #[arg(long, value_name = "SECS", value_parser = value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

fn reason(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("expected some words that say why") } else { Ok(text.to_owned()) }
}

/// Asks it to end, and waits until it has.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let found = resolve::latest(&client, &temporal, &args.id).await?;
    refuse_stoppable(&found, &temporal)?;
    if found.status != "running" {
        return Err(over(&found, "already"));
    }
    request(&client, &temporal, &found, &args.reason).await?;
    say_what_is_under_way(&found, output);
    let run = handle(&client, &temporal, &found.workflow_id, Some(&found.run_id));
    let standing = async || state(&client, &temporal, &found).await.map(|_| "the step under way ends first");
    let limit = args.timeout.map(|secs| Duration::from_secs(secs.into()));
    wait::until_ended(&run, &temporal, limit, standing).await?;
    conclude(&client, &temporal, &found, &args.reason, output).await
}

/// What has a stop of its own, after which it can be resumed.
fn refuse_stoppable(found: &FoundRun, temporal: &TemporalConfig) -> Result<(), Failure> {
    let id = &found.workflow_id;
    match WorkflowType::of(&found.workflow_type) {
        Some(WorkflowType::SyncStripeCustomers) => {
            let stop = temporal.command(&format!("workflow signal --name stop --workflow-id {id}"));
            let message = format!("{id} is stopped rather than cancelled, so that it can be resumed");
            let next = format!("Ctrl-C where it is followed, or {stop}; then `tenantry import customers --resume`");
            Err(Failure::new(Exit::Refused, message, next))
        }
        Some(WorkflowType::ReplayBatch) => {
            let name = id.strip_prefix("replay-batch-").unwrap_or(id);
            let message = format!("{id} is stopped rather than cancelled, so that it can be resumed");
            Err(Failure::new(Exit::Refused, message, format!("tenantry runs batch stop {name}")))
        }
        Some(
            WorkflowType::CreateTenant
            | WorkflowType::ImportSubscription
            | WorkflowType::ChangeLicenseCount
            | WorkflowType::SyncSubscription
            | WorkflowType::Reconcile,
        )
        | None => Ok(()),
    }
}

/// Nothing is left to be ended.
fn over(found: &FoundRun, when: &str) -> Failure {
    let FoundRun { workflow_id, run_id, status, .. } = found;
    let message = format!("{workflow_id} is {status} {when} (run {run_id}); nothing was cancelled");
    Failure::new(Exit::Refused, message, format!("tenantry runs show {workflow_id}"))
}

/// Raw, so that the history says who asked. The server takes a second request and forgets it.
async fn request(client: &Client, temporal: &TemporalConfig, found: &FoundRun, reason: &str) -> Result<(), Failure> {
    let execution = WorkflowExecution { workflow_id: found.workflow_id.clone(), run_id: found.run_id.clone() };
    let request = RequestCancelWorkflowExecutionRequest {
        namespace: temporal.namespace().to_owned(),
        workflow_execution: Some(execution),
        identity: start_again::identity(client),
        request_id: uuid::Uuid::new_v4().to_string(),
        reason: reason.to_owned(),
        ..Default::default()
    };
    let mut service = client.connection().workflow_service();
    let asked = service.request_cancel_workflow_execution(request.into_request()).await;
    asked.map(drop).map_err(|status| temporal.answered(&status))
}

fn say_what_is_under_way(found: &FoundRun, output: Output) {
    if output == Output::Text {
        let stuck =
            found.stuck.as_ref().map(|stuck| format!(" ({} is tried, attempt {})", stuck.activity, stuck.attempt));
        eprintln!("{} ends after the step under way{}", found.workflow_id, stuck.unwrap_or_default());
    }
}

/// The part of every type's `state` that says what ended it.
#[derive(Deserialize)]
struct State {
    #[serde(default)]
    error: Option<RunError>,
}

/// What the run says of itself, where a worker answers soon.
async fn state(client: &Client, temporal: &TemporalConfig, found: &FoundRun) -> Option<State> {
    let run = handle(client, temporal, &found.workflow_id, Some(&found.run_id));
    let asking = run.query(UntypedQuery::<UntypedWorkflow>::new(query::STATE), RawValue::empty(), Default::default());
    let answer = tokio::time::timeout(ONE_LOOK, asking).await.ok()?.ok()?;
    serde_json::from_slice(&answer.payloads.first()?.data).ok()
}

/// Says what is there, and how it ended.
async fn conclude(
    client: &Client,
    temporal: &TemporalConfig,
    found: &FoundRun,
    reason: &str,
    output: Output,
) -> Result<Exit, Failure> {
    let described = describe(client, temporal, &found.workflow_id, Some(&found.run_id)).await?;
    let gone = || Failure::new(Exit::Failed, format!("{} is forgotten", found.workflow_id), "tenantry runs list");
    let described = described.ok_or_else(gone)?;
    let ended = FoundRun::new(&described, temporal);
    let history = History::read(client, temporal, &described).await?;
    let said = state(client, temporal, found).await.and_then(|state| state.error);
    let cancelled = Cancelled::new(&ended, history, said);
    output.print(&cancelled);
    if ended.status != "cancelled" {
        return Err(over(&ended, "by now, and came to its end before it could be cancelled"));
    }
    if cancelled.reason.as_deref() != Some(reason) && output == Output::Text {
        eprintln!("it had been asked to end before, and its history keeps the reason given then");
    }
    Ok(Exit::Done)
}

/// A run that was asked to end, and what is there now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Cancelled {
    workflow_id: String,
    run_id: String,
    #[schemars(extend("enum" = STATUSES))]
    status: &'static str,
    /// As its history has it.
    reason: Option<String>,
    /// The steps that are done.
    done: Vec<String>,
    /// What they made, which stays.
    stays: Vec<String>,
    /// What the run says of its end, where a worker answers.
    said: Option<String>,
    /// How to go on with it.
    next: String,
    link: Option<String>,
}

impl Cancelled {
    fn new(ended: &FoundRun, history: History, said: Option<RunError>) -> Self {
        let is_done = |step: &&super::history::Step| step.outcome == Outcome::Done;
        let done: Vec<String> = history.steps.iter().filter(is_done).map(|step| step.name.clone()).collect();
        Self {
            stays: stays(ended, &done),
            workflow_id: ended.workflow_id.clone(),
            run_id: ended.run_id.clone(),
            status: ended.status,
            reason: history.reason,
            done,
            said: said.map(|error| error.message),
            next: next(ended, history.input.as_ref()),
            link: ended.link.clone(),
        }
    }
}

fn next(run: &FoundRun, input: Option<&Value>) -> String {
    if WorkflowType::of(&run.workflow_type) == Some(WorkflowType::SyncSubscription) {
        return "its open events are handed over again by themselves".to_owned();
    }
    Ended { run, input, kind: Some(FailureKind::Cancelled), message: "", again: Again::Helps }.command()
}

/// What the steps of an onboarding or an import made, in words. The others say themselves what they
/// left.
fn stays(ended: &FoundRun, done: &[String]) -> Vec<String> {
    let is_done = |step: &str| done.iter().any(|name| name == step);
    let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "without a known id".to_owned());
    let customer = ended.stripe_customer_id.as_ref();
    let all = [
        (is_done(Step::CreateTenant.as_str()), format!("tenant {}", id(&ended.tenant_id))),
        (
            is_done(Step::CreateTenant.as_str()) && customer.is_some(),
            format!("its customer {}", id(&ended.stripe_customer_id)),
        ),
        (
            is_done(ImportStep::ImportSubscription.as_str()),
            format!("its subscription {}", id(&ended.stripe_subscription_id)),
        ),
        (is_done(Step::SetLicensedUserCount.as_str()), "its licence count".to_owned()),
        (is_done(Step::TagSubscription.as_str()), "the tenant's id on the subscription at Stripe".to_owned()),
        (is_done(Step::TagCustomer.as_str()), "the tenant's id on the customer at Stripe".to_owned()),
    ];
    all.into_iter().filter_map(|(is_there, what)| is_there.then_some(what)).collect()
}

impl Report for Cancelled {
    fn text(&self) -> String {
        let listed = |all: &[String]| if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
        let mut rows = Rows::default();
        rows.push("workflow", &self.workflow_id);
        rows.push("run", &self.run_id);
        rows.push_status("ended", self.status);
        rows.push_some("reason", self.reason.as_ref());
        rows.push("done", listed(&self.done));
        rows.push("stays", listed(&self.stays));
        rows.push_some("says", self.said.as_ref());
        rows.push("go on", &self.next);
        rows.push_some("link", self.link.as_ref());
        rows.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    #[test]
    fn it_looks_like_this() {
        let words = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let cancelled = Cancelled {
            workflow_id: "create-tenant-cus_QXg1oyoEfW2bZ3".to_owned(),
            run_id: "01a20041-fdac-77da-a6da-f7d0748a14ac".to_owned(),
            status: "cancelled",
            reason: Some("bought twice".to_owned()),
            done: words(&["resolvePurchase", "createTenant"]),
            stays: words(&["tenant 190f0b43-fe35-5e35-ba10-4f73c2b88e4d", "its customer cus_QXg1oyoEfW2bZ3"]),
            said: Some("a person cancelled it; what was done stays".to_owned()),
            next: "tenantry runs replay create-tenant-cus_QXg1oyoEfW2bZ3".to_owned(),
            link: Some("http://127.0.0.1:8233/namespaces/default/workflows/w/r/history".to_owned()),
        };
        snapshot::check("runs_cancel", &cancelled);
    }
}
