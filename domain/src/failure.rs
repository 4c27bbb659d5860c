//! What can go wrong, in the words that stand in the Temporal UI, and whether trying again helps.

use std::fmt;

/// The type of a failure, as it stands in a history and in the search attribute `FailureKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The input does not fit, or asks for something that makes no sense.
    ValidationError,
    /// The customer or the subscription already belongs to another tenant.
    DuplicateError,
    /// Two statements about who owns what contradict each other.
    ConflictError,
    /// The tenant does not exist here.
    TenantNotFound,
    /// The object does not exist at Stripe, in this mode.
    StripeNotFound,
    /// Stripe understood the request and refuses it.
    StripeRefused,
    /// The payment did not go through; 3-D Secure needed is one of these.
    PaymentDeclined,
    /// The subscription's licence item cannot be told.
    AmbiguousSubscription,
    /// The subscription carries no licences.
    NotLicensable,
    /// A repair would take all licences from more tenants than can have left.
    MassFall,
    /// Seven days of trying.
    Exhausted,
    /// A person ended the run.
    Cancelled,
    /// An outage of Stripe or of the way to it. Waited out: it never ends a run.
    StripeUnavailable,
    /// Stripe answers 401 or 403. Waited out: a rolled key must not fail six hundred onboardings.
    StripeUnauthorized,
    /// An outage of Postgres or of the way to it. Waited out.
    DatabaseUnavailable,
}

impl FailureKind {
    /// Every kind, for tests and for help texts.
    pub const ALL: [Self; 15] = [
        Self::ValidationError,
        Self::DuplicateError,
        Self::ConflictError,
        Self::TenantNotFound,
        Self::StripeNotFound,
        Self::StripeRefused,
        Self::PaymentDeclined,
        Self::AmbiguousSubscription,
        Self::NotLicensable,
        Self::MassFall,
        Self::Exhausted,
        Self::Cancelled,
        Self::StripeUnavailable,
        Self::StripeUnauthorized,
        Self::DatabaseUnavailable,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidationError => "ValidationError",
            Self::DuplicateError => "DuplicateError",
            Self::ConflictError => "ConflictError",
            Self::TenantNotFound => "TenantNotFound",
            Self::StripeNotFound => "StripeNotFound",
            Self::StripeRefused => "StripeRefused",
            Self::PaymentDeclined => "PaymentDeclined",
            Self::AmbiguousSubscription => "AmbiguousSubscription",
            Self::NotLicensable => "NotLicensable",
            Self::MassFall => "MassFall",
            Self::Exhausted => "Exhausted",
            Self::Cancelled => "Cancelled",
            Self::StripeUnavailable => "StripeUnavailable",
            Self::StripeUnauthorized => "StripeUnauthorized",
            Self::DatabaseUnavailable => "DatabaseUnavailable",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the text of a failed attempt ends with where another follows by itself.
pub const TRIED_AGAIN: &str = "; the run waits and goes on by itself";

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: it would end the same way.
    Never,
    /// Yes, under the step's own backoff.
    Backoff,
    /// Yes, later and later, and not all at once: the other side has too much to do.
    Spread,
}

/// An error that an activity can return. Both answers are decided exhaustively beside it.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// What stands in the history.
    fn kind(&self) -> FailureKind;
    /// Whether trying again can help.
    fn retry(&self) -> Retry;
}
