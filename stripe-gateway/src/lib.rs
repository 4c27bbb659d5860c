//! All of Stripe's wire: requests, transport, errors, signatures, events, mode.
//!
//! Requests are built by async-stripe's typed builders, so that a parameter cannot be
//! misspelt; they travel over our own pooled transport, because theirs has no timeout, opens
//! a connection per call and loses the status of an answer that is not JSON. Nothing is
//! retried here: Temporal does that. What it leaves out: what an answer means (`domain`).

mod config;
mod error;
mod events_walk;
mod licenses;
mod pages;
mod phases;
mod preview;
mod requests;
mod transport;
mod webhook;
mod wire;

pub use config::{ApiBase, ConfigError, Mode, StripeConfig};
pub use error::{Answer, Error};
pub use events_walk::{EventsPage, ListedEvent, ListedEvents};
pub use licenses::{ComingQuantity, Proration, Quantity, RawSchedule};
pub use preview::{InvoicePreview, Scheduled};
pub use requests::CustomerTags;
pub use transport::{IdempotencyKey, Stripe};
pub use webhook::{EnvelopeError, SignatureError, WebhookConfig, read_envelope};

/// The API version that every request names, and so the shape of every answer. Fixed by the
/// version of async-stripe: upgrading the crate changes it.
pub fn api_version() -> &'static str {
    static PINNED: stripe_shared::ApiVersion = stripe_shared::version::VERSION;
    PINNED.as_str()
}
