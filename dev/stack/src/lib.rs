//! The real servers on one machine: found or installed, started as child processes that die with
//! their parent, and asked whether they answer.
//!
//! `cargo dev` is made of this, and so is every end-to-end test: a test calls
//! [`shared::temporal`], [`shared::postgres`] and [`binaries::binary`] and needs nothing prepared.
//! Everything here blocks; async callers use `spawn_blocking` where it matters. It drives binaries
//! only and knows none of the product's crates, so it builds in seconds.

pub mod binaries;
pub mod command;
pub mod deadline;
pub mod file_lock;
mod guard;
pub mod http;
pub mod ports;
pub mod postgres;
pub mod process;
mod progress;
pub mod psql;
pub mod scratch;
pub mod shared;
pub mod temporal;
pub mod tools;
pub mod unique;
pub mod unprivileged;
pub mod workspace;

pub use postgres::Postgres;
pub use process::Process;
pub use psql::Session;
pub use temporal::Temporal;
