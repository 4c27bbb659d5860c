//! A run of a workflow: started by this command, or there already.

use domain::create_tenant::RunError;
use schemars::JsonSchema;
use serde::Serialize;
use temporalio_client::errors::{WorkflowInteractionError, WorkflowStartError};
use temporalio_client::tonic::Status;
use temporalio_client::{Client, UntypedWorkflow, WorkflowExecutionInfo, WorkflowExecutionStatus, WorkflowHandle};
use temporalio_common::HasWorkflowDefinition;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, Rows};
use crate::temporal::TemporalConfig;
use crate::wait;

/// Where a run can be, in the words of the Temporal UI.
pub(crate) const STATUSES: [&str; 9] =
    ["running", "completed", "failed", "cancelled", "terminated", "continued_as_new", "timed_out", "paused", "unknown"];

/// Where a run is that Temporal keeps no longer.
pub(crate) const FORGOTTEN: &str = "forgotten";

/// A run that was started, or that was there already.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Run {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    #[schemars(extend("enum" = STATUSES))]
    pub(crate) status: &'static str,
    /// Whether this command started it.
    pub(crate) started: bool,
    pub(crate) link: Option<String>,
}

/// A run and how it ended.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RunEnded<'a, R> {
    #[serde(flatten)]
    pub(crate) run: &'a Run,
    pub(crate) result: Option<&'a R>,
    pub(crate) failure: Option<&'a RunError>,
}

impl Run {
    /// The run behind the handle that a start answered.
    pub(crate) fn started<W: HasWorkflowDefinition>(
        handle: &WorkflowHandle<Client, W>,
        temporal: &TemporalConfig,
    ) -> Self {
        let workflow_id = handle.info().workflow_id.clone();
        let run_id = handle.run_id().unwrap_or_default().to_owned();
        let link = temporal.link(&workflow_id, &run_id);
        Self { workflow_id, run_id, status: "running", started: true, link }
    }

    /// The run that has the id; none where there never was one, or not for long enough.
    pub(crate) async fn find(
        client: &Client,
        temporal: &TemporalConfig,
        workflow_id: &str,
    ) -> Result<Option<Self>, Failure> {
        let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id);
        let found = match handle.describe(Default::default()).await {
            Ok(found) => found,
            Err(WorkflowInteractionError::NotFound(status)) if !is_about_the_namespace(&status) => return Ok(None),
            Err(WorkflowInteractionError::NotFound(status) | WorkflowInteractionError::Rpc(status)) => {
                return Err(temporal.answered(&status));
            }
            Err(error) => return Err(Failure::new(Exit::Failed, error.to_string(), "run the same command again")),
        };
        Ok(Some(Self {
            workflow_id: workflow_id.to_owned(),
            run_id: found.run_id().to_owned(),
            status: status(found.status()),
            started: false,
            link: temporal.link(workflow_id, found.run_id()),
        }))
    }

    /// The run that has the id, where the server has just said that there is one.
    pub(crate) async fn existing(
        client: &Client,
        temporal: &TemporalConfig,
        workflow_id: &str,
    ) -> Result<Self, Failure> {
        let gone = || Failure::new(Exit::Failed, "the run in the way is gone", "run the same command again");
        Self::find(client, temporal, workflow_id).await?.ok_or_else(gone)
    }

    /// A handle on this very run.
    pub(crate) fn handle<W: HasWorkflowDefinition>(
        &self,
        client: &Client,
        temporal: &TemporalConfig,
    ) -> WorkflowHandle<Client, W> {
        let info = WorkflowExecutionInfo::builder()
            .namespace(temporal.namespace())
            .workflow_id(&self.workflow_id)
            .run_id(&self.run_id)
            .build();
        WorkflowHandle::new(client.clone(), info)
    }

    /// It stands in the way of another.
    pub(crate) fn already(&self, temporal: &TemporalConfig) -> Failure {
        let Self { workflow_id, run_id, status, .. } = self;
        let message = format!("{workflow_id} is {status} already (run {run_id}); nothing was started");
        Failure::new(Exit::Refused, message, wait::follow(temporal, workflow_id, run_id))
    }
}

/// It is not there either, and says so under the same code.
pub(crate) fn is_about_the_namespace(status: &Status) -> bool {
    status.message().to_lowercase().contains("namespace")
}

/// Where that very run is, in the words of the Temporal UI.
pub(crate) async fn status_of(
    client: &Client,
    temporal: &TemporalConfig,
    workflow_id: &str,
    run_id: &str,
) -> Result<&'static str, Failure> {
    let info = WorkflowExecutionInfo::builder()
        .namespace(temporal.namespace())
        .workflow_id(workflow_id)
        .run_id(run_id)
        .build();
    let handle = WorkflowHandle::<Client, UntypedWorkflow>::new(client.clone(), info);
    match handle.describe(Default::default()).await {
        Ok(found) => Ok(status(found.status())),
        Err(WorkflowInteractionError::NotFound(_)) => Ok(FORGOTTEN),
        Err(WorkflowInteractionError::Rpc(status)) => Err(temporal.answered(&status)),
        Err(error) => Err(Failure::new(Exit::Failed, error.to_string(), "run the same command again")),
    }
}

/// A start that did not happen, for another reason than a run that is there already.
pub(crate) fn not_started(error: &WorkflowStartError, temporal: &TemporalConfig) -> Failure {
    if let WorkflowStartError::Rpc(status) = error {
        return temporal.answered(status);
    }
    Failure::new(Exit::Failed, error.to_string(), "run `tenantry doctor`")
}

impl Report for Run {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("workflow", &self.workflow_id);
        rows.push("run", &self.run_id);
        rows.push_status("status", if self.started { "started" } else { self.status });
        rows.push_some("link", self.link.as_ref());
        rows.to_string()
    }
}

/// The words of the Temporal UI.
pub(crate) fn status(status: WorkflowExecutionStatus) -> &'static str {
    match status {
        WorkflowExecutionStatus::Running => "running",
        WorkflowExecutionStatus::Completed => "completed",
        WorkflowExecutionStatus::Failed => "failed",
        WorkflowExecutionStatus::Canceled => "cancelled",
        WorkflowExecutionStatus::Terminated => "terminated",
        WorkflowExecutionStatus::ContinuedAsNew => "continued_as_new",
        WorkflowExecutionStatus::TimedOut => "timed_out",
        WorkflowExecutionStatus::Paused => "paused",
        WorkflowExecutionStatus::Unspecified | WorkflowExecutionStatus::Unknown => "unknown",
        _ => "unknown",
    }
}
