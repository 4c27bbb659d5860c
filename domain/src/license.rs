//! The licence count is derived, in one place: this one.
//!
//! A tenant has as many licences as its canonical live licence subscription has seats. Which
//! subscription that is, which of its items counts, and what follows when there is none, is
//! decided by the pure functions below; `store` feeds them rows.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{PriceId, StripeSubscriptionId, SubscriptionItemId};
use crate::refusal::Refusal;
use crate::stripe::Phase;
use crate::words::LicenseCount;

/// The state of a subscription, see
/// <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The first payment is due within 23 hours.
    Incomplete,
    /// The first payment never came.
    IncompleteExpired,
    /// Not paying yet.
    Trialing,
    /// Paying.
    Active,
    /// The last payment failed and is tried again.
    PastDue,
    /// Ended, for good.
    Canceled,
    /// The last payment failed and is no longer tried.
    Unpaid,
    /// A trial that ended without a payment method.
    Paused,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Trialing,
        Self::Active,
        Self::PastDue,
        Self::Canceled,
        Self::Unpaid,
        Self::Paused,
    ];

    /// The name as Stripe writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
        }
    }

    /// Whether the customer ever got as far as a subscription that ran.
    fn ever_ran(self) -> bool {
        match self {
            Self::Incomplete | Self::IncompleteExpired => false,
            Self::Trialing | Self::Active | Self::PastDue | Self::Canceled | Self::Unpaid | Self::Paused => true,
        }
    }

    /// The better of two live subscriptions is the one that pays: active before trialing
    /// before past_due. The others are live only where `ENTITLED_STATUSES` says so.
    fn rank(self) -> u8 {
        match self {
            Self::Active => 7,
            Self::Trialing => 6,
            Self::PastDue => 5,
            Self::Unpaid => 4,
            Self::Paused => 3,
            Self::Incomplete => 2,
            Self::IncompleteExpired => 1,
            Self::Canceled => 0,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

/// A status that Stripe did not have when this was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subscription status that is known here")]
pub struct UnknownStatus;

/// How a deployment reads licences out of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseRules {
    /// The statuses that entitle, `ENTITLED_STATUSES`.
    pub live: BTreeSet<Status>,
    /// The prices whose quantity is the licence count, `LICENSE_PRICE_IDS`. Empty: a
    /// subscription's only item counts.
    pub prices: BTreeSet<PriceId>,
}

/// A setting of the licence rules that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseRulesError {
    /// Not a list of statuses.
    #[error("ENTITLED_STATUSES holds something that is not a status of Stripe's, such as active,trialing,past_due")]
    Statuses,
    /// Not a list of prices.
    #[error("LICENSE_PRICE_IDS (or STRIPE_PRO_PRICE_ID) is not a comma-separated list of price ids")]
    Prices,
}

impl LicenseRules {
    /// The settings that `lookup` knows by their names: `ENTITLED_STATUSES`, and
    /// `LICENSE_PRICE_IDS` or the older `STRIPE_PRO_PRICE_ID`.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, LicenseRulesError> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let live = match set("ENTITLED_STATUSES") {
            None => Self::LIVE_BY_DEFAULT.into(),
            Some(list) => listed(&list).map_err(|()| LicenseRulesError::Statuses)?,
        };
        let prices = match set("LICENSE_PRICE_IDS").or_else(|| set("STRIPE_PRO_PRICE_ID")) {
            None => BTreeSet::new(),
            Some(list) => listed(&list).map_err(|()| LicenseRulesError::Prices)?,
        };
        Ok(Self { live, prices })
    }

    /// What entitles when nothing else is said.
    pub const LIVE_BY_DEFAULT: [Status; 3] = [Status::Active, Status::Trialing, Status::PastDue];

    /// Whether a subscription in this state entitles.
    pub fn is_live(&self, status: Status) -> bool {
        self.live.contains(&status)
    }

    /// The item of a subscription that counts licences.
    pub fn seats(&self, items: &[Item]) -> Seats {
        self.counting(items, |item| &item.price).map_or(Seats::Ambiguous, Item::seats)
    }

    /// How many licences a subscription will be good for when the phase begins; none where that
    /// cannot be told.
    pub fn seats_of(&self, phase: &Phase) -> Option<LicenseCount> {
        self.counting(&phase.items, |(price, _)| price)?.1
    }

    /// The only one whose price counts.
    fn counting<'a, T>(&self, items: &'a [T], price: impl Fn(&T) -> &PriceId) -> Option<&'a T> {
        let mut fitting = items.iter().filter(|item| self.prices.is_empty() || self.prices.contains(price(item)));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }
}

fn listed<T: FromStr + Ord>(list: &str) -> Result<BTreeSet<T>, ()> {
    list.split(',').map(|word| word.trim().parse().map_err(|_| ())).collect()
}

/// One line of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: SubscriptionItemId,
    /// What it sells.
    pub price: PriceId,
    /// How many; a metered item has no quantity.
    pub quantity: Option<LicenseCount>,
}

impl Item {
    fn seats(&self) -> Seats {
        match self.quantity {
            Some(quantity) => Seats::Counted { item: self.id.clone(), price: self.price.clone(), quantity },
            None => Seats::Metered { item: self.id.clone(), price: self.price.clone() },
        }
    }
}

/// How many licences a subscription is good for, or why that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seats {
    /// One item counts.
    Counted {
        /// The item.
        item: SubscriptionItemId,
        /// Its price.
        price: PriceId,
        /// Its quantity.
        quantity: LicenseCount,
    },
    /// One item fits, and it has no quantity.
    Metered {
        /// The item.
        item: SubscriptionItemId,
        /// Its price.
        price: PriceId,
    },
    /// None fits, or several do.
    Ambiguous,
}

impl Seats {
    /// The count, or why there is none.
    pub fn count(&self, subscription: &StripeSubscriptionId) -> Result<LicenseCount, Refusal> {
        match self {
            Self::Counted { quantity, .. } => Ok(*quantity),
            Self::Metered { .. } => Err(Refusal::Metered(subscription.clone())),
            Self::Ambiguous => Err(Refusal::AmbiguousItem(subscription.clone())),
        }
    }
}

/// A licence subscription of a tenant, that is one without `metadata.addon_key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseSubscription {
    /// Its id.
    pub id: StripeSubscriptionId,
    /// What Stripe said of it last.
    pub status: Status,
    /// When Stripe made it, in Unix seconds.
    pub created: i64,
    /// What it is good for.
    pub seats: Seats,
}

/// What the rows say about a tenant's licence count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Derived {
    /// It is this, because of that subscription, or because none is live any more.
    Count(LicenseCount, Option<StripeSubscriptionId>),
    /// The rows say nothing about it: no licence subscription ever ran.
    Keep,
    /// The canonical subscription cannot be read; the count stays until a person decides.
    Withheld(Refusal),
}

/// The licence count that follows from all licence subscriptions of one tenant.
pub fn derive(subscriptions: &[LicenseSubscription], rules: &LicenseRules) -> Derived {
    match canonical(subscriptions, rules, |s| (s.status, s.created, &s.id)) {
        Some(one) => match one.seats.count(&one.id) {
            Ok(count) => Derived::Count(count, Some(one.id.clone())),
            Err(refusal) => Derived::Withheld(refusal),
        },
        None if subscriptions.iter().any(|s| s.status.ever_ran()) => Derived::Count(LicenseCount::ZERO, None),
        None => Derived::Keep,
    }
}

/// The live subscription that counts: the one that pays, then the newest, then by id. `key` gives
/// what that is decided by.
pub fn canonical<'a, T>(
    subscriptions: &'a [T],
    rules: &LicenseRules,
    key: impl Fn(&T) -> (Status, i64, &StripeSubscriptionId),
) -> Option<&'a T> {
    let rank = |one: &T| {
        let (status, created, id) = key(one);
        (status.rank(), created, id.clone())
    };
    subscriptions.iter().filter(|one| rules.is_live(key(one).0)).max_by_key(|one| rank(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(prices: &[&str]) -> LicenseRules {
        LicenseRules {
            live: LicenseRules::LIVE_BY_DEFAULT.into(),
            prices: prices.iter().map(|p| p.parse().expect("a price id")).collect(),
        }
    }

    fn item(price: &str, quantity: Option<i64>) -> Item {
        Item {
            id: format!("si_{price}").parse().expect("an item id"),
            price: price.parse().expect("a price id"),
            quantity: quantity.map(|n| n.try_into().expect("a count")),
        }
    }

    fn subscription(id: &str, status: Status, created: i64, quantity: i64) -> LicenseSubscription {
        let seats = rules(&[]).seats(&[item("price_1", Some(quantity))]);
        LicenseSubscription { id: id.parse().expect("a subscription id"), status, created, seats }
    }

    /// The count and the subscription it comes from, or `None` where the count stays.
    fn check(subscriptions: &[LicenseSubscription], expected: Option<(i32, Option<&str>)>) {
        let mut turned = subscriptions.to_vec();
        for _ in subscriptions {
            turned.rotate_left(1);
            let found = match derive(&turned, &rules(&[])) {
                Derived::Count(count, from) => Some((count.get(), from.map(String::from))),
                Derived::Keep => None,
                Derived::Withheld(why) => panic!("withheld: {why}"),
            };
            assert_eq!(found, expected.map(|(n, id)| (n, id.map(str::to_owned))));
        }
    }

    #[test]
    fn the_canonical_subscription_is_the_one_that_pays() {
        use Status::{Active, Canceled, PastDue, Trialing};
        let both = |a, b| [subscription("sub_a", a, 9, 3), subscription("sub_b", b, 1, 7)];
        check(&both(Trialing, Active), Some((7, Some("sub_b"))));
        check(&both(PastDue, Trialing), Some((7, Some("sub_b"))));
        check(&both(Canceled, PastDue), Some((7, Some("sub_b"))));
        check(&both(Active, Active), Some((3, Some("sub_a"))));
    }

    #[test]
    fn of_two_equals_the_newest_counts_and_then_the_greater_id() {
        let twins = [subscription("sub_a", Status::Active, 5, 3), subscription("sub_b", Status::Active, 5, 7)];
        check(&twins, Some((7, Some("sub_b"))));
    }

    #[test]
    fn without_a_live_subscription_the_count_is_zero_once_one_ran() {
        for status in Status::ALL {
            let expected = match status {
                Status::Incomplete | Status::IncompleteExpired => None,
                Status::Active | Status::Trialing | Status::PastDue => Some((4, Some("sub_a"))),
                Status::Canceled | Status::Unpaid | Status::Paused => Some((0, None)),
            };
            check(&[subscription("sub_a", status, 1, 4)], expected);
        }
        assert_eq!(derive(&[], &rules(&[])), Derived::Keep);
    }

    #[test]
    fn the_licence_item_is_the_one_with_a_licence_price_else_the_only_one() {
        let check = |prices: &[&str], items: &[Item], expected: Option<i32>| {
            let found = match rules(prices).seats(items) {
                Seats::Counted { quantity, .. } => Some(quantity.get()),
                Seats::Ambiguous => None,
                Seats::Metered { .. } => panic!("metered"),
            };
            assert_eq!(found, expected, "{prices:?} {items:?}");
        };
        let seats = item("price_seat", Some(10));
        let support = item("price_support", Some(1));
        check(&[], std::slice::from_ref(&seats), Some(10));
        check(&[], &[seats.clone(), support.clone()], None);
        check(&["price_seat"], &[seats.clone(), support.clone()], Some(10));
        check(&["price_seat"], std::slice::from_ref(&support), None);
        check(&["price_seat", "price_support"], &[seats, support], None);
        check(&[], &[], None);
    }

    #[test]
    fn the_rules_come_from_the_settings() {
        let read = |name: &str, value: &str| {
            LicenseRules::from_env(|asked| (asked == name).then(|| value.to_owned()))
                .map(|r| (r.live.len(), r.prices.len()))
        };
        assert_eq!(read("NOTHING", ""), Ok((3, 0)));
        assert_eq!(read("ENTITLED_STATUSES", "active, trialing"), Ok((2, 0)));
        assert_eq!(read("ENTITLED_STATUSES", "active,paying"), Err(LicenseRulesError::Statuses));
        assert_eq!(read("LICENSE_PRICE_IDS", "price_a,price_b"), Ok((3, 2)));
        assert_eq!(read("STRIPE_PRO_PRICE_ID", "price_a"), Ok((3, 1)));
        assert_eq!(read("LICENSE_PRICE_IDS", "price_a,,price_b"), Err(LicenseRulesError::Prices));
    }

    #[test]
    fn a_metered_or_ambiguous_canonical_subscription_withholds_the_count() {
        let mut metered = subscription("sub_a", Status::Active, 1, 1);
        metered.seats = rules(&[]).seats(&[item("price_1", None)]);
        let refused = Refusal::Metered(metered.id.clone());
        assert_eq!(derive(&[metered], &rules(&[])), Derived::Withheld(refused));
    }

    #[test]
    fn an_ambiguous_subscription_that_is_not_canonical_does_no_harm() {
        let mut old = subscription("sub_old", Status::Canceled, 1, 1);
        old.seats = Seats::Ambiguous;
        check(&[old, subscription("sub_new", Status::Active, 2, 6)], Some((6, Some("sub_new"))));
    }
}
