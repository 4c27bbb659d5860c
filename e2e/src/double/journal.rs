//! What the double was asked.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Double;

/// One request that the double saw.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// With `/v1`.
    pub path: String,
    /// What was answered; none where the connection was cut.
    pub status: Option<u64>,
    /// Whether it changed anything.
    pub effect: bool,
    /// `Idempotency-Key`.
    pub key: Option<String>,
    /// `Stripe-Version`.
    pub version: Option<String>,
    /// The fault that it met.
    pub fault: Option<String>,
}

impl Double {
    /// Every request since the last [`Double::forget_requests`].
    pub fn requests(&self) -> Result<Vec<Request>> {
        let listed = self.admin("GET", "/requests", &Value::Null)?;
        let requests = listed["data"].as_array().context("no list of requests")?;
        Ok(requests.iter().map(request).collect())
    }

    /// Empties the journal.
    pub fn forget_requests(&self) -> Result<()> {
        self.admin("DELETE", "/requests", &Value::Null).map(drop)
    }

    /// How many writes of a worker to that path changed something. Ours carry no key.
    pub fn effects(&self, path: &str) -> Result<usize> {
        let is_one =
            |request: &Request| request.effect && request.key.is_some() && request.path == format!("/v1{path}");
        Ok(self.requests()?.iter().filter(|request| is_one(request)).count())
    }
}

fn request(entry: &Value) -> Request {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    Request {
        method: text("method").unwrap_or_default(),
        path: text("path").unwrap_or_default(),
        status: entry["status"].as_u64(),
        effect: entry["effect"].as_bool().unwrap_or_default(),
        key: text("idempotency_key"),
        version: text("stripe_version"),
        fault: text("fault"),
    }
}
