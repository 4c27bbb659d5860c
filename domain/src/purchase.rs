//! Which subscription makes a tenant.

use crate::ids::{StripeCustomerId, StripeSubscriptionId};
use crate::license::{LicenseRules, Seats, Status};
use crate::refusal::Refusal;

/// A subscription as it matters to an onboarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldSubscription {
    /// Its id.
    pub id: StripeSubscriptionId,
    /// Whose it is.
    pub customer: StripeCustomerId,
    /// What Stripe says of it.
    pub status: Status,
    /// Whether `metadata.addon_key` is set.
    pub is_add_on: bool,
    /// What it is good for.
    pub seats: Seats,
}

impl SoldSubscription {
    /// Refuses what is not `customer`'s.
    pub fn belongs_to(&self, customer: &StripeCustomerId) -> Result<(), Refusal> {
        if self.customer == *customer {
            return Ok(());
        }
        Err(Refusal::SubscriptionOfAnotherCustomer {
            subscription: self.id.clone(),
            owner: self.customer.clone(),
            customer: customer.clone(),
        })
    }

    /// Refuses what cannot make a *new* tenant. A tenant that exists may well have a cancelled
    /// or an add-on subscription imported: its count is derived from all of them.
    pub fn makes_a_tenant(&self, rules: &LicenseRules) -> Result<(), Refusal> {
        if self.is_add_on {
            return Err(Refusal::AddOn(self.id.clone()));
        }
        if !rules.is_live(self.status) {
            return Err(Refusal::NotLive { subscription: self.id.clone(), status: self.status });
        }
        self.seats.count(&self.id).map(drop)
    }
}
