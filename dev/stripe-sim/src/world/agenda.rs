//! When something next happens to each subscription by itself. Looking at every one of them each
//! second would take longer than that second where there are ten thousand.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::kind::Kind;
use super::{World, text};

/// What is due when, as of the last look; what was written since has to be looked at again.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(i64, String)>,
    times: HashMap<String, i64>,
    stale: HashSet<String>,
    /// Whether every subscription was looked at once: those of a state file were not.
    is_whole: bool,
}

impl Agenda {
    /// A row is about to change, or is new. What is due at a subscription follows from its own row,
    /// from its items and from its schedule.
    pub(super) fn touch(&mut self, kind: Kind, row: &Value) {
        if kind == Kind::Subscription {
            self.stale.insert(text(row, "id").to_owned());
        } else if matches!(kind, Kind::SubscriptionItem | Kind::SubscriptionSchedule) {
            self.stale.insert(text(row, "subscription").to_owned());
        }
    }

    fn set(&mut self, id: String, at: Option<i64>) {
        if let Some(before) = self.times.remove(&id) {
            self.by_time.remove(&(before, id.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, id.clone()));
            self.times.insert(id, at);
        }
    }
}

impl World {
    /// The subscriptions at which something is due by now.
    pub(super) fn due_by(&mut self, now: i64) -> Vec<String> {
        let mut stale = std::mem::take(&mut self.agenda.stale);
        if !self.agenda.is_whole {
            stale.extend(self.rows(Kind::Subscription).map(|row| text(row, "id").to_owned()));
            self.agenda.is_whole = true;
        }
        for id in stale {
            let at = self.get(Kind::Subscription, &id).and_then(|row| self.due_at(row));
            self.agenda.set(id, at);
        }
        let due = self.agenda.by_time.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, id)| id.clone()).collect()
    }
}
