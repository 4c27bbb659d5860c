//! Which events: the flags that commands about several have in common.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::duration;
use domain::event::EventStatus;
use domain::ids::{StripeCustomerId, StripeSubscriptionId};
use store::EventFilter;

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

/// Older than any event, and still a moment that Postgres knows.
const SINCE_MAX: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

fn since(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let wrong = "expected how long ago, such as 90s, 30m, 2h or 7d, or a moment such as 2026-11-22T08:00:00Z";
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let ago = duration::parse(text).filter(|ago| *ago <= SINCE_MAX).ok_or(wrong)?;
    Ok(Utc::now() - ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_how_long_ago_or_a_moment() {
        let check = |text: &str, expected: Option<i64>| {
            let found = since(text).ok().map(|at| (Utc::now() - at).num_seconds());
            assert_eq!(found, expected, "{text:?}");
        };
        check("90s", Some(90));
        check("30m", Some(1800));
        check("2h", Some(7200));
        check("7d", Some(604_800));
        for wrong in ["", "2w", "yesterday", "36501d"] {
            check(wrong, None);
        }
        assert_eq!(
            since("2026-11-22T08:00:00+01:00").map(|at| at.to_rfc3339()),
            Ok("2026-11-22T07:00:00+00:00".into())
        );
    }

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
