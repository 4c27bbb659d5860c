//! What a row says of a subscription, and what it should say.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::ids::{PriceId, StripeSubscriptionId, SubscriptionItemId, SubscriptionScheduleId};
use crate::license::{LicenseRules, LicenseSubscription, Seats, Status};
use crate::names::metadata;
use crate::stripe::{StripeSubscription, SubscriptionItem};
use crate::words::LicenseCount;

/// A subscription, as far as its row tells of it. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionRecord {
    /// Its state.
    pub status: Status,
    /// Whether it licenses nobody.
    pub is_add_on: bool,
    /// Of the item that counts licences.
    pub quantity: Option<i32>,
    /// Its price.
    pub price: Option<PriceId>,
    /// The item.
    pub item: Option<SubscriptionItemId>,
    /// Begin of the paid period.
    pub current_period_start: Option<i64>,
    /// End of the paid period.
    pub current_period_end: Option<i64>,
    /// When it will end.
    pub cancel_at: Option<i64>,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// When its end was asked for.
    pub canceled_at: Option<i64>,
    /// The schedule that will change the quantity.
    pub schedule: Option<SubscriptionScheduleId>,
    /// To this.
    pub scheduled_quantity: Option<i32>,
    /// Then.
    pub scheduled_at: Option<i64>,
}

/// A change of the quantity that Stripe will make by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingChange<'a> {
    /// By this schedule.
    pub schedule: &'a SubscriptionScheduleId,
    /// To this many.
    pub quantity: LicenseCount,
    /// Then, in Unix seconds.
    pub at: i64,
}

impl LicenseRules {
    /// The number of licences that the subscription's schedule will bring, if another one.
    pub fn waiting_change<'a>(&self, subscription: &'a StripeSubscription) -> Option<WaitingChange<'a>> {
        let schedule = subscription.schedule.as_ref()?;
        let phase = schedule.next_phase.as_ref()?;
        let quantity = self.seats_of(phase)?;
        let is_now = self.seats(&subscription.license_items()).count(&subscription.id) == Ok(quantity);
        (!is_now).then_some(WaitingChange { schedule: &schedule.id, quantity, at: phase.start })
    }
}

/// Some fields of a record, by name.
pub type Fields = Map<String, Value>;

impl SubscriptionRecord {
    /// What the row of it should say.
    pub fn of(subscription: &StripeSubscription, rules: &LicenseRules) -> Self {
        let counting = match rules.seats(&subscription.license_items()) {
            Seats::Counted { item, .. } | Seats::Metered { item, .. } => Some(item),
            Seats::Ambiguous => None,
        };
        let known = subscription.items.iter().find(|item| counting.as_ref() == Some(&item.id));
        let period: Option<&SubscriptionItem> = known.or(subscription.items.first());
        let waiting = rules.waiting_change(subscription);
        Self {
            status: subscription.status,
            is_add_on: subscription.metadata.contains_key(metadata::ADDON_KEY),
            quantity: known.and_then(|item| item.quantity).map(|quantity| quantity.get()),
            price: known.map(|item| item.price.id.clone()),
            item: counting,
            current_period_start: period.map(|item| item.current_period_start),
            current_period_end: period.map(|item| item.current_period_end),
            cancel_at: subscription.cancel_at,
            cancel_at_period_end: subscription.cancel_at_period_end,
            canceled_at: subscription.canceled_at,
            schedule: waiting.as_ref().map(|change| change.schedule.clone()),
            scheduled_quantity: waiting.as_ref().map(|change| change.quantity.get()),
            scheduled_at: waiting.as_ref().map(|change| change.at),
        }
    }

    /// What this and the other say differently, each in its own words; none where they agree.
    pub fn difference(&self, other: &Self) -> Option<(Fields, Fields)> {
        let (mut mine, mut theirs) = (self.fields(), other.fields());
        let same: Vec<String> = mine.keys().filter(|name| mine[*name] == theirs[*name]).cloned().collect();
        for name in same {
            mine.remove(&name);
            theirs.remove(&name);
        }
        (!mine.is_empty()).then_some((mine, theirs))
    }

    /// What a person asks of a subscription first.
    pub fn gist(&self) -> Fields {
        let mut fields = self.fields();
        fields.retain(|name, _| ["status", "quantity", "price"].contains(&name.as_str()));
        fields
    }

    fn fields(&self) -> Fields {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => unreachable!("a struct of plain fields is an object"),
        }
    }
}

/// The subscription as the licence count sees it; none for an add-on.
pub fn license_subscription(subscription: &StripeSubscription, rules: &LicenseRules) -> Option<LicenseSubscription> {
    let id: StripeSubscriptionId = subscription.id.clone();
    let seats = rules.seats(&subscription.license_items());
    let found = LicenseSubscription { id, status: subscription.status, created: subscription.created, seats };
    (!subscription.metadata.contains_key(metadata::ADDON_KEY)).then_some(found)
}
