//! What every program of ours runs on: how it begins and ends, where its settings come from, its
//! log, the way to Temporal and the one call that two of them make there, its metrics and its
//! private listener.
//!
//! What it leaves out: what a program does, and which settings it asks for.

pub mod admin;
pub mod hand_over;
pub mod hold_points;
pub mod logging;
pub mod program;
pub mod settings;
pub mod startup;
pub mod telemetry;
pub mod temporal;
