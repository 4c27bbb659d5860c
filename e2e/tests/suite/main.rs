//! End to end: each module is one promise, of a purchase or of an event.

mod commands;
mod event_budget;
mod event_commands;
mod event_kills;
mod event_way;
mod faults;
mod kill;
mod license;
mod lifecycle;
mod queries;
mod races;
mod reconcile;
mod reconcile_events;
mod reconcile_schedule;
mod reconcile_trouble;
mod replay;
mod secrets;
mod the_call;
mod truth;
mod webhook;
mod webhook_life;
mod webhook_relay;
mod webhook_sdk;
