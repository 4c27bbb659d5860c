//! What goes into `syncSubscriptionWorkflow`, what comes out, and what it says meanwhile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::create_tenant::RunError;
use crate::ids::{EventId, StripeSubscriptionId, TenantId};

/// Of a workflow's id, before the subscription's.
const ID_PREFIX: &str = "sync-subscription-";

/// Which subscription to bring up to what Stripe says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncSubscriptionInput {
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// Events that an earlier run of the same chain had taken up and not settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<EventId>,
    /// What the earlier runs of the same chain did.
    #[serde(default)]
    pub handled: Handled,
    /// When the step that the earlier run left was first tried, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trying_since: Option<u64>,
}

impl SyncSubscriptionInput {
    /// The input of the first run.
    pub fn new(stripe_subscription_id: StripeSubscriptionId) -> Self {
        Self { stripe_subscription_id, waiting: Vec::new(), handled: Handled::default(), trying_since: None }
    }

    /// The workflow id under which one sync of this subscription runs at a time.
    pub fn workflow_id(&self) -> String {
        format!("{ID_PREFIX}{}", self.stripe_subscription_id)
    }

    /// The subscription that the workflow of that id keeps up with; none for any other workflow.
    pub fn subscription_of(workflow_id: &str) -> Option<&str> {
        workflow_id.strip_prefix(ID_PREFIX)
    }
}

/// The signal `subscriptionEvent`: something changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionEvent {
    /// The event that says so.
    pub event_id: EventId,
}

/// How many events were settled, and how; also the workflow's result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handled {
    /// Reads of Stripe that were written.
    #[serde(default)]
    pub reads: usize,
    /// Covered by a read.
    #[serde(default)]
    pub completed: usize,
    /// Twins of those.
    #[serde(default)]
    pub superseded: usize,
    /// Waiting for the customer's tenant.
    #[serde(default)]
    pub parked: usize,
    /// Not settled by this run, since another had settled them before.
    #[serde(default)]
    pub settled_before: usize,
}

impl Handled {
    /// This and that.
    pub fn and(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            completed: self.completed + other.completed,
            superseded: self.superseded + other.superseded,
            parked: self.parked + other.parked,
            settled_before: self.settled_before + other.settled_before,
        }
    }
}

/// The answer to the query `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSubscriptionState {
    /// Events that wait for the next read.
    pub waiting: usize,
    /// What was done.
    pub handled: Handled,
    /// Whose subscription it is, once that is known.
    pub tenant_id: Option<TenantId>,
    /// What ended the run.
    pub error: Option<RunError>,
}
