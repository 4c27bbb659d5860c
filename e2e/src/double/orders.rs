//! What a test orders of the double: faults, holds, a pace, another time.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use stack::deadline;

use super::Double;

/// Of a request that comes after many others, on a machine that has much else to do.
const HELD: Duration = Duration::from_secs(60);

/// A limit of requests a second, and what became of the requests since it was ordered.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// How many were let in.
    pub admitted: u64,
    /// How many were answered 429.
    pub refused: u64,
    /// The most that were let in within one second.
    pub peak: u64,
}

impl Double {
    /// Orders a fault for the next request (after `skip` others) of that method and path.
    pub fn fault(&self, method: &str, path: &str, kind: &str, skip: u64) -> Result<()> {
        let order = json!({"method": method, "path": path, "kind": kind, "count": 1, "skip": skip});
        self.admin("POST", "/faults", &order).map(drop)
    }

    /// Orders a fault for each nth request of any method and path that fits; the kinds take turns.
    /// It stands until [`Double::forget_faults`].
    pub fn fault_every(&self, nth: u64, path: &str, kinds: &[&str]) -> Result<()> {
        self.admin("POST", "/faults", &json!({"path": path, "every": nth, "kinds": kinds})).map(drop)
    }

    /// Takes every ordered fault back, and the count of those that struck.
    pub fn forget_faults(&self) -> Result<()> {
        self.admin("DELETE", "/faults", &Value::Null).map(drop)
    }

    /// How many ordered faults have struck.
    pub fn faults_struck(&self) -> Result<u64> {
        let listed = self.admin("GET", "/faults", &Value::Null)?;
        let faults = listed["data"].as_array().context("no list of faults")?;
        Ok(faults.iter().filter_map(|fault| fault["hits"].as_u64()).sum())
    }

    /// Holds the next request of that method and path, `before` it is carried out or `after`,
    /// until [`Double::release`].
    pub fn hold(&self, method: &str, path: &str, phase: &str, skip: u64) -> Result<String> {
        self.order_hold(&json!({"method": method, "path": path, "phase": phase, "count": 1, "skip": skip}))
    }

    /// Holds every request of that method and path `before` it is carried out, so that none gets
    /// through however often it is tried, until [`Double::release`].
    pub fn hold_all(&self, method: &str, path: &str) -> Result<String> {
        self.hold_all_after(method, path, 0)
    }

    /// The same but for the first `skip` of them.
    pub fn hold_all_after(&self, method: &str, path: &str, skip: u64) -> Result<String> {
        self.order_hold(&json!({"method": method, "path": path, "phase": "before", "count": u32::MAX, "skip": skip}))
    }

    fn order_hold(&self, order: &Value) -> Result<String> {
        let made = self.admin("POST", "/holds", order)?;
        made["id"].as_str().map(str::to_owned).context("no id of the hold")
    }

    /// Waits until a request is held there.
    pub fn wait_until_held(&self, hold: &str) -> Result<()> {
        self.wait_until_held_within(hold, HELD)
    }

    /// The same of a request that comes after hundreds of others.
    pub fn wait_until_held_within(&self, hold: &str, limit: Duration) -> Result<()> {
        deadline::poll("a request to be held", limit, || {
            let shown = self.admin("GET", &format!("/holds/{hold}"), &Value::Null)?;
            Ok((shown["waiting"].as_u64() > Some(0)).then_some(()))
        })
    }

    /// Lets it go on.
    pub fn release(&self, hold: &str) -> Result<()> {
        self.admin("POST", &format!("/holds/{hold}/release"), &Value::Null).map(drop)
    }

    /// Has every answer take that long.
    pub fn answer_after(&self, ms: u64) -> Result<()> {
        self.admin("POST", "/latency", &json!({"ms": ms})).map(drop)
    }

    /// Answers 429 to what exceeds that many requests in a second, and counts anew; none for no
    /// limit, only the counts.
    pub fn limit(&self, per_second: Option<u64>) -> Result<()> {
        self.admin("POST", "/limit", &json!({"per_second": per_second})).map(drop)
    }

    /// What became of the requests since the last [`Double::limit`], or since the start.
    pub fn under_limit(&self) -> Result<Limit> {
        let shown = self.admin("GET", "/limit", &Value::Null)?;
        let count = |field: &str| shown[field].as_u64().with_context(|| format!("no {field} in {shown}"));
        Ok(Limit { admitted: count("admitted")?, refused: count("refused")?, peak: count("peak")? })
    }

    /// Has a key expire, as one does that was rolled: it is answered 401 from now on.
    pub fn expire_key(&self, key: &str) -> Result<()> {
        self.admin("POST", "/keys/expire", &json!({"key": key})).map(drop)
    }

    /// Moves the double's clock on.
    pub fn advance(&self, secs: u64) -> Result<()> {
        self.admin("POST", "/clock", &json!({"advance_secs": secs})).map(drop)
    }

    /// Stops the double's clock, so that all that happens from now on shares a second, or lets it
    /// go on. Answers the time.
    pub fn freeze(&self, is_frozen: bool) -> Result<i64> {
        let clock = self.admin("POST", "/clock", &json!({"freeze": is_frozen}))?;
        clock["now"].as_i64().context("a clock tells the time")
    }
}
