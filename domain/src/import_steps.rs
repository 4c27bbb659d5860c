//! The activities of an import of customers: name, input and output of each. They go on from what
//! a walk has staged; how far each tenant is stands in the database, so that nothing is lost
//! between two of them.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

// The markers, as in `tenant_steps`.
pub use self::import_steps::*;

use crate::ids::{StripeSubscriptionId, TenantId};
use crate::import_customers::TenantProgress;
use crate::walk::WalkId;
use crate::walk_steps::WalkOf;

/// The steps of an import of customers.
pub struct ImportSteps;

#[activity_definitions]
impl ImportSteps {
    /// Finds the customers of the next tenants, and what is to become of them.
    #[activity(name = "judgeTenants")]
    pub fn judge_tenants(_: WalkOf) -> Result<Judged, ActivityError> {
        unimplemented!()
    }

    /// Writes what was found for the next tenants, each in a transaction of its own.
    #[activity(name = "importTenants")]
    pub fn import_tenants(_: WalkOf) -> Result<Imported, ActivityError> {
        unimplemented!()
    }

    /// The next subscriptions that are still to be tagged or read once more.
    #[activity(name = "listFollowUps")]
    pub fn list_follow_ups(_: WalkOf) -> Result<FollowUps, ActivityError> {
        unimplemented!()
    }

    /// Puts `tenant_id` on an imported subscription. Where Stripe's answer does not say what was
    /// staged, it is to be read once more.
    #[activity(name = "tagImported")]
    pub fn tag_imported(_: FollowUp) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Reads a subscription and writes what Stripe says of it now.
    #[activity(name = "readImported")]
    pub fn read_imported(_: FollowUp) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// Some tenants were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Whether these were the last.
    pub done: bool,
    /// How far the tenants are.
    pub progress: TenantProgress,
}

/// Some tenants were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Whether these were the last.
    pub done: bool,
    /// How far the tenants are.
    pub progress: TenantProgress,
}

/// What is left to do after the rows were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUps {
    /// A few of them; none where nothing is left.
    pub next: Vec<FollowUp>,
    /// How far the tenants are.
    pub progress: TenantProgress,
}

/// One subscription that an import has not finished with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// The import.
    pub walk: WalkId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// What is to be done with it.
    pub task: Task,
}

/// What is to be done with a subscription after its rows were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// It does not say yet whose it is.
    Tag,
    /// What was staged was not enough, or is not the whole truth any more.
    Read,
}
