//! Every request so far, in the order in which they came. Never a key.

use serde::Serialize;
use serde_json::Value;

use super::faults::FaultKind;

/// What is known of a request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// Seconds since 1970 by the double's clock.
    pub(crate) at: i64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) params: Value,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) stripe_version: Option<String>,
    pub(crate) request_id: String,
    /// None while it is being worked on, and when no answer was given.
    pub(crate) status: Option<u16>,
    /// Whether this request changed anything.
    pub(crate) effect: bool,
    /// Whether the answer came from the idempotency store.
    pub(crate) replayed: bool,
    pub(crate) fault: Option<FaultKind>,
}

/// The requests so far.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    /// How many were cleared away: places keep their meaning.
    cleared: usize,
}

impl Journal {
    /// Writes a request down and says its place.
    pub(crate) fn open(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.cleared + self.entries.len() - 1
    }

    /// Completes the entry at a place; one that was cleared away stays away.
    pub(crate) fn note(&mut self, place: usize, note: impl FnOnce(&mut Entry)) {
        if let Some(entry) = place.checked_sub(self.cleared).and_then(|index| self.entries.get_mut(index)) {
            note(entry);
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn clear(&mut self) {
        self.cleared += self.entries.len();
        self.entries.clear();
    }
}
