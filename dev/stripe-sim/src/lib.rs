//! A Stripe that runs on a laptop: the double that the project's tests and `cargo dev` talk to.
//!
//! It speaks HTTP as Stripe's API does, so nothing in the product knows that it is there. It
//! promises what our correctness rests on, and what mocks get wrong: lists that are newest first
//! with cursors, parameters refused when unknown, answers repeated under an idempotency key (500s
//! included), statuses that are only `active` once the money is there, and a clock that tests move
//! or stop. Every change is told twice, as a snapshot event, rendered at the version of the endpoint
//! that gets it, and as a thin event; deliveries are signed and tried again. Faults can be ordered,
//! among them the worst one: the write took effect and the answer never came. So can deliveries that
//! come late, twice, out of order or never (`serve::delivery_orders` lists the routes), a pace, and
//! many requests in one go.
//!
//! What it leaves out: pending updates, previews of subscriptions that are yet to be sold, backdated
//! schedules, setup intents, taxes, discounts, tiers, connected accounts (events of theirs can be made
//! by hand), search beyond the texts of customers, usage, disputes and refunds. What it does not do it
//! refuses: a parameter that it would ignore is unknown to it, and so is a webhook endpoint's or a
//! client's version whose shapes it cannot render. A refused request changes nothing, except that a
//! payment which was tried and declined stays tried.
//!
//! Rooms: `api` has Stripe's endpoints, one module per family of objects; `world` has the state
//! and what happens in it; `serve` has HTTP, faults, deliveries and the admin routes under
//! `/_sim/`.

// The largest objects are written as one `json!` each.
#![recursion_limit = "512"]

mod api;
mod error;
mod params;
mod serve;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use serve::running::{Running, start};
pub use world::standing::StandingWebhook;

/// The API version that objects are shaped like (<https://docs.stripe.com/api/versioning>).
pub const API_VERSION: &str = "2026-09-30.endive";

/// What a double is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Keeps the state across restarts. Without it, it is forgotten.
    pub state: Option<PathBuf>,
    /// The id of the account behind every key.
    pub account: String,
    /// Live mode: only live keys are accepted and every object says `livemode: true`.
    pub livemode: bool,
    /// Listen on other addresses than loopback, as a container must.
    pub allow_remote: bool,
    /// The wait before a failed delivery is tried again; it doubles up to a minute.
    pub retry_after: Duration,
    /// How long every answer takes; another time can be ordered later.
    pub latency: Duration,
    /// Who is told of every event from the start.
    pub webhook: Option<StandingWebhook>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state: None,
            account: "acct_1TenantryDouble0".to_owned(),
            livemode: false,
            allow_remote: false,
            retry_after: Duration::from_millis(500),
            latency: Duration::ZERO,
            webhook: None,
        }
    }
}
