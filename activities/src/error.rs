//! The one door to Temporal.

use domain::failure::{Classify, FailureKind, Retry};
use domain::refusal::Refusal;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::ActivityError;

/// What a step can end with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Postgres.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Stripe.
    #[error(transparent)]
    Stripe(#[from] stripe_gateway::Error),
}

impl Classify for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Store(error) => error.kind(),
            Self::Stripe(error) => error.kind(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Refused(refusal) => refusal.retry(),
            Self::Store(error) => error.retry(),
            Self::Stripe(error) => error.retry(),
        }
    }
}

/// The failure that Temporal keeps. A bare `?` would make every error retryable, and nameless.
pub(crate) fn fail(error: impl Classify) -> ActivityError {
    let (kind, retry) = (error.kind(), error.retry());
    let failure = ApplicationFailure::builder(error)
        .type_name(kind.to_string())
        .non_retryable(retry == Retry::Never)
        .maybe_next_retry_delay(match retry {
            Retry::After(delay) => Some(delay),
            Retry::Backoff | Retry::Never => None,
        })
        .build();
    ActivityError::application(failure)
}
