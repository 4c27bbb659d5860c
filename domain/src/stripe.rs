//! Stripe's objects, as far as they matter here. `stripe_gateway` reads them, `store` writes them.
//!
//! Times are Unix seconds, amounts are in the currency's smallest unit, as at Stripe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{
    AccountId, CheckoutSessionId, PriceId, ProductId, StripeCustomerId, StripeSubscriptionId, SubscriptionItemId,
    SubscriptionScheduleId, TenantId,
};
use crate::license::{Item, LicenseRules, Status};
use crate::names::metadata;
use crate::purchase::SoldSubscription;
use crate::words::LicenseCount;

/// `metadata` of an object: up to 50 pairs of the seller's choice.
pub type Metadata = BTreeMap<String, String>;

/// The tenant that an object is tagged with. A tag that is no UUID was not ours and says nothing.
pub fn tagged_tenant(metadata: &Metadata) -> Option<TenantId> {
    metadata.get(metadata::TENANT_ID)?.parse().ok()
}

/// The account behind a key, see <https://docs.stripe.com/api/accounts/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeAccount {
    /// Its id.
    pub id: AccountId,
}

/// A customer that was not deleted, see <https://docs.stripe.com/api/customers/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeCustomer {
    /// Its id.
    pub id: StripeCustomerId,
    /// As the customer wrote it.
    pub email: Option<String>,
    /// Full name, or the name of a business.
    pub name: Option<String>,
    /// Tags.
    pub metadata: Metadata,
}

/// A checkout session, see <https://docs.stripe.com/api/checkout/sessions/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutSession {
    /// Its id.
    pub id: CheckoutSessionId,
    /// Whether nothing more is to be paid: `payment_status` is `paid` or `no_payment_required`.
    pub is_paid: bool,
    /// Who bought; none before the session completes.
    pub customer: Option<StripeCustomerId>,
    /// What was bought; none outside subscription mode.
    pub subscription: Option<StripeSubscriptionId>,
}

/// A subscription, see <https://docs.stripe.com/api/subscriptions/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeSubscription {
    /// Its id.
    pub id: StripeSubscriptionId,
    /// Whose it is.
    pub customer: StripeCustomerId,
    /// Its state.
    pub status: Status,
    /// What it consists of.
    pub items: Vec<SubscriptionItem>,
    /// When it was made.
    pub created: i64,
    /// When it will end, set by flexible billing and by the customer portal.
    pub cancel_at: Option<i64>,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// When its end was asked for.
    pub canceled_at: Option<i64>,
    /// The plan for its future, if it has one.
    pub schedule: Option<SubscriptionSchedule>,
    /// Tags.
    pub metadata: Metadata,
}

impl StripeSubscription {
    /// Its items, as the licence rules see them.
    pub fn license_items(&self) -> Vec<Item> {
        self.items
            .iter()
            .map(|item| Item { id: item.id.clone(), price: item.price.id.clone(), quantity: item.quantity })
            .collect()
    }

    /// As an onboarding sees it.
    pub fn sold(&self, rules: &LicenseRules) -> SoldSubscription {
        SoldSubscription {
            id: self.id.clone(),
            customer: self.customer.clone(),
            status: self.status,
            is_add_on: self.metadata.contains_key(metadata::ADDON_KEY),
            seats: rules.seats(&self.license_items()),
        }
    }
}

/// A subscription of a customer's, as far as it matters which of them counts. What else a list says
/// of it may be unreadable, and does not matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionInShort {
    /// Its id.
    pub id: StripeSubscriptionId,
    /// Its state.
    pub status: Status,
    /// When it was made.
    pub created: i64,
    /// Whether `metadata.addon_key` is set.
    pub is_add_on: bool,
}

/// A plan for a subscription's future, see <https://docs.stripe.com/api/subscription_schedules/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionSchedule {
    /// Its id.
    pub id: SubscriptionScheduleId,
    /// The phase that runs; none before the first begins.
    pub current_phase: Option<Phase>,
    /// What comes after the phase that runs.
    pub next_phase: Option<Phase>,
    /// How many phases come after the phase that runs.
    #[serde(default)]
    pub phases_to_come: usize,
    /// How many phases it has, past ones included.
    pub phases: usize,
    /// Whether it lets go of the subscription after its last phase, and does not cancel it.
    pub releases: bool,
    /// Tags.
    pub metadata: Metadata,
}

impl SubscriptionSchedule {
    /// Whether we made it.
    pub fn is_ours(&self) -> bool {
        self.metadata.get(metadata::TENANTRY).is_some_and(|value| value == TENANTRY_VALUE)
    }

    /// Whether it does no more than what we write: another number, of what is sold already, and
    /// the subscription is free again.
    pub fn is_as_written(&self) -> bool {
        let sold = self.current_phase.as_ref().map(Phase::prices);
        let sells_the_same = self.next_phase.as_ref().is_none_or(|next| sold == Some(next.prices()));
        self.releases && self.phases_to_come <= 1 && sells_the_same
    }

    /// Whether it says of these items what they are, and nothing else: that is how a schedule
    /// begins which is made of a subscription.
    pub fn changes_nothing(&self, items: &[SubscriptionItem]) -> bool {
        let Some(phase) = self.current_phase.as_ref().filter(|_| self.phases == 1) else { return false };
        let is_there = |item: &SubscriptionItem| phase.items.contains(&(item.price.id.clone(), item.quantity));
        self.releases && self.metadata.is_empty() && phase.items.len() == items.len() && items.iter().all(is_there)
    }
}

/// What our mark on a schedule says.
pub const TENANTRY_VALUE: &str = "1";

/// What a subscription will consist of, from some moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The moment.
    pub start: i64,
    /// Price and quantity of each item.
    pub items: Vec<(PriceId, Option<LicenseCount>)>,
}

impl Phase {
    /// What is sold in it, in an order of its own.
    fn prices(&self) -> Vec<&str> {
        let mut prices: Vec<_> = self.items.iter().map(|(price, _)| price.as_str()).collect();
        prices.sort_unstable();
        prices
    }
}

/// One line of a subscription, see <https://docs.stripe.com/api/subscription_items/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionItem {
    /// Its id.
    pub id: SubscriptionItemId,
    /// What it sells.
    pub price: StripePrice,
    /// How many; none where usage is metered.
    pub quantity: Option<LicenseCount>,
    /// Begin of the paid period.
    pub current_period_start: i64,
    /// End of the paid period.
    pub current_period_end: i64,
}

/// A price, see <https://docs.stripe.com/api/prices/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripePrice {
    /// Its id.
    pub id: PriceId,
    /// What it is the price of.
    pub product: StripeProduct,
    /// Whether it can still be bought.
    pub is_active: bool,
    /// Per unit; none for tiers.
    pub unit_amount: Option<i64>,
    /// Whether packages of several units are billed (`transform_quantity`).
    pub is_packaged: bool,
    /// ISO 4217 in lower case.
    pub currency: String,
    /// `day`, `week`, `month` or `year`.
    pub recurring_interval: Option<String>,
    /// How many of those.
    pub recurring_interval_count: Option<i32>,
    /// Tags.
    pub metadata: Metadata,
}

/// A product, see <https://docs.stripe.com/api/products/object>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeProduct {
    /// Its id.
    pub id: ProductId,
    /// What customers read. The id stands in for the name of a deleted product.
    pub name: String,
    /// More of it.
    pub description: Option<String>,
    /// Whether it can still be bought.
    pub is_active: bool,
    /// Tags.
    pub metadata: Metadata,
}
