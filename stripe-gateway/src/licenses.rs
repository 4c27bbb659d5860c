//! The requests that change how many licences a subscription has, now or when its period ends.
//!
//! Phases are said again as Stripe answered them, field by field, which no typed builder takes; so
//! the schedule's requests are written out here.

use domain::ids::{PriceId, StripeCustomerId, StripeSubscriptionId, SubscriptionItemId, SubscriptionScheduleId};
use domain::license_plan::Licensed;
use domain::names::metadata;
use domain::refusal::Refusal;
use domain::stripe::{StripeSubscription, SubscriptionInShort, TENANTRY_VALUE};
use domain::words::LicenseCount;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use stripe_billing::subscription::{
    ListSubscription, UpdateSubscription, UpdateSubscriptionItems, UpdateSubscriptionPaymentBehavior,
    UpdateSubscriptionProrationBehavior,
};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use crate::error::Error;
use crate::phases::{Coming, with_number};
use crate::requests::PAGE;
use crate::transport::{IdempotencyKey, Stripe};
use crate::wire;

/// What becomes of the money when a number changes in the middle of a period, see
/// <https://docs.stripe.com/billing/subscriptions/prorations>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proration {
    /// The difference is billed and paid at once.
    Charge,
    /// The difference is credited on the next invoice; nothing is paid back.
    Credit,
    /// Nothing is paid yet.
    None,
}

impl Proration {
    /// What becomes of the money when that many licences are set now.
    pub fn of(found: &Licensed, to: LicenseCount) -> Self {
        match (found.is_trialing, to > found.quantity) {
            (true, _) => Self::None,
            (false, true) => Self::Charge,
            (false, false) => Self::Credit,
        }
    }
}

/// A number for a subscription's item.
#[derive(Clone, Debug)]
pub struct Quantity<'a> {
    /// The subscription.
    pub subscription: &'a StripeSubscriptionId,
    /// Its item.
    pub item: &'a SubscriptionItemId,
    /// How many there shall be.
    pub quantity: LicenseCount,
    /// What becomes of the money.
    pub proration: Proration,
}

/// A number that is to come when the period ends.
#[derive(Clone, Debug)]
pub struct ComingQuantity<'a> {
    /// What the item of the schedule is known by.
    pub price: &'a PriceId,
    /// How many there shall be.
    pub quantity: LicenseCount,
    /// When the period ends, in Unix seconds.
    pub at: i64,
}

/// A schedule as Stripe answered it, every field of it.
#[derive(Clone, Debug)]
pub struct RawSchedule(pub(crate) Value);

impl Stripe {
    /// All of a customer's subscriptions that are not cancelled.
    pub async fn subscriptions_of(&self, customer: &StripeCustomerId) -> Result<Vec<SubscriptionInShort>, Error> {
        let mut found: Vec<wire::SubscriptionInShort> = Vec::new();
        loop {
            let mut list = ListSubscription::new().customer(customer.as_str()).limit(PAGE);
            if let Some(last) = found.last() {
                list = list.starting_after(last.id.as_str());
            }
            let page = self.get::<wire::List<wire::SubscriptionInShort>>(list.build(), customer.as_str()).await?;
            // An empty page would be asked for again, for ever.
            let is_last = !page.has_more || page.data.is_empty();
            found.extend(page.data);
            if is_last {
                return Ok(found.into_iter().map(SubscriptionInShort::from).collect());
            }
        }
    }

    /// A subscription, and its schedule as it was answered.
    pub async fn subscription_and_schedule(
        &self,
        id: &StripeSubscriptionId,
    ) -> Result<(StripeSubscription, Option<RawSchedule>), Error> {
        let answer = self.get::<Value>(Self::one_subscription(id), id.as_str()).await?;
        let schedule = answer.get("schedule").filter(|schedule| schedule.is_object()).cloned();
        let read = domain::untrusted::parse(answer)
            .map_err(|wrong| Error::Unreadable { request: format!("GET /v1/subscriptions/{id}"), wrong })?;
        Ok((self.complete(read).await?, schedule.map(RawSchedule)))
    }

    /// Sets the number, or changes nothing where that is to be paid and is not.
    pub async fn set_quantity(&self, to: &Quantity<'_>, key: &IdempotencyKey) -> Result<(), Error> {
        let mut item = UpdateSubscriptionItems::new();
        item.id = Some(to.item.to_string());
        item.quantity = u64::try_from(to.quantity.get()).ok();
        let request = UpdateSubscription::new(to.subscription.as_str())
            .items(vec![item])
            .payment_behavior(UpdateSubscriptionPaymentBehavior::ErrorIfIncomplete)
            .proration_behavior(match to.proration {
                Proration::Charge => UpdateSubscriptionProrationBehavior::AlwaysInvoice,
                Proration::Credit => UpdateSubscriptionProrationBehavior::CreateProrations,
                Proration::None => UpdateSubscriptionProrationBehavior::None,
            })
            .build();
        self.post::<IgnoredAny>(request, to.subscription.as_str(), key).await.map(drop)
    }

    /// Puts a subscription under a schedule that leaves everything as it is. Stripe takes nothing
    /// else in the same request, so the schedule does not say yet who made it.
    pub async fn attach_schedule(
        &self,
        subscription: &StripeSubscriptionId,
        key: &IdempotencyKey,
    ) -> Result<SubscriptionScheduleId, Error> {
        let form = json!({"from_subscription": subscription.as_str()});
        let request = RequestBuilder::new(StripeMethod::Post, "/subscription_schedules").form(&form);
        Ok(self.post::<wire::ScheduleId>(request, subscription.as_str(), key).await?.id)
    }

    /// Has the number change when the period ends, lets go of the subscription after that, and
    /// marks the schedule as ours.
    pub async fn write_schedule(
        &self,
        id: &SubscriptionScheduleId,
        schedule: &RawSchedule,
        coming: &ComingQuantity<'_>,
        key: &IdempotencyKey,
    ) -> Result<(), Error> {
        let path = format!("/subscription_schedules/{id}");
        let ComingQuantity { price, quantity, at } = *coming;
        let Some(phases) = with_number(&schedule.0, &Coming { price, quantity, at }) else {
            return Err(Refusal::ScheduleDiffers(id.clone()).into());
        };
        let form = json!({
            "end_behavior": "release",
            "metadata": {metadata::TENANTRY: TENANTRY_VALUE},
            "phases": phases,
            "proration_behavior": "none",
        });
        let request = RequestBuilder::new(StripeMethod::Post, path).form(&form);
        self.post::<IgnoredAny>(request, id.as_str(), key).await.map(drop)
    }

    /// Takes the schedule from its subscription, which stays as it is.
    pub async fn release_schedule(&self, id: &SubscriptionScheduleId, key: &IdempotencyKey) -> Result<(), Error> {
        let request = RequestBuilder::new(StripeMethod::Post, format!("/subscription_schedules/{id}/release"));
        self.post::<IgnoredAny>(request, id.as_str(), key).await.map(drop)
    }
}
