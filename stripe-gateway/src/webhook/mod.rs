//! What a delivery of Stripe's must be before it is believed, and what it then says.
//!
//! A [`WebhookConfig`] decides whether the bytes are Stripe's; [`read_envelope`] says what they
//! are, as far as we read them: which event, and which subscription to look at. What the event tells
//! of the subscription itself is left where it is, because it may be old, late or of another
//! API version: the subscription is read again.

mod config;
mod envelope;
mod signature;
mod strict_json;
mod subject;

pub use config::WebhookConfig;
pub use envelope::{EnvelopeError, read_envelope};
pub use signature::SignatureError;
pub(crate) use subject::LISTED_TYPES;
