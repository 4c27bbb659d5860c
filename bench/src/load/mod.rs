//! A load of signed events: made before the run, sent over connections that stay open, every time
//! kept.

mod connection;
mod delivery;
mod run;

pub(crate) use delivery::{Deliveries, SECRET};
pub(crate) use run::{Outcome, Window, run};
