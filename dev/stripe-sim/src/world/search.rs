//! The search index: what a search finds, which may lag behind what is stored
//! (<https://docs.stripe.com/search#data-freshness>).
//!
//! A customer that changed keeps, in `_indexed`, what the index still has of it. What is found is
//! shown as it is now, so an answer may not fit its own query; whoever searches has to look.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;
use super::kind::Kind;

/// How long a change stays unseen, by the double's clock. Without an order it is seen at once.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Lag {
    secs: i64,
    /// Until another order is given.
    held: bool,
}

impl World {
    /// From now on the index lags by this much. What it had not seen yet it sees now.
    pub(crate) fn order_lag(&mut self, lag: Lag) {
        self.search_lag = lag;
        let unseen: Vec<String> = self
            .rows(Kind::Customer)
            .filter(|row| !row["_indexed"].is_null())
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        for id in unseen {
            self.set(Kind::Customer, &id, json!({"_indexed": null}));
        }
    }

    /// The index still has the customer as it was `before`; of a new one it has nothing.
    pub(crate) fn index_later(&mut self, id: &str, before: &Value) {
        let Lag { secs, held } = self.search_lag;
        let is_unseen = self.get(Kind::Customer, id).is_some_and(|row| self.is_behind(row));
        if is_unseen || secs == 0 && !held {
            return;
        }
        let until = (!held).then(|| self.now() + secs);
        self.set(Kind::Customer, id, json!({"_indexed": {"as": before, "until": until}}));
    }

    /// The customer as the index has it, if it does.
    pub(crate) fn indexed<'w>(&self, row: &'w Value) -> Option<&'w Value> {
        if !self.is_behind(row) {
            return Some(row);
        }
        Some(&row["_indexed"]["as"]).filter(|before| !before.is_null())
    }

    fn is_behind(&self, row: &Value) -> bool {
        let kept = &row["_indexed"];
        kept.is_object() && kept["until"].as_i64().is_none_or(|until| until > self.now())
    }
}
