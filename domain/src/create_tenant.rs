//! What goes into `createTenantWorkflow`, what comes out, and what it says meanwhile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::failure::FailureKind;
use crate::ids::{CheckoutSessionId, StripeCustomerId, StripeSubscriptionId, TenantId};
use crate::words::{ClientName, Email, LicenseCount};

/// A purchase, as the store's checkout describes it. Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateTenantInput {
    /// Who bought.
    pub email: Email,
    /// What the tenant is to be called.
    pub client_name: ClientName,
    /// Who pays, at Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_customer_id: Option<StripeCustomerId>,
    /// What was bought, at Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_subscription_id: Option<StripeSubscriptionId>,
    /// How many licences to begin with, where Stripe does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_license_count: Option<LicenseCount>,
    /// The checkout that sold it; names customer and subscription where they are not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_session_id: Option<CheckoutSessionId>,
    /// The tenant to make or to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
}

impl CreateTenantInput {
    /// The workflow id under which at most one onboarding of this purchase runs: of the
    /// customer, else of the checkout session, else of `fallback`. Never of the e-mail.
    pub fn workflow_id(&self, fallback: Uuid) -> String {
        match (&self.stripe_customer_id, &self.checkout_session_id) {
            (Some(customer), _) => format!("create-tenant-{customer}"),
            (None, Some(session)) => format!("create-tenant-{session}"),
            (None, None) => format!("create-tenant-{fallback}"),
        }
    }

    /// The one line that stands under the run in the Temporal UI, e.g. `cus_…, 10 licences`.
    pub fn summary(&self) -> String {
        let who = match (&self.stripe_customer_id, &self.stripe_subscription_id, &self.checkout_session_id) {
            (Some(customer), _, _) => customer.to_string(),
            (None, Some(subscription), _) => subscription.to_string(),
            (None, None, Some(session)) => session.to_string(),
            (None, None, None) => "no Stripe data".to_owned(),
        };
        match self.initial_license_count {
            Some(count) => format!("{who}, {count} licences"),
            None => who,
        }
    }

    /// Whether there is anything to read at Stripe.
    pub fn has_stripe_data(&self) -> bool {
        self.stripe_customer_id.is_some() || self.stripe_subscription_id.is_some() || self.checkout_session_id.is_some()
    }
}

/// What an onboarding answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateTenantResult {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The same, under the name that the store reads.
    pub tenant: TenantId,
    /// Whether this run made it.
    pub created: bool,
    /// How many licences it has now; `null` is no limit.
    pub licensed_user_count: Option<LicenseCount>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_customer_id: Option<StripeCustomerId>,
    /// What was bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_subscription_id: Option<StripeSubscriptionId>,
    /// What a person may want to look at, in sentences. Nothing here stopped the onboarding.
    pub warnings: Vec<String>,
}

/// The steps of an onboarding, in order; the last two run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Look at Stripe and fix whose it is.
    ResolvePurchase,
    /// Make the tenant and claim the customer.
    CreateTenant,
    /// Complete the customer's row.
    InsertStripeCustomer,
    /// Write product, price and subscription.
    ImportSubscription,
    /// Derive the count.
    SetLicensedUserCount,
    /// Put the tenant's id on the subscription.
    TagSubscription,
    /// Put the tenant's id on the customer.
    TagCustomer,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::ResolvePurchase,
        Self::CreateTenant,
        Self::InsertStripeCustomer,
        Self::ImportSubscription,
        Self::SetLicensedUserCount,
        Self::TagSubscription,
        Self::TagCustomer,
    ];

    /// The name of its activity.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResolvePurchase => "resolvePurchase",
            Self::CreateTenant => "createTenant",
            Self::InsertStripeCustomer => "insertStripeCustomer",
            Self::ImportSubscription => "importSubscription",
            Self::SetLicensedUserCount => "setLicensedUserCount",
            Self::TagSubscription => "tagSubscription",
            Self::TagCustomer => "tagCustomer",
        }
    }
}

/// The answer to the query `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTenantState {
    /// The step under way; none before the first, after the last and after a failure.
    pub step: Option<Step>,
    /// The steps that are done.
    pub done: Vec<Step>,
    /// The tenant, as soon as it is fixed.
    pub tenant_id: Option<TenantId>,
    /// What ended the run.
    pub error: Option<RunError>,
}

/// What ended a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunError {
    /// As in `FailureKind`.
    pub kind: String,
    /// What to do.
    pub message: String,
}

impl RunError {
    /// The error of that kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind: kind.to_string(), message: message.into() }
    }
}
