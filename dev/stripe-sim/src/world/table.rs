//! Rows of one kind, in the order in which they were made.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Objects of one kind. A row's number grows with time, so the last row is the newest.
///
/// Every write says how it is taken back: a copy of the table to go back to would cost more with
/// every row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub(crate) struct Table {
    rows: BTreeMap<u64, Arc<Value>>,
    numbers: HashMap<String, u64>,
    next: u64,
}

/// How a write is taken back.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    Insert(String),
    Change(String, Arc<Value>),
    Remove(u64, Arc<Value>),
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
    pub(crate) fn insert(&mut self, row: Value) -> Undo {
        let id = id_of(&row).to_owned();
        self.numbers.insert(id.clone(), self.next);
        self.rows.insert(self.next, Arc::new(row));
        self.next += 1;
        Undo::Insert(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Value> {
        self.rows.get(self.numbers.get(id)?).map(Arc::as_ref)
    }

    /// How to take back what will be done to the row.
    pub(crate) fn undo_of(&self, id: &str) -> Option<Undo> {
        self.rows.get(self.numbers.get(id)?).map(|row| Undo::Change(id.to_owned(), row.clone()))
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.rows.get_mut(self.numbers.get(id)?).map(Arc::make_mut)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Undo> {
        let number = self.numbers.remove(id)?;
        self.rows.remove(&number).map(|row| Undo::Remove(number, row))
    }

    /// The last write first.
    pub(crate) fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Insert(id) => drop(self.remove(&id)),
            Undo::Change(id, row) => {
                if let Some(place) = self.numbers.get(&id).and_then(|number| self.rows.get_mut(number)) {
                    *place = row;
                }
            }
            Undo::Remove(number, row) => {
                self.numbers.insert(id_of(&row).to_owned(), number);
                self.rows.insert(number, row);
            }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Table;

    #[test]
    fn writes_are_taken_back_in_the_reverse_order() {
        let mut table = Table::default();
        for id in ["a", "b"] {
            table.insert(json!({"id": id, "n": 1}));
        }
        let before: Vec<Value> = table.newest_first().cloned().collect();
        let mut undo = vec![table.undo_of("a").expect("a row")];
        table.get_mut("a").expect("a row")["n"] = json!(2);
        undo.extend(table.remove("a"));
        undo.push(table.insert(json!({"id": "c"})));
        undo.extend(table.undo_of("c"));
        table.get_mut("c").expect("a row")["n"] = json!(3);
        assert_eq!(table.newest_first().count(), 2);
        undo.into_iter().rev().for_each(|undo| table.take_back(undo));
        assert_eq!(table.newest_first().cloned().collect::<Vec<_>>(), before);
        assert_eq!(table.get("a"), Some(&json!({"id": "a", "n": 1})));
    }
}
