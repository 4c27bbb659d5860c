//! Handing an event to the sync of its subscription, as the shim and the relay do.

use std::time::Duration;

use domain::ids::{EventId, StripeSubscriptionId};
use domain::sync_subscription::{SubscriptionEvent, SyncSubscriptionInput};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::search_attributes::SearchAttributes;
use workflows::SyncSubscription;
use workflows::search_attributes::STRIPE_SUBSCRIPTION_ID;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::temporal::TemporalConfig;

/// For one event; a person waits in front of it, and the relay does what is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// The workflow that handles the events of a subscription. The id stands in the database, so it
/// may be one that no hand-over takes.
pub(super) fn workflow_id(subscription: &str) -> String {
    match subscription.parse() {
        Ok(subscription) => SyncSubscriptionInput::new(subscription).workflow_id(),
        Err(_) => "none: its subscription's id cannot be read".to_owned(),
    }
}

/// Tells the sync of the event, starting it where none runs. Answers the run that was told.
pub(super) async fn hand_over(
    client: &Client,
    temporal: &TemporalConfig,
    event: &EventId,
    subscription: &StripeSubscriptionId,
) -> Result<String, Failure> {
    let input = SyncSubscriptionInput::new(subscription.clone());
    let options = WorkflowStartOptions::new(&temporal.task_queue, input.workflow_id())
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .search_attributes(SearchAttributes::new([STRIPE_SUBSCRIPTION_ID.value_set(subscription.to_string())]))
        .static_summary(subscription.to_string())
        .build();
    let signal = SubscriptionEvent { event_id: event.clone() };
    let told = client.signal_with_start_workflow(
        SyncSubscription::run,
        input.into(),
        SyncSubscription::subscription_event,
        signal.into(),
        options,
    );
    let Ok(told) = tokio::time::timeout(PATIENCE, told).await else {
        return Err(temporal.unreachable(&format!("no answer in {} seconds", PATIENCE.as_secs())));
    };
    match told {
        Ok(handle) => Ok(handle.run_id().unwrap_or_default().to_owned()),
        Err(WorkflowStartError::Rpc(status)) => Err(temporal.answered(&status)),
        Err(error) => Err(Failure::new(Exit::Failed, error.to_string(), "run `tenantry doctor`")),
    }
}
