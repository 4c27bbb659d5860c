//! The lives of subscriptions, in any order: events that come late, twice, together or out of
//! order, reads that are overtaken, and steps that die. Whatever happens, the rows end as Stripe
//! says, the count is the one that follows, and every event is accounted for.
//!
//! There is no Temporal here, except in `through`: the functions that the activities are shells of
//! are called directly, against a real Postgres and a Stripe double over HTTP, so that thousands
//! of orders are tried in the time of a few runs.

mod any_order;
mod books;
mod buyer;
mod chance;
mod check;
mod facts;
mod life;
mod oracle;
mod permutations;
mod product;
mod reconciled;
mod rules;
mod shop;
mod through;
