//! HTTP: the listener, the way of a request, faults and holds, deliveries, the admin routes.

mod admin;
mod app;
mod batch;
mod deliver;
mod delivery_orders;
mod faults;
mod holds;
mod journal;
mod key;
mod listener;
mod pace;
mod page;
mod pipeline;
mod post;
mod reply;
pub(crate) mod running;
mod search_orders;
mod signature;
mod state_file;
