//! The hand-over of an event to Temporal, as the shim, its relay and an operator's replay make it:
//! one call, by which the server decides; nothing is looked up before.
//!
//! What it leaves out: how long a caller waits for it, and what it makes of an error.

use domain::sync_subscription::{SubscriptionEvent, SyncSubscriptionInput};
use store::DueEvent;
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{
    Client, RetryOptions, RpcOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
};
use temporalio_common::search_attributes::SearchAttributes;
use workflows::SyncSubscription;
use workflows::search_attributes::STRIPE_SUBSCRIPTION_ID;

/// Tells the subscription's sync of the event, and starts it where none runs, whatever became of
/// the one before. Answers the run that was told.
///
/// One try: the SDK would try again for seconds what is Temporal's answer, that it is too busy, and
/// a caller who waits less would take it for silence. Callers have a pause of their own.
pub async fn hand_over(client: &Client, task_queue: &str, event: &DueEvent) -> Result<String, WorkflowStartError> {
    let input = SyncSubscriptionInput::new(event.subscription.clone());
    let subject = event.subscription.to_string();
    let options = WorkflowStartOptions::new(task_queue, input.workflow_id())
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .search_attributes(SearchAttributes::new([STRIPE_SUBSCRIPTION_ID.value_set(subject.clone())]))
        .static_summary(subject)
        .rpc_options(RpcOptions::builder().retry_options(RetryOptions::no_retries()).build())
        .build();
    let signal = SubscriptionEvent { event_id: event.id.clone() };
    let told = client.signal_with_start_workflow(
        SyncSubscription::run,
        input.into(),
        SyncSubscription::subscription_event,
        signal.into(),
        options,
    );
    Ok(told.await?.run_id().unwrap_or_default().to_owned())
}
