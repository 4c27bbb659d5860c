//! What goes into `importSubscriptionWorkflow`, what comes out, and what it says meanwhile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::create_tenant::RunError;
use crate::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use crate::license::Status;
use crate::words::LicenseCount;

/// Which subscription to take over, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportSubscriptionInput {
    /// The tenant, which exists.
    pub tenant_id: TenantId,
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
}

impl ImportSubscriptionInput {
    /// The workflow id under which one import of this subscription runs at a time.
    pub fn workflow_id(&self) -> String {
        format!("import-subscription-{}", self.stripe_subscription_id)
    }

    /// The one line that stands under the run in the Temporal UI.
    pub fn summary(&self) -> String {
        format!("{} for {}", self.stripe_subscription_id, self.tenant_id)
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportSubscriptionResult {
    /// The tenant.
    pub tenant_id: TenantId,
    /// Its customer.
    pub stripe_customer_id: StripeCustomerId,
    /// The subscription.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// As its row says now.
    pub status: Status,
    /// As its row says now; none where usage is metered.
    pub quantity: Option<LicenseCount>,
    /// How many licences the tenant had; `null` is no limit.
    pub licensed_user_count_before: Option<LicenseCount>,
    /// How many it has now; `null` is no limit.
    pub licensed_user_count: Option<LicenseCount>,
}

/// The steps of an import, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImportStep {
    /// Look at Stripe and at the rows: does it belong together?
    ResolveImport,
    /// Write product, price and subscription.
    ImportSubscription,
    /// Complete the customer's row and derive the count.
    SettleImport,
    /// Put the tenant's id on the subscription.
    TagSubscription,
}

impl ImportStep {
    /// All of them, in order.
    pub const ALL: [Self; 4] =
        [Self::ResolveImport, Self::ImportSubscription, Self::SettleImport, Self::TagSubscription];

    /// The name of its activity.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResolveImport => "resolveImport",
            Self::ImportSubscription => "importSubscription",
            Self::SettleImport => "settleImport",
            Self::TagSubscription => "tagSubscription",
        }
    }
}

/// The answer to the query `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSubscriptionState {
    /// The step under way; none before the first, after the last and after a failure.
    pub step: Option<ImportStep>,
    /// The steps that are done.
    pub done: Vec<ImportStep>,
    /// What ended the run.
    pub error: Option<RunError>,
}
