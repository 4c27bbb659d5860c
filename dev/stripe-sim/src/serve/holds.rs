//! Holds: requests that wait until a test lets them go.
//!
//! Held `before`, a request has not been executed; held `after`, it has, and its answer is from
//! that moment however long it waits: that is how a stale read is made.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::app::{App, lock};
use crate::world::policy::matches_glob;

/// On which side of the execution a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Before,
    After,
}

/// A hold as it is ordered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    method: Option<String>,
    path: String,
    phase: Phase,
    #[serde(default = "once")]
    count: u64,
    #[serde(default)]
    skip: u64,
}

fn once() -> u64 {
    1
}

/// A hold on the list.
#[derive(Debug, Serialize)]
pub(crate) struct Hold {
    id: String,
    method: Option<String>,
    path: String,
    phase: Phase,
    waiting: u64,
    hits: u64,
    left: u64,
    skip: u64,
    released: bool,
    #[serde(skip)]
    gate: watch::Sender<bool>,
}

/// The holds so far.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    list: Vec<Hold>,
}

impl Holds {
    pub(crate) fn order(&mut self, order: Order) -> String {
        let id = format!("hold_{}", self.list.len() + 1);
        self.list.push(Hold {
            id: id.clone(),
            method: order.method,
            path: order.path,
            phase: order.phase,
            waiting: 0,
            hits: 0,
            left: order.count,
            skip: order.skip,
            released: false,
            gate: watch::Sender::new(false),
        });
        id
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Hold> {
        self.list.iter().find(|hold| hold.id == id)
    }

    pub(crate) fn list(&self) -> &[Hold] {
        &self.list
    }

    /// Lets those who wait go, and holds nobody any more.
    pub(crate) fn release(&mut self, id: &str) -> Option<&Hold> {
        let hold = self.list.iter_mut().find(|hold| hold.id == id)?;
        hold.left = 0;
        hold.released = true;
        hold.gate.send_replace(true);
        Some(hold)
    }

    fn enter(&mut self, phase: Phase, method: &str, path: &str) -> Option<(String, watch::Receiver<bool>)> {
        let fits = |hold: &&mut Hold| {
            hold.phase == phase
                && hold.left > 0
                && hold.method.as_deref().is_none_or(|wanted| wanted == "*" || wanted.eq_ignore_ascii_case(method))
                && matches_glob(&hold.path, path)
        };
        for hold in self.list.iter_mut().filter(fits) {
            if hold.skip > 0 {
                hold.skip -= 1;
                continue;
            }
            hold.left -= 1;
            hold.hits += 1;
            hold.waiting += 1;
            return Some((hold.id.clone(), hold.gate.subscribe()));
        }
        None
    }

    fn leave(&mut self, id: &str) {
        if let Some(hold) = self.list.iter_mut().find(|hold| hold.id == id) {
            hold.waiting -= 1;
        }
    }
}

/// Waits, if a hold wants this request to.
pub(crate) async fn wait(app: &App, phase: Phase, method: &str, path: &str) {
    let Some((id, mut gate)) = lock(&app.holds).enter(phase, method, path) else { return };
    // The gate's sender lives as long as the list does.
    let _ = gate.wait_for(|is_open| *is_open).await;
    lock(&app.holds).leave(&id);
}
