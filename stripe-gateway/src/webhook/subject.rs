//! Which subscription an event speaks of. Another kind of event is one more line in [`ROUTES`].

use domain::event::Subject;
use domain::ids::{Kind, StripeSubscriptionId, SubscriptionSchedule};

use super::strict_json::Json;

/// Kinds of events, and the places where they name a subscription, tried in order. A kind that
/// ends with `.*` stands for all that begin so. A place holds an id, or the object with its `id`.
///
/// The kinds are those of <https://docs.stripe.com/api/events/types>. Invoices named their
/// subscription at the top until 2025-03-31.basil, see <https://docs.stripe.com/changelog/basil>.
const ROUTES: [(&str, &[&str]); 13] = [
    ("customer.subscription.created", &["/data/object"]),
    ("customer.subscription.updated", &["/data/object"]),
    ("customer.subscription.deleted", &["/data/object"]),
    ("customer.subscription.paused", &["/data/object"]),
    ("customer.subscription.resumed", &["/data/object"]),
    ("customer.subscription.pending_update_applied", &["/data/object"]),
    ("customer.subscription.trial_will_end", &["/data/object"]),
    ("v1.customer.subscription.*", &["/related_object"]),
    ("subscription_schedule.*", &["/data/object/subscription", "/data/object/released_subscription"]),
    ("checkout.session.completed", &["/data/object/subscription"]),
    ("invoice.paid", &INVOICE),
    ("invoice.payment_succeeded", &INVOICE),
    ("invoice.payment_failed", &INVOICE),
];

/// The same kinds, as Stripe's list of events takes them: at most twenty, each by its whole name, and
/// thin events are in another list, see <https://docs.stripe.com/api/events/list>.
pub(crate) const LISTED_TYPES: [&str; 18] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "customer.subscription.trial_will_end",
    "subscription_schedule.aborted",
    "subscription_schedule.canceled",
    "subscription_schedule.completed",
    "subscription_schedule.created",
    "subscription_schedule.expiring",
    "subscription_schedule.released",
    "subscription_schedule.updated",
    "checkout.session.completed",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
];

const INVOICE: [&str; 2] = ["/data/object/parent/subscription_details/subscription", "/data/object/subscription"];

/// Whom the event of that type concerns.
pub(super) fn of(event_type: &str, event: &Json<'_>) -> Subject {
    let Some((_, places)) = ROUTES.iter().find(|(kind, _)| covers(kind, event_type)) else {
        return Subject::Nobody("no licence depends on events of this type".to_owned());
    };
    let named: Vec<_> = places.iter().filter_map(|place| id(event.at(place))).collect();
    match named.iter().find_map(|id| subscription(id)) {
        Some(subscription) => Subject::Subscription(subscription),
        None if named.is_empty() => Subject::Nobody("it names no subscription".to_owned()),
        None => Subject::Nobody("what it names is not the id of a subscription (`sub_…`)".to_owned()),
    }
}

fn covers(kind: &str, event_type: &str) -> bool {
    match kind.strip_suffix('*') {
        Some(beginning) => event_type.strip_prefix(beginning).is_some_and(|rest| !rest.is_empty()),
        None => event_type == kind,
    }
}

/// The id that stands there, by itself or in the object that it belongs to.
pub(super) fn id<'a>(value: &'a Json<'_>) -> Option<&'a str> {
    value.text().or_else(|| value.get("id").text())
}

/// The ids of schedules begin like those of subscriptions.
fn subscription(id: &str) -> Option<StripeSubscriptionId> {
    let is_schedule = id.starts_with(SubscriptionSchedule::PREFIX);
    id.parse().ok().filter(|_| !is_schedule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_snapshot_is_listed_and_none_that_concerns_nobody() {
        let is_routed = |kind: &&str| ROUTES.iter().any(|(route, _)| covers(route, kind));
        assert!(LISTED_TYPES.iter().all(is_routed));
        let is_listed = |route: &str| LISTED_TYPES.iter().any(|kind| covers(route, kind));
        let unlisted: Vec<_> = ROUTES.iter().map(|(route, _)| *route).filter(|route| !is_listed(route)).collect();
        assert_eq!(unlisted, ["v1.customer.subscription.*"]);
        assert!(LISTED_TYPES.len() <= 20);
    }
}
