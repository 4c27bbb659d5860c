//! The rules of truth that a sync touches, forced one by one.

mod counts;
mod desk;
mod identity;
mod parking;
mod tickets;
mod twins;
