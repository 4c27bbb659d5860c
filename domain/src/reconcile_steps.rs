//! The activities of a reconciliation: name, input and output of each. Each asks Stripe once at
//! most, twice where it tags; where a run stands is kept in the database and in its input.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

// The markers, as in `tenant_steps`.
pub use self::reconcile_steps::*;

use crate::ids::{StripeSubscriptionId, TenantId};
use crate::reconcile::{Drift, MassFall};
use crate::walk::WalkId;

/// The steps of a reconciliation.
pub struct ReconcileSteps;

#[activity_definitions]
impl ReconcileSteps {
    /// Reads the next subscription that has a row and was in no list.
    #[activity(name = "readAlone")]
    pub fn read_alone(_: DriftOf) -> Result<Left, ActivityError> {
        unimplemented!()
    }

    /// Compares the next staged subscriptions with their rows.
    #[activity(name = "compareSubscriptions")]
    pub fn compare_subscriptions(_: SubscriptionsAfter) -> Result<NextSubscriptions, ActivityError> {
        unimplemented!()
    }

    /// Compares the licence counts of the next tenants with what follows from Stripe.
    #[activity(name = "compareCounts")]
    pub fn compare_counts(_: CountsAfter) -> Result<NextCounts, ActivityError> {
        unimplemented!()
    }

    /// Says how much was found, how much of it is repaired, and who would fall to 0.
    #[activity(name = "weighDrift")]
    pub fn weigh_drift(_: DriftOf) -> Result<Weighed, ActivityError> {
        unimplemented!()
    }

    /// Repairs the next finding, or notes why it cannot be.
    #[activity(name = "repairDrift")]
    pub fn repair_drift(_: DriftOf) -> Result<Left, ActivityError> {
        unimplemented!()
    }

    /// Reads a page of Stripe's events and takes in those that the inbox lacks.
    #[activity(name = "walkEvents")]
    pub fn walk_events(_: DriftOf) -> Result<WalkedEvents, ActivityError> {
        unimplemented!()
    }

    /// Deletes some of the settled events that are too old to keep, and what old walks left.
    #[activity(name = "pruneEvents")]
    pub fn prune_events(_: DriftOf) -> Result<Pruned, ActivityError> {
        unimplemented!()
    }
}

/// A walk, and whom it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftOf {
    /// The walk.
    pub walk: WalkId,
    /// This tenant alone.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
}

/// Whether there may be more of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// There may.
    pub more: bool,
}

/// A page of subscriptions to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsAfter {
    /// The walk.
    #[serde(flatten)]
    pub of: DriftOf,
    /// Those after this one.
    #[serde(default)]
    pub after: Option<StripeSubscriptionId>,
}

/// Where the next page begins; none where that was the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextSubscriptions {
    /// After this one.
    #[serde(default)]
    pub after: Option<StripeSubscriptionId>,
}

/// A page of tenants whose counts to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsAfter {
    /// The walk.
    #[serde(flatten)]
    pub of: DriftOf,
    /// Those after this one.
    #[serde(default)]
    pub after: Option<TenantId>,
}

/// Where the next page begins; none where that was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextCounts {
    /// After this one.
    #[serde(default)]
    pub after: Option<TenantId>,
}

/// What a walk came to so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// Found and repaired.
    #[serde(flatten)]
    pub drift: Drift,
    /// Who would fall to 0 by what is not repaired.
    #[serde(flatten)]
    pub fall: MassFall,
    /// Events that the inbox lacked, by the whole walk: no answer that was lost takes one away.
    #[serde(default)]
    pub events_fed: u32,
    /// Settled events that were too old to keep, in the same way.
    #[serde(default)]
    pub events_pruned: u32,
}

/// What a page of events came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkedEvents {
    /// The inbox lacked them.
    pub fed: u32,
    /// Whether there may be another page.
    pub more: bool,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Events.
    pub events: u32,
    /// Whether there may be more.
    pub more: bool,
}
