//! Rows of one kind, in the order in which they were made.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Objects of one kind. A row's number grows with time, so the last row is the newest.
///
/// Rows are shared with the copies of the table, so that a copy costs little.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(crate) struct Table {
    rows: BTreeMap<u64, Arc<Value>>,
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
        let rows = saved.rows.into_iter().map(|(number, row)| (number, Arc::new(row))).collect();
        Self { rows, numbers, next: saved.next }
    }
}

impl From<Table> for Saved {
    fn from(table: Table) -> Self {
        let rows = table.rows.into_iter().map(|(number, row)| (number, Arc::unwrap_or_clone(row))).collect();
        Self { next: table.next, rows }
    }
}

impl Table {
    pub(crate) fn insert(&mut self, row: Value) {
        self.numbers.insert(id_of(&row).to_owned(), self.next);
        self.rows.insert(self.next, Arc::new(row));
        self.next += 1;
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Value> {
        self.rows.get(self.numbers.get(id)?).map(Arc::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.rows.get_mut(self.numbers.get(id)?).map(Arc::make_mut)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(number) = self.numbers.remove(id) {
            self.rows.remove(&number);
        }
    }

    /// Its place in time; two rows of one second still have an order.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        self.numbers.get(id).copied()
    }

    /// Newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Value> {
        self.rows.values().rev().map(Arc::as_ref)
    }

    /// Rows made before the one with this number, newest first.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = &Value> {
        self.rows.range(..number).rev().map(|(_, row)| row.as_ref())
    }

    /// Rows made after the one with this number, oldest first.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &Value> {
        self.rows.range(number + 1..).map(|(_, row)| row.as_ref())
    }
}

fn id_of(row: &Value) -> &str {
    row["id"].as_str().unwrap_or_default()
}
