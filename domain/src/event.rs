//! An event of Stripe's: what it says of itself, and what becomes of it after it was taken in.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;

use crate::ids::{EventId, StripeSubscriptionId};

/// What an event says of itself, whichever kind it is and whatever API version wrote it: a snapshot
/// (<https://docs.stripe.com/api/events/object>) or a thin one
/// (<https://docs.stripe.com/event-destinations#thin-events>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Its id. One event of that id is taken in, and no second.
    pub id: EventId,
    /// How it tells.
    pub kind: EventKind,
    /// What happened, e.g. `customer.subscription.updated`. At most 255 visible ASCII characters,
    /// as are the other texts.
    pub event_type: String,
    /// When, by Stripe's clock.
    pub created: DateTime<Utc>,
    /// Whether money is real.
    pub livemode: bool,
    /// The connected account it belongs to; none is our own. A thin event calls it `context`.
    pub account: Option<String>,
    /// The API version that a snapshot was written in.
    pub api_version: Option<String>,
    /// The snapshot that tells of the same change as this thin event.
    pub snapshot_event: Option<EventId>,
    /// Whom it concerns.
    pub subject: Subject,
}

/// Whom an event concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The subscription to bring up to what Stripe says.
    Subscription(StripeSubscriptionId),
    /// Nobody of ours, and why, in words for the event's row.
    Nobody(String),
}

/// Where an event stands. An event that was answered 2xx has exactly one of these, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum EventStatus {
    /// Committed, and not settled yet.
    Pending,
    /// A read of Stripe that began after the event was taken up is in the rows.
    Completed,
    /// The twin of an event that is completed: one change, told twice.
    Superseded,
    /// Nothing of ours changes by it.
    Ignored,
    /// Its customer has no tenant yet.
    Parked,
    /// A permanent error, named; its run failed too.
    Failed,
}

impl EventStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Completed, Self::Superseded, Self::Ignored, Self::Parked, Self::Failed];

    /// Those that wait for something: for a tenant, for a sync, for a person.
    pub const OPEN: [Self; 3] = [Self::Parked, Self::Pending, Self::Failed];

    /// Whether it waits for something. What does not stays as it is.
    pub fn is_open(self) -> bool {
        match self {
            Self::Parked | Self::Pending | Self::Failed => true,
            Self::Completed | Self::Superseded | Self::Ignored => false,
        }
    }

    /// The name in `stripe_webhook_events.processing_status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Superseded => "superseded",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for EventStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventStatus {
    type Err = UnknownEventStatus;

    fn from_str(text: &str) -> Result<Self, UnknownEventStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownEventStatus)
    }
}

/// Not a status of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected pending, completed, superseded, ignored, parked or failed")]
pub struct UnknownEventStatus;

/// How an event tells of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// With the object as it was, see <https://docs.stripe.com/api/events/object>.
    Snapshot,
    /// With the object's id alone, see <https://docs.stripe.com/event-destinations#thin-events>.
    Thin,
}

impl EventKind {
    /// The name in `stripe_webhook_events.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Thin => "thin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_ones_are_listed_whole() {
        for status in EventStatus::ALL {
            assert_eq!(EventStatus::OPEN.contains(&status), status.is_open(), "{status}");
        }
    }
}
