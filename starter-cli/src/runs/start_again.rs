//! Starting a failed run again: a new run under the same workflow id, which the server allows only
//! after one that failed. Whoever looked before, it decides.

use domain::replay::ReplayInput;
use futures::TryStreamExt;
use serde::Serialize;
use temporalio_client::Client;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_common::protos::temporal::api::common::v1::{Payload, Payloads, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::{
    TaskQueueKind, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::sdk::v1::UserMetadata;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use temporalio_common::search_attributes::SearchAttributes;
use uuid::Uuid;
use workflows::search_attributes::{STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, TENANT_ID};

use super::found::{FoundRun, handle, not_answered};
use crate::failure::Failure;
use crate::operator::login;
use crate::run::Run;
use crate::temporal::TemporalConfig;

/// The new run; none where the latest one did not fail, or somebody else was faster.
pub(super) async fn start(
    client: &Client,
    temporal: &TemporalConfig,
    failed: &FoundRun,
    input: &ReplayInput,
) -> Result<Option<Run>, Failure> {
    let identity = format!("{}, {}", identity(client), Uuid::new_v4());
    let request = request(temporal, failed, input, &identity);
    let answer = client.connection().workflow_service().start_workflow_execution(request.into_request()).await;
    let run_id = match answer {
        Ok(answer) => answer.into_inner().run_id,
        Err(status) if status.code() == Code::AlreadyExists => return Ok(None),
        Err(status) => return Err(temporal.answered(&status)),
    };
    // A request whose id the server has seen is answered with the run that it started, whoever asked.
    if started_by(client, temporal, &failed.workflow_id, &run_id).await? != identity {
        return Ok(None);
    }
    let link = temporal.link(&failed.workflow_id, &run_id);
    Ok(Some(Run { workflow_id: failed.workflow_id.clone(), run_id, status: "running", started: true, link }))
}

/// Raw, because the SDK's start has no request id. The failed run's stands in it: of two who start
/// the same failed run again, one does, also if the new run has failed before the other asks.
fn request(
    temporal: &TemporalConfig,
    failed: &FoundRun,
    input: &ReplayInput,
    identity: &str,
) -> StartWorkflowExecutionRequest {
    let queue = input.task_queue(&temporal.task_queue);
    StartWorkflowExecutionRequest {
        namespace: temporal.namespace().to_owned(),
        workflow_id: failed.workflow_id.clone(),
        workflow_type: Some(WorkflowType { name: input.workflow_type().to_owned() }),
        task_queue: Some(TaskQueue { name: queue, kind: TaskQueueKind::Normal.into(), normal_name: String::new() }),
        input: Some(Payloads { payloads: vec![payload(&input.input())] }),
        identity: identity.to_owned(),
        request_id: format!("replay-of-{}", failed.run_id),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicateFailedOnly.into(),
        workflow_id_conflict_policy: WorkflowIdConflictPolicy::Fail.into(),
        search_attributes: Some(search_attributes(input).into_proto()),
        user_metadata: Some(UserMetadata { summary: Some(payload(&input.summary())), details: None }),
        ..Default::default()
    }
}

fn search_attributes(input: &ReplayInput) -> SearchAttributes {
    let named = input.named();
    let known = [
        named.tenant_id.map(|id| TENANT_ID.value_set(id.to_string())),
        named.stripe_customer_id.map(|id| STRIPE_CUSTOMER_ID.value_set(id.to_string())),
        named.stripe_subscription_id.map(|id| STRIPE_SUBSCRIPTION_ID.value_set(id.to_string())),
    ];
    SearchAttributes::new(known.into_iter().flatten())
}

/// As the SDK writes it. Our inputs hold nothing that JSON cannot say.
fn payload(value: &impl Serialize) -> Payload {
    let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
    let data = serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("{error}"));
    Payload { metadata, data, external_payloads: Vec::new() }
}

/// Who the server says has asked for something: a login, where there is one, and a program.
pub(super) fn identity(client: &Client) -> String {
    let program = client.connection().identity().to_owned();
    login().map_or_else(|| program.clone(), |login| format!("{}, {program}", login.as_str()))
}

async fn started_by(
    client: &Client,
    temporal: &TemporalConfig,
    workflow_id: &str,
    run_id: &str,
) -> Result<String, Failure> {
    let mut events = handle(client, temporal, workflow_id, Some(run_id)).fetch_history(Default::default());
    let first = events.try_next().await.map_err(|error| not_answered(&error, temporal))?;
    Ok(match first.and_then(|event| event.attributes) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started.identity,
        Some(_) | None => String::new(),
    })
}
