//! The activities of an onboarding: name, input and output of each. `workflows` calls them,
//! `activities` implements them, and neither sees the other.
//!
//! Every step may run twice and answers the second time what it answered the first.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

// The markers that `#[activity(definition = ..)]` asks for; the macro below puts them in a
// module that it names after the struct.
pub use self::tenant_steps::*;

use crate::create_tenant::CreateTenantInput;
use crate::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use crate::license::Status;
use crate::words::{ClientName, Email, LicenseCount};

/// The steps of an onboarding.
pub struct TenantSteps;

#[activity_definitions]
impl TenantSteps {
    /// Reads the purchase at Stripe, checks that it belongs together and to no other tenant,
    /// and fixes the tenant's id. Writes nothing.
    #[activity(name = "resolvePurchase")]
    pub fn resolve_purchase(_: CreateTenantInput) -> Result<Purchase, ActivityError> {
        unimplemented!()
    }

    /// Inserts the tenant and claims its customer, in one transaction.
    #[activity(name = "createTenant")]
    pub fn create_tenant(_: NewTenant) -> Result<CreatedTenant, ActivityError> {
        unimplemented!()
    }

    /// Completes the row of the claimed customer.
    #[activity(name = "insertStripeCustomer")]
    pub fn insert_stripe_customer(_: NewStripeCustomer) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Reads the subscription again and writes product, price, subscription and count.
    #[activity(name = "importSubscription")]
    pub fn import_subscription(_: SubscriptionOf) -> Result<ImportedSubscription, ActivityError> {
        unimplemented!()
    }

    /// Derives the licence count from the rows, once more and last.
    #[activity(name = "setLicensedUserCount")]
    pub fn set_licensed_user_count(_: LicenseCountOf) -> Result<LicensedUserCount, ActivityError> {
        unimplemented!()
    }

    /// Puts `tenant_id` on the subscription's metadata.
    #[activity(name = "tagSubscription")]
    pub fn tag_subscription(_: SubscriptionOf) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Puts `tenant_id`, `algapsa_url` and `onboarded` on the customer's metadata and takes
    /// `pending_tenant` away.
    #[activity(name = "tagCustomer")]
    pub fn tag_customer(_: CustomerOf) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// A purchase of which everything is known that decides whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The tenant that it makes or adds to.
    pub tenant_id: TenantId,
    /// Who pays: as given, else of the session, else of the subscription.
    #[serde(default)]
    pub stripe_customer_id: Option<StripeCustomerId>,
    /// What was bought: as given, else of the session.
    #[serde(default)]
    pub stripe_subscription_id: Option<StripeSubscriptionId>,
    /// What a person may want to look at.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The tenant to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTenant {
    /// Its id.
    pub tenant_id: TenantId,
    /// Whether the caller chose that id: then losing the customer to another tenant is an error.
    pub tenant_id_was_given: bool,
    /// Its name.
    pub client_name: ClientName,
    /// Who bought.
    pub email: Email,
    /// The customer to claim with it.
    #[serde(default)]
    pub stripe_customer_id: Option<StripeCustomerId>,
    /// Whether a later step sets a count; until then the tenant has 0 licences, not endless ones.
    pub count_follows: bool,
}

/// The tenant that there is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedTenant {
    /// Its id: the one asked for, or that of the tenant which has the customer already.
    pub tenant_id: TenantId,
    /// Whether this run made it, on whichever attempt.
    pub created: bool,
    /// What a person may want to look at.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The customer whose row to complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewStripeCustomer {
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its id.
    pub stripe_customer_id: StripeCustomerId,
    /// Kept unless the row has one.
    pub email: Email,
    /// Kept unless the row has one.
    pub client_name: ClientName,
}

/// A subscription and its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionOf {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
}

/// A customer and its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerOf {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The customer.
    pub stripe_customer_id: StripeCustomerId,
}

/// What was written. It carries no quantity: the count is derived from rows, never handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedSubscription {
    /// What Stripe said of it.
    pub status: Status,
}

/// Whose count to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseCountOf {
    /// The tenant.
    pub tenant_id: TenantId,
    /// Counts only while the tenant has neither a licence subscription nor a licence change.
    #[serde(default)]
    pub initial_license_count: Option<LicenseCount>,
}

/// The count that the tenant has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicensedUserCount {
    /// `null` is no limit.
    pub licensed_user_count: Option<LicenseCount>,
    /// What a person may want to look at.
    #[serde(default)]
    pub warnings: Vec<String>,
}
