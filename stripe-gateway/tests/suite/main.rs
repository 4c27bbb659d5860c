//! Deliveries as they come, and as they do not: what is believed, and what is understood.

mod envelopes;
mod fuzz_corpus;
mod secrets;
mod signatures;
mod subjects;
