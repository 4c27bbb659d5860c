//! The activities of one subscription's import, beside those that it shares with an onboarding.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

// The markers, as in `tenant_steps`.
pub use self::import_subscription_steps::*;

use crate::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use crate::license::Status;
use crate::tenant_steps::SubscriptionOf;
use crate::words::LicenseCount;

/// The steps of one subscription's import.
pub struct ImportSubscriptionSteps;

#[activity_definitions]
impl ImportSubscriptionSteps {
    /// Reads subscription and customer at Stripe, and refuses what belongs to another tenant. Writes
    /// nothing.
    #[activity(name = "resolveImport")]
    pub fn resolve_import(_: SubscriptionOf) -> Result<ResolvedImport, ActivityError> {
        unimplemented!()
    }

    /// Completes the row of the imported subscription's customer, derives the licence count once
    /// more, and says what is written now.
    #[activity(name = "settleImport")]
    pub fn settle_import(_: ImportToSettle) -> Result<SettledImport, ActivityError> {
        unimplemented!()
    }
}

/// A subscription that its tenant may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedImport {
    /// Who pays.
    pub stripe_customer_id: StripeCustomerId,
    /// The customer's, as Stripe has it.
    #[serde(default)]
    pub email: Option<String>,
    /// The customer's, as Stripe has it.
    #[serde(default)]
    pub name: Option<String>,
    /// How many licences the tenant has before anything is written; `null` is no limit.
    pub licensed_user_count: Option<LicenseCount>,
}

/// A subscription whose rows are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportToSettle {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// Its customer.
    pub stripe_customer_id: StripeCustomerId,
    /// For the customer's row, unless it has one.
    #[serde(default)]
    pub email: Option<String>,
    /// For the customer's row, unless it has one.
    #[serde(default)]
    pub name: Option<String>,
}

/// What the rows say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledImport {
    /// Of the subscription.
    pub status: Status,
    /// Of the subscription; none where usage is metered.
    pub quantity: Option<LicenseCount>,
    /// Of the tenant; `null` is no limit.
    pub licensed_user_count: Option<LicenseCount>,
}
