//! Answers that are promised to be repeated (<https://docs.stripe.com/api/idempotent_requests>).
//!
//! The first status and body under a key are kept, 500s included, for a day by the double's
//! clock. Answers that came before any endpoint began to execute are not kept.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::time::DAY;
use crate::error::Refusal;

/// The answers so far, by idempotency key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answers {
    done: HashMap<String, Stored>,
    /// Keys of requests that are being worked on.
    #[serde(skip)]
    running: HashMap<String, Fingerprint>,
}

/// What must be equal for two requests to be the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) path: String,
    pub(crate) params: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    first: Fingerprint,
    at: i64,
    status: u16,
    body: Value,
    request_id: String,
}

/// An answer from the store.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) original_request_id: String,
}

impl Answers {
    /// Claims the key: nothing means that the caller is to execute and then `finish`.
    pub(crate) fn begin(&mut self, key: &str, request: &Fingerprint, now: i64) -> Result<Option<Replay>, Refusal> {
        if let Some(stored) = self.done.get(key).filter(|stored| now - stored.at < DAY) {
            same_request(key, &stored.first, request)?;
            return Ok(Some(Replay {
                status: stored.status,
                body: stored.body.clone(),
                original_request_id: stored.request_id.clone(),
            }));
        }
        if self.running.contains_key(key) {
            return Err(Refusal::key_in_use(key));
        }
        self.running.insert(key.to_owned(), request.clone());
        Ok(None)
    }

    /// Keeps the answer under its key.
    pub(crate) fn finish(&mut self, key: &str, status: u16, body: &Value, request_id: &str, now: i64) {
        let Some(first) = self.running.remove(key) else { return };
        let stored = Stored { first, at: now, status, body: body.clone(), request_id: request_id.to_owned() };
        self.done.insert(key.to_owned(), stored);
    }

    /// Frees the key: nothing was executed under it.
    pub(crate) fn abandon(&mut self, key: &str) {
        self.running.remove(key);
    }
}

fn same_request(key: &str, first: &Fingerprint, again: &Fingerprint) -> Result<(), Refusal> {
    if first.path != again.path {
        return Err(Refusal::idempotency(format!(
            "Keys for idempotent requests can only be used for the same endpoint they were first used for ('{}' vs '{}'). Try using a key other than '{key}' if you meant to execute a different request.",
            again.path, first.path
        )));
    }
    if first.params != again.params {
        return Err(Refusal::idempotency(format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
        )));
    }
    Ok(())
}
