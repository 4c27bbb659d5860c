//! What a request to Stripe can end with, and whether trying again helps.

use std::fmt;

use domain::failure::{Classify, FailureKind, Retry};
use domain::refusal::Refusal;

use crate::Mode;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer: refused, reset, timed out. Whether a write took effect is not known.
    #[error("failed to reach Stripe for {request}")]
    Unreachable {
        /// Method and path.
        request: String,
        /// What the transport says.
        #[source]
        source: reqwest::Error,
    },
    /// The object does not exist, in this mode.
    #[error("{object} does not exist at Stripe in {mode} mode; correct it and start it again ({answer})")]
    NotFound {
        /// Its id.
        object: String,
        /// The mode of the key.
        mode: Mode,
        /// The answer.
        answer: Answer,
    },
    /// A payment did not go through.
    #[error("the payment did not go through; let the customer mend it and start it again ({0})")]
    Declined(Answer),
    /// Understood and refused.
    #[error("Stripe refuses this; correct what it names and start it again ({0})")]
    Refused(Answer),
    /// The key is not, or no longer, good for this. A new key mends it without a replay.
    #[error("Stripe does not accept the key: {0}; set a valid key and restart")]
    Unauthorized(Answer),
    /// Too many requests.
    #[error("Stripe has too many requests ({0})")]
    Throttled(Answer),
    /// The idempotency key was used for a request with other parameters, as after a change of
    /// settings between two attempts.
    #[error("the idempotency key was used for another request before ({0})")]
    KeyTaken(Answer),
    /// Stripe cannot now.
    #[error("Stripe cannot answer now ({0})")]
    Unavailable(Answer),
    /// An answer that says yes and cannot be read; a new version may.
    #[error("failed to read the answer to {request}: {wrong}")]
    Unreadable {
        /// Method and path.
        request: String,
        /// The field, and what is wrong with it.
        wrong: String,
    },
    /// An object was read, and what it says forbids to go on.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
}

/// An answer of Stripe, or of something on the way to it, that does not say yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Method and path.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// `error.type`, `error.code` and `error.decline_code`, as far as they are there.
    pub codes: Vec<String>,
    /// `error.message`; left out where it would quote the key.
    pub message: Option<String>,
    /// What Stripe's support asks for.
    pub request_id: Option<String>,
    /// `Stripe-Should-Retry`. `true` makes a refusal worth another try; `false` after a 5xx is
    /// about the same key, and the next attempt looks first and takes another.
    pub should_retry: Option<bool>,
    /// Whether it is Stripe's own answer, kept under the idempotency key for a day, and not
    /// the page of a proxy.
    pub is_stripes: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: HTTP {}", self.request, self.status)?;
        for code in &self.codes {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ", {message}")?;
        }
        match &self.request_id {
            Some(id) => write!(f, ", request {id}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// Whether Stripe keeps this answer under the key: the same key will answer the same for a
    /// day, so look first and then take the next one. After *no* answer, and while the first
    /// request is still under way (409), the key must be kept. See
    /// <https://docs.stripe.com/api/idempotent_requests>.
    pub fn used_up_its_key(&self) -> bool {
        match self {
            Self::Unavailable(answer) => answer.is_stripes && answer.status != 409,
            Self::KeyTaken(_) => true,
            Self::Unreachable { .. }
            | Self::NotFound { .. }
            | Self::Declined(_)
            | Self::Refused(_)
            | Self::Unauthorized(_)
            | Self::Throttled(_)
            | Self::Unreadable { .. }
            | Self::Forbidden(_) => false,
        }
    }
}

impl Classify for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Self::NotFound { .. } => FailureKind::StripeNotFound,
            Self::Declined(_) => FailureKind::PaymentDeclined,
            Self::Refused(_) => FailureKind::StripeRefused,
            Self::Unauthorized(_) => FailureKind::StripeUnauthorized,
            Self::Forbidden(refusal) => refusal.kind(),
            Self::Unreachable { .. }
            | Self::Throttled(_)
            | Self::KeyTaken(_)
            | Self::Unavailable(_)
            | Self::Unreadable { .. } => FailureKind::StripeUnavailable,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::NotFound { .. } | Self::Declined(_) | Self::Refused(_) => Retry::Never,
            Self::Forbidden(refusal) => refusal.retry(),
            Self::Throttled(_) => Retry::Spread,
            Self::Unreachable { .. }
            | Self::Unauthorized(_)
            | Self::KeyTaken(_)
            | Self::Unavailable(_)
            | Self::Unreadable { .. } => Retry::Backoff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            request: "GET /v1/subscriptions/sub_1".to_owned(),
            status: 400,
            codes: vec!["invalid_request_error".to_owned()],
            message: Some("No such price: 'price_1'".to_owned()),
            request_id: Some("req_1".to_owned()),
            should_retry: None,
            is_stripes: true,
        }
    }

    /// What ends a run says what to do, and what is waited out says what is the matter.
    #[test]
    fn each_says_what_to_do_before_it_quotes_stripe() {
        let check = |error: Error, begins: &str| {
            let text = error.to_string();
            assert!(text.starts_with(begins) && !text.contains('\n'), "{error:?}: {text}");
            let orders = ["correct it", "let the customer", "correct what it names", "set a valid key"];
            let has_order = orders.iter().any(|order| text.contains(&format!("; {order}")));
            assert!(has_order || error.retry() != Retry::Never, "{error:?} does not say what to do: {text}");
        };
        let (object, request) = ("sub_1".to_owned(), "GET /v1/subscriptions/sub_1".to_owned());
        check(
            Error::NotFound { object, mode: Mode::Test, answer: answer() },
            "sub_1 does not exist at Stripe in TEST mode; correct it and start it again (GET ",
        );
        check(
            Error::Declined(answer()),
            "the payment did not go through; let the customer mend it and start it again (",
        );
        check(Error::Refused(answer()), "Stripe refuses this; correct what it names and start it again (GET /v1/sub");
        check(Error::Unauthorized(answer()), "Stripe does not accept the key: ");
        check(Error::Throttled(answer()), "Stripe has too many requests (GET ");
        check(Error::KeyTaken(answer()), "the idempotency key was used for another request before (GET ");
        check(Error::Unavailable(answer()), "Stripe cannot answer now (GET ");
        check(Error::Unreadable { request, wrong: "items: none".to_owned() }, "failed to read the answer to GET ");
    }
}
