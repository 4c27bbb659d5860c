//! The hand-over of an event, while a person waits for it.

use std::time::Duration;

use store::DueEvent;
use temporalio_client::Client;
use temporalio_client::errors::WorkflowStartError;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::temporal::TemporalConfig;

/// For one event; a person waits in front of it, and the relay does what is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the sync of the event, starting it where none runs. Answers the run that was told.
pub(super) async fn hand_over(client: &Client, temporal: &TemporalConfig, event: &DueEvent) -> Result<String, Failure> {
    let told = service::hand_over::hand_over(client, &temporal.task_queue, event);
    let Ok(told) = tokio::time::timeout(PATIENCE, told).await else {
        return Err(temporal.unreachable(&format!("no answer in {} seconds", PATIENCE.as_secs())));
    };
    match told {
        Ok(run) => Ok(run),
        Err(WorkflowStartError::Rpc(status)) => Err(temporal.answered(&status)),
        Err(error) => Err(Failure::new(Exit::Failed, error.to_string(), "run `tenantry doctor`")),
    }
}
