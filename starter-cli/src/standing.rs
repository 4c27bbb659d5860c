//! What holds now of a tenant's licence count: which subscription counts, and why each other one
//! does not.

use chrono::{DateTime, Utc};
use domain::license::{Derived, LicenseRules};
use schemars::JsonSchema;
use serde::Serialize;
use store::{SubscriptionView, TenantView};

use crate::output::{licences, time};

/// How the count follows from the tenant's subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Standing {
    /// The one that counts.
    counting_subscription_id: Option<String>,
    /// Why it is this count.
    explanation: String,
    /// Whether the stored count is the one that follows.
    is_as_derived: bool,
    subscriptions: Vec<Counted>,
    waiting: Option<Waiting>,
}

/// One of its subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
struct Counted {
    stripe_subscription_id: String,
    status: String,
    quantity: Option<i32>,
    counts: bool,
    /// Why it does not, if it does not.
    why_not: Option<String>,
}

/// A change that waits for its day.
#[derive(Debug, Serialize, JsonSchema)]
struct Waiting {
    stripe_subscription_id: String,
    to: i32,
    at: Option<DateTime<Utc>>,
}

impl Standing {
    /// As the rows say.
    pub(crate) fn new(tenant: &TenantView, derived: &Derived, rules: &LicenseRules) -> Self {
        let subscriptions = &tenant.subscriptions;
        let counting = canonical(tenant, derived);
        let counted = |one: &SubscriptionView| Counted::new(one, counting, rules);
        let count = tenant.licensed_user_count;
        Self {
            counting_subscription_id: counting.map(|one| one.id.clone()),
            explanation: explain(derived, counting, count, subscriptions),
            is_as_derived: match derived {
                Derived::Count(derived, _) => Some(derived.get()) == count,
                Derived::Keep | Derived::Withheld(_) => true,
            },
            subscriptions: subscriptions.iter().map(counted).collect(),
            waiting: counting.and_then(waiting),
        }
    }

    /// The count, and why.
    pub(crate) fn sentence(&self, count: Option<i32>) -> String {
        format!("{}, {}", licences(count), self.explanation)
    }

    /// Whatever else there is to know.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.waits().into_iter().chain(self.doubts()).collect()
    }

    /// The change that waits for its day.
    pub(crate) fn waits(&self) -> Option<String> {
        let Waiting { stripe_subscription_id, to, at } = self.waiting.as_ref()?;
        let at = at.map_or_else(|| "later".to_owned(), |at| format!("on {}", time(at)));
        Some(format!("it will be {to} {at}: a change of {stripe_subscription_id} waits for the end of its period"))
    }

    /// What makes one wonder: another count than follows, other subscriptions.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let drift = (!self.is_as_derived).then(|| {
            "the stored count is another than its subscriptions give; the next event or replay corrects it".to_owned()
        });
        let others = self.subscriptions.iter().filter_map(|one| {
            one.why_not.as_ref().map(|why| format!("{} does not count: {why}", one.stripe_subscription_id))
        });
        drift.into_iter().chain(others).collect()
    }
}

/// The subscription that the count comes from, or would if it could be read.
fn canonical<'a>(tenant: &'a TenantView, derived: &Derived) -> Option<&'a SubscriptionView> {
    use domain::refusal::Refusal::{AmbiguousItem, Metered};
    let id = match derived {
        Derived::Count(_, Some(id)) | Derived::Withheld(AmbiguousItem(id) | Metered(id)) => id.as_str(),
        Derived::Count(_, None) | Derived::Keep | Derived::Withheld(_) => return None,
    };
    tenant.subscriptions.iter().find(|one| one.id == id)
}

fn explain(
    derived: &Derived,
    counting: Option<&SubscriptionView>,
    count: Option<i32>,
    subscriptions: &[SubscriptionView],
) -> String {
    match (derived, counting) {
        (Derived::Count(derived, _), Some(one)) => {
            format!("because {} is {} and has the quantity {derived}", one.id, one.status)
        }
        (Derived::Count(..), None) => "because none of its subscriptions entitles to licences any more".to_owned(),
        (Derived::Withheld(refusal), _) => format!("which stays until a person decides: {refusal}"),
        (Derived::Keep, _) if subscriptions.iter().any(|one| !one.is_add_on) => {
            "which stays: its subscription was never paid for, so it says nothing".to_owned()
        }
        (Derived::Keep, _) if count.is_none() => "since it never had a subscription with licences".to_owned(),
        (Derived::Keep, _) => {
            "which stays: it never had a subscription with licences that could say another".to_owned()
        }
    }
}

impl Counted {
    fn new(one: &SubscriptionView, counting: Option<&SubscriptionView>, rules: &LicenseRules) -> Self {
        let counts = counting.is_some_and(|counting| counting.id == one.id);
        Self {
            stripe_subscription_id: one.id.clone(),
            status: one.status.clone(),
            quantity: one.quantity,
            counts,
            why_not: (!counts).then(|| why_not(one, counting, rules)),
        }
    }
}

fn why_not(one: &SubscriptionView, counting: Option<&SubscriptionView>, rules: &LicenseRules) -> String {
    let is_live = one.status.parse().is_ok_and(|status| rules.is_live(status));
    match counting {
        _ if one.is_add_on => "it is an add-on, which licenses nobody".to_owned(),
        _ if !is_live => {
            let live: Vec<&str> = rules.live.iter().map(|status| status.as_str()).collect();
            format!("it is {}, and only {} entitle", one.status, live.join(", "))
        }
        Some(other) if other.status != one.status => {
            format!("it is {}, and {} is {}, which comes first", one.status, other.id, other.status)
        }
        Some(other) if other.stripe_created_at > one.stripe_created_at => format!("{} is newer", other.id),
        Some(other) => format!("{} is as new, and its id comes later", other.id),
        None => "it says nothing of licences".to_owned(),
    }
}

fn waiting(one: &SubscriptionView) -> Option<Waiting> {
    let to = one.scheduled_quantity?;
    Some(Waiting { stripe_subscription_id: one.id.clone(), to, at: one.scheduled_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(id: &str, status: &str, created: i64) -> SubscriptionView {
        SubscriptionView {
            id: id.to_owned(),
            status: status.to_owned(),
            quantity: Some(3),
            item: None,
            price: None,
            current_period_end: None,
            cancel_at: None,
            cancel_at_period_end: false,
            is_add_on: false,
            stripe_created_at: DateTime::from_timestamp(created, 0).expect("a moment"),
            scheduled_quantity: None,
            scheduled_at: None,
        }
    }

    #[test]
    fn each_subscription_that_does_not_count_has_its_reason() {
        let rules = LicenseRules { live: LicenseRules::LIVE_BY_DEFAULT.into(), prices: Default::default() };
        let counting = subscription("sub_9", "active", 5);
        let check = |one: SubscriptionView, expected: &str| {
            let why = why_not(&one, Some(&counting), &rules);
            assert!(why.contains(expected), "{why}");
        };
        check(SubscriptionView { is_add_on: true, ..subscription("sub_1", "active", 9) }, "an add-on");
        check(subscription("sub_1", "canceled", 9), "it is canceled, and only trialing, active, past_due entitle");
        check(subscription("sub_1", "past_due", 9), "sub_9 is active, which comes first");
        check(subscription("sub_1", "active", 1), "sub_9 is newer");
        check(subscription("sub_1", "active", 5), "its id comes later");
    }
}
