//! A worker of another build, as far as the server sees it: an onboarding that begins with a timer.

use anyhow::{Context, Result};
use e2e::World;
use serde_json::{Value, json};
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, NamespacedClient, Url};
use temporalio_common::protos::temporal::api::command::v1::command::Attributes;
use temporalio_common::protos::temporal::api::command::v1::{
    Command, CompleteWorkflowExecutionCommandAttributes, StartTimerCommandAttributes,
};
use temporalio_common::protos::temporal::api::common::v1::{Payload, Payloads};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest,
};

/// Takes the next workflow task of this world and starts a timer of a second.
pub(crate) fn starts_a_timer(world: &World) -> Result<()> {
    let fires_after = Some(std::time::Duration::from_secs(1).try_into()?);
    let timer = StartTimerCommandAttributes { timer_id: "1".to_owned(), start_to_fire_timeout: fires_after };
    take(world, CommandType::StartTimer, Attributes::StartTimerCommandAttributes(timer))
}

/// Takes the next, and completes the run with that result.
pub(crate) fn completes(world: &World, result: &Value) -> Result<()> {
    let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
    let payload = Payload { metadata, data: json!(result).to_string().into_bytes(), ..Default::default() };
    let result = Some(Payloads { payloads: vec![payload] });
    let completed = CompleteWorkflowExecutionCommandAttributes { result };
    let attributes = Attributes::CompleteWorkflowExecutionCommandAttributes(completed);
    take(world, CommandType::CompleteWorkflowExecution, attributes)
}

fn take(world: &World, kind: CommandType, attributes: Attributes) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(answer(&world.temporal.address(), world.task_queue(), kind, attributes))
}

/// Polls until there is a task; one that another worker had is there again when its time is up.
async fn answer(address: &str, queue: String, kind: CommandType, attributes: Attributes) -> Result<()> {
    let client = client(address).await?;
    let namespace = client.namespace();
    let mut service = client.connection().workflow_service();
    let poll = PollWorkflowTaskQueueRequest {
        namespace: namespace.clone(),
        task_queue: Some(TaskQueue { name: queue, ..Default::default() }),
        identity: "the earlier build".to_owned(),
        ..Default::default()
    };
    let mut task = service.poll_workflow_task_queue(poll.clone().into_request()).await?.into_inner();
    while task.task_token.is_empty() {
        task = service.poll_workflow_task_queue(poll.clone().into_request()).await?.into_inner();
    }
    let command = Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() };
    let done = RespondWorkflowTaskCompletedRequest {
        namespace,
        task_token: task.task_token,
        commands: vec![command],
        identity: poll.identity,
        ..Default::default()
    };
    service.respond_workflow_task_completed(done.into_request()).await.context("the task was not taken")?;
    Ok(())
}

async fn client(address: &str) -> Result<Client> {
    let target: Url = format!("http://{address}").parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    Ok(Client::new(connection, ClientOptions::new("default").build())?)
}
