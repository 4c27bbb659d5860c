//! Everything the double knows: its objects, its clock, the answers it has promised to repeat.
//!
//! Objects are kept as JSON, nearly as they are answered. Three things differ in a row: an item
//! names its price by id (`present` puts the price in), a subscription names its items by id, and
//! fields that begin with `_` are the double's own and never leave it.

mod attempts;
pub(crate) mod billing;
pub(crate) mod cards;
pub(crate) mod deliveries;
pub(crate) mod event;
pub(crate) mod expand;
pub(crate) mod idempotency;
pub(crate) mod kind;
pub(crate) mod list;
pub(crate) mod payment;
pub(crate) mod policy;
pub(crate) mod present;
mod previewing;
pub(crate) mod prorating;
pub(crate) mod receivers;
pub(crate) mod roll;
pub(crate) mod scheduling;
pub(crate) mod search;
pub(crate) mod search_query;
pub(crate) mod standing;
pub(crate) mod subscribing;
mod table;
pub(crate) mod time;
mod trials;
pub(crate) mod versions;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Refusal;
use deliveries::Deliveries;
use idempotency::Answers;
use kind::Kind;
use policy::Policy;
use search::Lag;
use table::{Table, Undo};
use time::Clock;

/// The state of one Stripe account in one mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) account: String,
    pub(crate) livemode: bool,
    pub(crate) clock: Clock,
    pub(crate) answers: Answers,
    /// Events on their way to webhook endpoints, and those that arrived.
    pub(crate) deliveries: Deliveries,
    /// What becomes of the deliveries to come.
    #[serde(default)]
    pub(crate) policy: Policy,
    #[serde(default)]
    pub(crate) search_lag: Lag,
    tables: BTreeMap<Kind, Table>,
    seed: u64,
    drawn: u64,
    /// Grows with every write.
    #[serde(default)]
    revision: u64,
    /// How to take back what the request that is being executed wrote; none outside of one.
    #[serde(skip)]
    written: Option<Vec<(Kind, Undo)>>,
    /// What caused the events of the request that is being executed.
    #[serde(skip)]
    pub(crate) cause: Cause,
}

/// The request behind an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// Where the client reached us, for the URLs that we hand out.
    pub(crate) base_url: String,
}

impl World {
    pub(crate) fn new(account: String, livemode: bool) -> Self {
        Self {
            account,
            livemode,
            clock: Clock::default(),
            answers: Answers::default(),
            deliveries: Deliveries::default(),
            policy: Policy::default(),
            search_lag: Lag::default(),
            tables: BTreeMap::new(),
            seed: RandomState::new().hash_one("seed"),
            drawn: 0,
            revision: 0,
            written: None,
            cause: Cause::default(),
        }
    }

    /// Seconds since 1970 by the double's clock.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Two equal numbers: nothing was written in between.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Notes a write that touches no table.
    pub(crate) fn touch(&mut self) {
        self.revision += 1;
    }

    /// Does it under another policy.
    pub(crate) fn with_policy<T>(&mut self, policy: Policy, work: impl FnOnce(&mut Self) -> T) -> T {
        let usual = std::mem::replace(&mut self.policy, policy);
        let outcome = work(self);
        self.policy = usual;
        outcome
    }

    pub(crate) fn new_id(&mut self, kind: Kind) -> String {
        let (prefix, length) = kind.id_shape();
        let live_prefix = if self.livemode { prefix.replace("_test_", "_live_") } else { prefix.to_owned() };
        live_prefix + &self.random_text(length)
    }

    /// Letters and digits, never the same twice in a world.
    pub(crate) fn random_text(&mut self, length: usize) -> String {
        const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let mut bits = self.draw();
            for _ in 0..10.min(length - text.len()) {
                text.push(char::from(ALPHABET[usize::try_from(bits % 62).unwrap_or_default()]));
                bits /= 62;
            }
        }
        text
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        spread(self.seed, self.drawn)
    }

    pub(crate) fn insert(&mut self, kind: Kind, row: Value) {
        self.touch();
        let undo = self.tables.entry(kind).or_default().insert(row);
        self.note(kind, Some(undo));
    }

    fn note(&mut self, kind: Kind, undo: Option<Undo>) {
        if let (Some(written), Some(undo)) = (&mut self.written, undo) {
            written.push((kind, undo));
        }
    }

    /// The row, deleted ones excluded.
    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.get_even_deleted(kind, id).filter(|row| row["deleted"] != true)
    }

    pub(crate) fn get_even_deleted(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.tables.get(&kind)?.get(id)
    }

    /// The row for writing. Asking for it counts as a write.
    pub(crate) fn get_mut(&mut self, kind: Kind, id: &str) -> Option<&mut Value> {
        self.revision += 1;
        if self.written.is_some() {
            let undo = self.tables.get(&kind)?.undo_of(id);
            self.note(kind, undo);
        }
        self.tables.get_mut(&kind)?.get_mut(id)
    }

    /// Sets fields of a row; a row that is not there stays away.
    pub(crate) fn set(&mut self, kind: Kind, id: &str, fields: Value) {
        let Some(row) = self.get_mut(kind, id) else { return };
        let Value::Object(fields) = fields else { return };
        for (field, value) in fields {
            row[field] = value;
        }
    }

    pub(crate) fn remove(&mut self, kind: Kind, id: &str) {
        self.touch();
        let undo = self.tables.entry(kind).or_default().remove(id);
        self.note(kind, undo);
    }

    pub(crate) fn rows(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.tables.get(&kind).into_iter().flat_map(Table::newest_first)
    }

    fn table(&self, kind: Kind) -> Option<&Table> {
        self.tables.get(&kind)
    }

    /// The row that the URL names.
    pub(crate) fn at_url(&self, kind: Kind, id: &str) -> Result<&Value, Refusal> {
        self.get(kind, id).ok_or_else(|| Refusal::no_such(kind.noun(), id, kind.url_param()))
    }

    /// The row that a parameter names.
    pub(crate) fn referenced(&self, kind: Kind, id: &str, param: &str) -> Result<&Value, Refusal> {
        self.get(kind, id).ok_or_else(|| Refusal::no_such_reference(kind.noun(), id, param))
    }
}

/// SplitMix64 over a counter: well spread, and cheap to keep in the state file.
pub(crate) fn spread(seed: u64, nth: u64) -> u64 {
    let mut z = seed.wrapping_add(nth.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The text of a field, or nothing.
pub(crate) fn text<'v>(row: &'v Value, field: &str) -> &'v str {
    row[field].as_str().unwrap_or_default()
}

/// The number in a field, or 0.
pub(crate) fn number(row: &Value, field: &str) -> i64 {
    row[field].as_i64().unwrap_or_default()
}
