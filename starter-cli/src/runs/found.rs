//! Runs as the server lists and describes them. The list may lag behind, so that it only says which
//! workflow ids to look at; what holds is what describing each of them says.

use std::collections::HashSet;
use std::future::ready;
use std::pin::pin;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use schemars::JsonSchema;
use serde::Serialize;
use temporalio_client::errors::{ClientError, WorkflowInteractionError};
use temporalio_client::{Client, UntypedWorkflow, WorkflowExecutionDescription, WorkflowExecutionInfo, WorkflowHandle};
use temporalio_common::search_attributes::SearchAttributeKey;
use workflows::search_attributes::{FAILURE_KIND, STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, TENANT_ID};

use super::filter::Filter;
use super::stuck::{Stuck, WORKFLOW_TASK};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::run::{STATUSES, is_about_the_namespace, status};
use crate::temporal::TemporalConfig;

/// Described at the same time.
const AT_ONCE: usize = 16;
/// Who waits for longer than that is told how far it is.
const QUIET: Duration = Duration::from_secs(2);

/// The latest run of a workflow id, as the server describes it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct FoundRun {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    #[schemars(extend("enum" = STATUSES))]
    pub(crate) status: &'static str,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) closed_at: Option<DateTime<Utc>>,
    /// What ended it, or what the last try of a stuck one ended with.
    pub(crate) failure_kind: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) stripe_customer_id: Option<String>,
    pub(crate) stripe_subscription_id: Option<String>,
    pub(crate) stuck: Option<Stuck>,
    /// Its page in the Temporal UI.
    pub(crate) link: Option<String>,
}

/// Runs that fit.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    pub(crate) runs: Vec<FoundRun>,
    /// Whether there are others that fit too.
    pub(crate) more: bool,
}

/// The latest run of each workflow id that fits, newest first, at most so many.
pub(crate) async fn find(
    client: &Client,
    temporal: &TemporalConfig,
    filter: &Filter,
    limit: Option<usize>,
    output: Output,
) -> Result<Found, Failure> {
    let progress = Progress::on_stderr(output);
    let found = described(client, temporal, filter, limit, &progress).await;
    progress.end();
    found
}

async fn described(
    client: &Client,
    temporal: &TemporalConfig,
    filter: &Filter,
    limit: Option<usize>,
    progress: &Progress,
) -> Result<Found, Failure> {
    let (began, mut looked_at) = (Instant::now(), 0);
    let mut seen = HashSet::new();
    let listed = client.list_workflows(filter.query(&temporal.task_queue), Default::default());
    let described = listed
        .map_err(|error| not_listed(&error, temporal))
        .try_filter(|run| ready(seen.insert(run.id().to_owned())))
        .map_ok(|run| async move { describe(client, temporal, run.id(), None).await })
        .try_buffered(AT_ONCE);
    let mut fitting = pin!(described.try_filter_map(|run| {
        looked_at += 1;
        let now = Instant::now();
        if now.duration_since(began) > QUIET {
            progress.say(&format!("looking at runs: {looked_at} so far"), now);
        }
        let run = run.map(|described| FoundRun::new(&described, temporal));
        ready(Ok(run.filter(|run| filter.fits(run))))
    }));
    let mut runs = Vec::new();
    while let Some(run) = fitting.try_next().await? {
        if limit == Some(runs.len()) {
            return Ok(Found { runs, more: true });
        }
        runs.push(run);
    }
    Ok(Found { runs, more: false })
}

/// A list that did not come.
pub(super) fn not_listed(error: &ClientError, temporal: &TemporalConfig) -> Failure {
    match error {
        ClientError::Rpc(status) => temporal.answered(status),
        ClientError::PayloadConversion(_) => unreadable(&error.to_string()),
        _ => unreadable(&error.to_string()),
    }
}

fn unreadable(why: &str) -> Failure {
    Failure::new(Exit::Failed, why, "run the same command again; look at it in the Temporal UI if it stays so")
}

/// The run, or the latest of that workflow id; none where there never was one, or not for long enough.
pub(crate) async fn describe(
    client: &Client,
    temporal: &TemporalConfig,
    workflow_id: &str,
    run_id: Option<&str>,
) -> Result<Option<WorkflowExecutionDescription>, Failure> {
    match handle(client, temporal, workflow_id, run_id).describe(Default::default()).await {
        Ok(described) => Ok(Some(described)),
        Err(WorkflowInteractionError::NotFound(status)) if !is_about_the_namespace(&status) => Ok(None),
        Err(error) => Err(not_answered(&error, temporal)),
    }
}

/// A question about one run that was not answered.
pub(super) fn not_answered(error: &WorkflowInteractionError, temporal: &TemporalConfig) -> Failure {
    match error {
        WorkflowInteractionError::NotFound(status) if !is_about_the_namespace(status) => {
            let message = "it is gone: the namespace keeps runs for its retention after they end";
            Failure::new(Exit::NotFound, message, "see which there are: tenantry runs list")
        }
        WorkflowInteractionError::NotFound(status) | WorkflowInteractionError::Rpc(status) => temporal.answered(status),
        WorkflowInteractionError::PayloadConversion(_) | WorkflowInteractionError::Other(_) => {
            unreadable(&error.to_string())
        }
        _ => unreadable(&error.to_string()),
    }
}

/// On that very run, or on the latest of the workflow id.
pub(crate) fn handle(
    client: &Client,
    temporal: &TemporalConfig,
    workflow_id: &str,
    run_id: Option<&str>,
) -> WorkflowHandle<Client, UntypedWorkflow> {
    let info = WorkflowExecutionInfo::builder()
        .namespace(temporal.namespace())
        .workflow_id(workflow_id)
        .maybe_run_id(run_id)
        .build();
    WorkflowHandle::new(client.clone(), info)
}

impl FoundRun {
    /// As the server describes it.
    pub(crate) fn new(described: &WorkflowExecutionDescription, temporal: &TemporalConfig) -> Self {
        let attributes = described.search_attributes();
        let attribute = |key: SearchAttributeKey<String>| attributes.get(&key);
        let stuck = Stuck::of(described.raw(), Utc::now());
        let kind_of_last_try = stuck.as_ref().and_then(|stuck| stuck.kind.clone());
        Self {
            workflow_id: described.id().to_owned(),
            run_id: described.run_id().to_owned(),
            workflow_type: described.workflow_type().to_owned(),
            status: status(described.status()),
            started_at: described.start_time().map(DateTime::from).unwrap_or_default(),
            closed_at: described.close_time().map(DateTime::from),
            failure_kind: kind_of_last_try.or_else(|| attribute(FAILURE_KIND)),
            tenant_id: attribute(TENANT_ID),
            stripe_customer_id: attribute(STRIPE_CUSTOMER_ID),
            stripe_subscription_id: attribute(STRIPE_SUBSCRIPTION_ID),
            stuck,
            link: temporal.link(described.id(), described.run_id()),
        }
    }
}

impl FoundRun {
    /// The same, with what only its history says: the server's description begins anew with each try
    /// to decide what comes next.
    pub(super) fn since(mut self, undecided_since: Option<DateTime<Utc>>) -> Self {
        if let Some(stuck) = self.stuck.as_mut().filter(|stuck| stuck.activity == WORKFLOW_TASK) {
            stuck.since = undecided_since.unwrap_or(stuck.since);
        }
        self
    }
}

#[cfg(test)]
impl FoundRun {
    /// One of which nothing else is known.
    pub(super) fn of_test(workflow_id: &str, workflow_type: &str, status: &'static str) -> Self {
        Self {
            workflow_id: workflow_id.to_owned(),
            run_id: "r1".to_owned(),
            workflow_type: workflow_type.to_owned(),
            status,
            started_at: DateTime::default(),
            closed_at: None,
            failure_kind: None,
            tenant_id: None,
            stripe_customer_id: None,
            stripe_subscription_id: None,
            stuck: None,
            link: None,
        }
    }
}
