//! The activities of a subscription's sync: name, input and output of each.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

// The markers, as in `tenant_steps`.
pub use self::sync_steps::*;

use crate::create_tenant::RunError;
use crate::ids::{EventId, StripeSubscriptionId, TenantId};
use crate::sync_subscription::Handled;

/// The steps of a sync.
pub struct SyncSteps;

#[activity_definitions]
impl SyncSteps {
    /// Reads the subscription at Stripe, once for all these events, and writes it together with
    /// what became of them.
    #[activity(name = "syncSubscription")]
    pub fn sync_subscription(_: EventsOf) -> Result<SyncedSubscription, ActivityError> {
        unimplemented!()
    }

    /// Notes that these events could not be settled, and why.
    #[activity(name = "failEvents")]
    pub fn fail_events(_: FailedEvents) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// A subscription, and the events that said that it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsOf {
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// Taken up before the read; exactly these are settled by it.
    pub event_ids: Vec<EventId>,
}

/// What became of the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncedSubscription {
    /// Whose it is; none where the events were parked.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// How the events were settled.
    pub handled: Handled,
}

/// Events that could not be settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedEvents {
    /// Which.
    #[serde(flatten)]
    pub of: EventsOf,
    /// Why.
    pub error: RunError,
}
