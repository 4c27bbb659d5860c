//! Which events: the flags that commands about several have in common.

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::event::EventStatus;
use domain::ids::{StripeCustomerId, StripeSubscriptionId};
use store::EventFilter;

use crate::since::since;

/// One of these, by its name.
pub(super) fn status<const N: usize>(of: [EventStatus; N]) -> impl TypedValueParser<Value = EventStatus> {
    let names = PossibleValuesParser::new(of.map(EventStatus::as_str));
    names.map(|name| name.parse().unwrap_or_else(|_| unreachable!("{name} is one of them")))
}

/// Narrows down which events are meant.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Narrow {
    /// Only those about this subscription
    #[arg(long, value_name = "sub_…")]
    subscription: Option<StripeSubscriptionId>,
    /// Only those of this customer: of its tenant, of its subscriptions, parked under it
    #[arg(long, value_name = "cus_…")]
    customer: Option<StripeCustomerId>,
    /// Only those of this type, such as customer.subscription.updated
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    event_type: Option<String>,
    /// Only those received since then: 90s, 30m, 2h, 7d, or a moment such as 2026-11-22T08:00:00Z
    #[arg(long, value_name = "2h", value_parser = since)]
    since: Option<DateTime<Utc>>,
}

impl Narrow {
    /// Those of them that are in one of these states.
    pub(super) fn of(&self, statuses: &[EventStatus]) -> EventFilter {
        EventFilter {
            statuses: statuses.to_vec(),
            subscription: self.subscription.clone(),
            customer: self.customer.clone(),
            event_type: self.event_type.clone(),
            since: self.since,
        }
    }

    /// Whether any of the flags was given.
    pub(super) fn is_given(&self) -> bool {
        let Self { subscription, customer, event_type, since } = self;
        subscription.is_some() || customer.is_some() || event_type.is_some() || since.is_some()
    }
}

fn event_type(text: &str) -> Result<String, &'static str> {
    let is_type = text.contains('.') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._[]".contains(&b));
    if is_type { Ok(text.to_owned()) } else { Err("expected a type of event such as customer.subscription.updated") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_spelled_as_stripe_spells_it() {
        for (text, expected) in [
            ("customer.subscription.updated", true),
            ("v1.customer.subscription.updated", true),
            ("updated", false),
            ("a.b; c", false),
        ] {
            assert_eq!(event_type(text).is_ok(), expected, "{text}");
        }
    }
}
