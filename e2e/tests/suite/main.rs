//! End to end: each module is one promise of a purchase.

mod faults;
mod kill;
mod races;
mod replay;
mod the_call;
mod truth;
