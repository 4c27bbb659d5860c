//! What a delivery of Stripe's must be before it is believed, and what it then says.
//!
//! A [`WebhookConfig`] decides whether the bytes are Stripe's; an [`Envelope`] is what they say,
//! as far as we read them: which event, and which subscription to look at. What the event tells
//! of the subscription itself is left where it is, because it may be old, late or of another
//! API version: the subscription is read again.

mod config;
mod envelope;
mod signature;
mod strict_json;
mod subject;

pub use config::WebhookConfig;
pub use envelope::{Envelope, EnvelopeError};
pub use signature::SignatureError;
pub(crate) use subject::LISTED_TYPES;
pub use subject::Subject;
