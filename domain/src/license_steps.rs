//! The activities of a change of licences: name, input and output of each.
//!
//! Each that writes at Stripe looks first and sends one request; what it was decided on goes with
//! it, so that a late attempt never overrides what somebody else did meanwhile.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

// The markers, as in `tenant_steps`.
pub use self::license_steps::*;

use crate::change_license::{ChangeLicenseInput, ChangeLicenseResult};
use crate::create_tenant::RunError;
use crate::ids::{StripeSubscriptionId, SubscriptionScheduleId, TenantId};
use crate::license_plan::{LicenseNow, LicensePlan};
use crate::words::LicenseCount;

/// The steps of a change of licences.
pub struct LicenseSteps;

#[activity_definitions]
impl LicenseSteps {
    /// Notes the request, reads the tenant's licence subscription at Stripe, and decides what
    /// there is to do. Writes nothing at Stripe.
    #[activity(name = "resolveLicenseChange")]
    pub fn resolve_license_change(_: ChangeLicenseInput) -> Result<LicensePlan, ActivityError> {
        unimplemented!()
    }

    /// Releases our schedule, so that the number that it would bring does not come.
    #[activity(name = "releaseSchedule")]
    pub fn release_schedule(_: ScheduleToRelease) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Sets the number now.
    #[activity(name = "setLicenseQuantity")]
    pub fn set_license_quantity(_: QuantityToSet) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Puts the subscription under a schedule that leaves everything as it is.
    #[activity(name = "attachSchedule")]
    pub fn attach_schedule(_: ScheduleToAttach) -> Result<AttachedSchedule, ActivityError> {
        unimplemented!()
    }

    /// Tells the schedule the number that is to come when the period ends, and marks it as ours.
    #[activity(name = "writeSchedule")]
    pub fn write_schedule(_: ScheduleToWrite) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Reads the subscription after all writes and writes rows and count. Answers what Stripe has.
    #[activity(name = "importLicenseChange")]
    pub fn import_license_change(_: ChangedLicenses) -> Result<LicenseNow, ActivityError> {
        unimplemented!()
    }

    /// Notes what came of the request.
    #[activity(name = "closeLicenseRequest")]
    pub fn close_license_request(_: ClosedLicenseRequest) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// A number to set now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityToSet {
    /// Of which subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// What it was decided on.
    pub from: LicenseCount,
    /// What there shall be.
    pub to: LicenseCount,
}

/// A schedule to release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleToRelease {
    /// Of which subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// The schedule.
    pub stripe_schedule_id: SubscriptionScheduleId,
    /// What it was decided on.
    pub from: LicenseCount,
}

/// A subscription to put under a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleToAttach {
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// What it was decided on.
    pub from: LicenseCount,
}

/// The schedule that a subscription is under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedSchedule {
    /// The schedule.
    pub stripe_schedule_id: SubscriptionScheduleId,
}

/// A schedule to write a number into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleToWrite {
    /// Of which subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// The schedule.
    pub stripe_schedule_id: SubscriptionScheduleId,
    /// What it was decided on.
    pub from: LicenseCount,
    /// What is to come.
    pub to: LicenseCount,
}

/// A subscription whose licences a run was to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedLicenses {
    /// Whose licences.
    pub tenant_id: TenantId,
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// What was asked for. Any other number is somebody else's.
    #[serde(default)]
    pub to: Option<LicenseCount>,
}

/// A request that has ended, one way or the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedLicenseRequest {
    /// Whose licences.
    pub tenant_id: TenantId,
    /// How.
    pub ended: LicenseRequestEnd,
}

/// How a request has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenseRequestEnd {
    /// With this.
    Done(ChangeLicenseResult),
    /// By this.
    Failed(RunError),
}
