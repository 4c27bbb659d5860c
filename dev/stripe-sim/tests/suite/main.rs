//! The double, driven over HTTP from outside, as its clients drive it.

mod batch;
mod cli;
mod client;
mod deliveries;
mod disorder;
mod errors;
mod event_lists;
mod expansion;
mod faults;
mod idempotency;
mod inbox;
mod lifecycle;
mod lists;
mod metadata;
mod pace;
mod payments;
mod previews;
mod restart;
mod schedules;
mod sdk;
mod search;
mod standing;
mod thin;
mod typed;
mod versions;
