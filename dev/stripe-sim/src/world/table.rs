//! Rows of one kind, in the order in which they were made.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Objects of one kind. A row's number grows with time, so the last row is the newest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(crate) struct Table {
    rows: BTreeMap<u64, Value>,
    numbers: HashMap<String, u64>,
    next: u64,
}

/// What the state file keeps of a table.
#[derive(Serialize, Deserialize)]
struct Saved {
    next: u64,
    rows: BTreeMap<u64, Value>,
}

impl From<Saved> for Table {
    fn from(saved: Saved) -> Self {
        let numbers = saved.rows.iter().map(|(number, row)| (id_of(row).to_owned(), *number)).collect();
        Self { rows: saved.rows, numbers, next: saved.next }
    }
}

impl From<Table> for Saved {
    fn from(table: Table) -> Self {
        Self { next: table.next, rows: table.rows }
    }
}

impl Table {
    pub(crate) fn insert(&mut self, row: Value) {
        self.numbers.insert(id_of(&row).to_owned(), self.next);
        self.rows.insert(self.next, row);
        self.next += 1;
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Value> {
        self.rows.get(self.numbers.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.rows.get_mut(self.numbers.get(id)?)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Value> {
        self.rows.remove(&self.numbers.remove(id)?)
    }

    /// Its place in time; two rows of one second still have an order.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        self.numbers.get(id).copied()
    }

    /// Newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Value> {
        self.rows.values().rev()
    }

    /// Rows made before the one with this number, newest first.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = &Value> {
        self.rows.range(..number).rev().map(|(_, row)| row)
    }

    /// Rows made after the one with this number, oldest first.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &Value> {
        self.rows.range(number + 1..).map(|(_, row)| row)
    }
}

fn id_of(row: &Value) -> &str {
    row["id"].as_str().unwrap_or_default()
}
