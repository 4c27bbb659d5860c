//! The run that changes a tenant's licences, of which there is one at a time.

use domain::change_license::{ChangeLicenseInput, ChangeLicenseState, LicenseStep, workflow_id};
use domain::ids::TenantId;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{
    Client, WorkflowHandle, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
};
use temporalio_common::search_attributes::SearchAttributes;
use workflows::ChangeLicense;
use workflows::search_attributes::TENANT_ID;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::{Run, not_started};
use crate::temporal::TemporalConfig;
use crate::wait::{self, BETWEEN_STEPS};

/// A query waits for a worker, perhaps for long.
const ONE_LOOK: Duration = Duration::from_secs(3);
/// Nobody says it later.
const LAST_LOOK: Duration = Duration::from_secs(15);

/// A change that is under way.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Running {
    workflow_id: String,
    run_id: String,
    /// What it goes from and to, and the step under way, where a worker answers.
    from: Option<i32>,
    to: Option<i32>,
    step: Option<&'static str>,
    link: Option<String>,
}

impl Running {
    /// The tenant's, if one runs.
    pub(super) async fn find(
        client: &Client,
        temporal: &TemporalConfig,
        tenant: TenantId,
    ) -> Result<Option<Self>, Failure> {
        let found = Run::find(client, temporal, &workflow_id(tenant)).await?;
        let Some(run) = found.filter(|run| run.status == "running") else { return Ok(None) };
        let handle = run.handle::<ChangeLicense>(client, temporal);
        let state = look(&handle).await;
        Ok(Some(Self {
            from: state.as_ref().and_then(|state| state.from).map(|count| count.get()),
            to: state.as_ref().and_then(|state| state.to).map(|count| count.get()),
            step: state.as_ref().and_then(|state| state.step).map(LicenseStep::as_str),
            workflow_id: run.workflow_id,
            run_id: run.run_id,
            link: run.link,
        }))
    }

    /// In a line.
    pub(super) fn line(&self) -> String {
        let from = self.from.map_or_else(String::new, |from| format!("{from} "));
        let numbers = self.to.map_or_else(String::new, |to| format!("{from}-> {to}, "));
        let step = self.step.map_or_else(String::new, |step| format!("{step}, "));
        format!("{numbers}{step}run {}", self.run_id)
    }

    /// Its page in the UI.
    pub(super) fn link(&self) -> Option<&String> {
        self.link.as_ref()
    }

    /// A second change is refused.
    pub(super) fn refuse(&self, temporal: &TemporalConfig) -> Failure {
        already(temporal, &self.workflow_id, &self.run_id)
    }
}

fn already(temporal: &TemporalConfig, workflow_id: &str, run_id: &str) -> Failure {
    let message = format!("{workflow_id} is running already, run {run_id}; nothing was started");
    Failure::new(Exit::Refused, message, wait::follow(temporal, workflow_id, run_id))
}

/// Starts the change. The server refuses a second one beside it.
pub(super) async fn start(
    client: &Client,
    temporal: &TemporalConfig,
    input: &ChangeLicenseInput,
) -> Result<Run, Failure> {
    let workflow_id = input.workflow_id();
    let options = WorkflowStartOptions::new(&temporal.task_queue, &workflow_id)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .search_attributes(SearchAttributes::new([TENANT_ID.value_set(input.tenant_id.to_string())]))
        .static_summary(input.summary())
        .build();
    match client.start_workflow(ChangeLicense::run, input.clone().into(), options).await {
        Ok(handle) => Ok(Run::started(&handle, temporal)),
        Err(WorkflowStartError::AlreadyStarted { run_id, .. }) => {
            Err(already(temporal, &workflow_id, &run_id.unwrap_or_default()))
        }
        Err(error) => Err(not_started(&error, temporal)),
    }
}

/// Where it stands; none where no worker answers.
pub(super) async fn standing(handle: &WorkflowHandle<Client, ChangeLicense>) -> Option<&'static str> {
    Some(state(handle).await?.step.map_or(BETWEEN_STEPS, LicenseStep::as_str))
}

/// What it says of itself, where a worker answers soon.
pub(super) async fn look(handle: &WorkflowHandle<Client, ChangeLicense>) -> Option<ChangeLicenseState> {
    look_for(handle, ONE_LOOK).await
}

/// What a run that has ended says of itself.
pub(super) async fn last_look(handle: &WorkflowHandle<Client, ChangeLicense>) -> Option<ChangeLicenseState> {
    look_for(handle, LAST_LOOK).await
}

async fn look_for(handle: &WorkflowHandle<Client, ChangeLicense>, limit: Duration) -> Option<ChangeLicenseState> {
    tokio::time::timeout(limit, state(handle)).await.ok().flatten()
}

async fn state(handle: &WorkflowHandle<Client, ChangeLicense>) -> Option<ChangeLicenseState> {
    handle.query(ChangeLicense::state, (), Default::default()).await.ok()
}
