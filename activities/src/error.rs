//! The one door to Temporal.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use domain::failure::{Classify, FailureKind, Retry, TRIED_AGAIN};
use domain::refusal::Refusal;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// What a step can end with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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

const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The failure that Temporal keeps. A bare `?` would make every error retryable, and nameless.
pub(crate) fn fail(ctx: &ActivityContext, error: impl Classify) -> ActivityError {
    let (kind, retry) = (error.kind(), error.retry());
    let error: Box<dyn std::error::Error + Send + Sync> = match retry {
        Retry::Never => Box::new(error),
        Retry::Backoff | Retry::Spread => Box::new(Waiting(error)),
    };
    let failure = ApplicationFailure::builder(error)
        .type_name(kind.to_string())
        .non_retryable(retry == Retry::Never)
        .maybe_next_retry_delay(match retry {
            Retry::Spread => Some(spread(ctx.info().attempt, random())),
            Retry::Backoff | Retry::Never => None,
        })
        .build();
    ActivityError::application(failure)
}

/// An error that is tried again. Who reads it beside a step that waits is to know that nothing has to
/// be done for that.
#[derive(Debug)]
struct Waiting<E>(E);

impl<E: fmt::Display> fmt::Display for Waiting<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{TRIED_AGAIN}", self.0)
    }
}

impl<E: std::error::Error> std::error::Error for Waiting<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// 1 to 2 seconds after the first attempt, then twice as much each time, up to a minute. The
/// policy's own pauses are the same for all: a thousand runs that were refused together would come
/// back together.
fn spread(attempt: u32, random: f64) -> Duration {
    let seconds = 2_f64.powi(attempt.saturating_sub(1).min(6) as i32);
    Duration::from_secs_f64(seconds * (1.0 + random)).min(LONGEST_PAUSE)
}

/// From 0 to 1. Not for secrets.
fn random() -> f64 {
    let number = std::hash::RandomState::new().build_hasher().finish();
    (number % 1000) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_again_says_so_and_keeps_its_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to ask Postgres")]
        struct Away(#[source] fmt::Error);
        let waiting = Waiting(Away(fmt::Error));
        assert_eq!(waiting.to_string(), "failed to ask Postgres; the run waits and goes on by itself");
        assert!(std::error::Error::source(&waiting).is_some());
    }

    #[test]
    fn the_pause_after_too_many_requests_grows_to_a_minute_and_is_never_the_same_for_all() {
        let pauses = |random| [1, 2, 4, 7, 100_000].map(|attempt| spread(attempt, random).as_secs_f64());
        assert_eq!(pauses(0.0), [1.0, 2.0, 8.0, 60.0, 60.0]);
        assert_eq!(pauses(0.5), [1.5, 3.0, 12.0, 60.0, 60.0]);
    }
}
