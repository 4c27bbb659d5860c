//! Why a delivery is not taken, and what its sender is told: as good as nothing.

use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use stripe_gateway::{EnvelopeError, SignatureError};

/// Why a delivery is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body does not come to an end")]
    Slow,
    #[error("the sender hung up in the middle of the body")]
    CutOff,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("it is of the other mode; compare the endpoint's mode with the one that is active here")]
    OtherMode,
    #[error("Postgres refuses the row")]
    Unstorable,
    #[error("too many deliveries wait")]
    Busy,
    #[error("Postgres does not answer")]
    PostgresAway,
}

/// Seconds. Stripe keeps to a timetable of its own; a proxy before us may look at it.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("5");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Refusal {
    /// One word, for the metric.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "body_too_large",
            Self::Slow => "body_too_slow",
            Self::CutOff => "body_cut_off",
            Self::Signature(error) => error.reason(),
            Self::Envelope(error) => error.reason(),
            Self::OtherMode => "other_mode",
            Self::Unstorable => "unstorable",
            Self::Busy => "busy",
            Self::PostgresAway => "postgres_away",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge
            | Self::CutOff
            | Self::Signature(_)
            | Self::Envelope(_)
            | Self::OtherMode
            | Self::Unstorable => StatusCode::BAD_REQUEST,
            Self::Busy | Self::PostgresAway => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether a part of the body is still on its way, so that nothing can follow it.
    fn ends_the_connection(self) -> bool {
        match self {
            Self::TooLarge | Self::Slow | Self::CutOff | Self::Busy => true,
            Self::Signature(_) | Self::Envelope(_) | Self::OtherMode | Self::Unstorable | Self::PostgresAway => false,
        }
    }
}

impl IntoResponse for Refusal {
    /// The same words whatever the reason: it stands in the log.
    fn into_response(self) -> Response {
        let mut response = (self.status(), [(CONTENT_TYPE, JSON)], r#"{"error":"refused"}"#).into_response();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, COME_AGAIN);
        }
        if self.ends_the_connection() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
