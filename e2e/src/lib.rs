//! The whole thing driven from outside: real Temporal, real Postgres, a Stripe double over
//! HTTP, and our own binaries as processes.
//!
//! Tests run in worlds: a database, a task queue and a double each, over one shared Temporal
//! and one shared Postgres. A world is told what to do in the words of a purchase and asked
//! what came of it; how that is done stands here and nowhere else. Everything blocks.

mod at_work;
mod browser;
mod bulk;
mod deliveries;
mod double;
mod imports;
mod license;
mod line;
mod person;
mod run;
mod said;
mod servers;
mod shell;
mod shim;
mod stripe_cli;
mod worker;
mod world;

pub use at_work::AtWork;
pub use browser::Browser;
pub use deliveries::{Delivery, Endpoint};
pub use double::{Double, Limit, Purchase, Request, SECRET_KEY};
pub use imports::Outcome;
pub use license::Tenant;
pub use line::Line;
pub use person::Person;
pub use run::{Ending, Run};
pub use said::Said;
pub use shim::{Shim, WEBHOOK_PATH, WEBHOOK_SECRET, WEBHOOK_SECRET_THIN, now, sign, subscription_event};
pub use world::{APP_URL, MASTER, World, WorldBuilder};
