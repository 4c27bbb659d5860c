//! Where deliveries go: webhook endpoints, which take snapshots, and event destinations, which take
//! thin events. Both are rows with a URL, a secret and a list of types.

use serde_json::{Value, json};

use super::kind::Kind;
use super::time::rfc3339;
use super::versions::Version;
use super::{World, text};

/// Somebody who can be sent something now.
pub(crate) struct Receiver {
    pub(crate) url: String,
    /// The newest first; more than one while a secret is rolled.
    pub(crate) secrets: Vec<String>,
    /// How snapshots are rendered.
    pub(crate) version: Version,
}

impl World {
    /// A webhook endpoint, enabled, still without an id and wanting nothing.
    pub(crate) fn new_endpoint(&self, url: &str, secret: &str) -> Value {
        json!({
            "object": "webhook_endpoint",
            "_secret": secret,
            "api_version": null,
            "application": null,
            "created": self.now(),
            "description": null,
            "enabled_events": [],
            "livemode": self.livemode,
            "metadata": {},
            "status": "enabled",
            "url": url,
        })
    }

    /// An event destination for thin events, enabled, still without an id and wanting nothing.
    pub(crate) fn new_destination(&self, name: &str, url: &str, secret: &str) -> Value {
        let now = rfc3339(self.now());
        json!({
            "object": "v2.core.event_destination",
            "_secret": secret,
            "_url": url,
            "created": now,
            "description": "",
            "enabled_events": [],
            "event_payload": "thin",
            "events_from": ["@self"],
            "livemode": self.livemode,
            "metadata": {},
            "name": name,
            "snapshot_api_version": null,
            "status": "enabled",
            "status_details": null,
            "type": "webhook_endpoint",
            "updated": now,
            "webhook_endpoint": null,
        })
    }

    /// Nobody, when it was deleted or disabled.
    pub(crate) fn receiver(&self, id: &str) -> Option<Receiver> {
        let row = self.receiver_row(id).filter(|row| row["status"] == "enabled")?;
        Some(Receiver {
            url: url(row).to_owned(),
            secrets: self.secrets(row),
            version: row["api_version"].as_str().and_then(Version::parse).unwrap_or(Version::Pinned),
        })
    }

    pub(crate) fn receiver_row(&self, id: &str) -> Option<&Value> {
        self.get(Kind::WebhookEndpoint, id).or_else(|| self.get(Kind::EventDestination, id))
    }

    /// Ids and URLs of those who want events of this type.
    pub(super) fn wanting(&self, receivers: Kind, kind: &str) -> Vec<(String, String)> {
        let wants = |row: &&Value| {
            let types = row["enabled_events"].as_array();
            row["status"] == "enabled" && types.is_some_and(|types| types.iter().any(|one| one == "*" || one == kind))
        };
        let named = |row: &Value| (text(row, "id").to_owned(), url(row).to_owned());
        self.rows(receivers).filter(wants).map(named).collect()
    }

    /// A fresh signing secret.
    pub(crate) fn new_secret(&mut self) -> String {
        format!("whsec_{}", self.random_text(32))
    }

    /// Gives the receiver a new secret and says it; the old one signs too for that long
    /// (<https://docs.stripe.com/webhooks#roll-endpoint-secrets>). None, if there is no such receiver.
    pub(crate) fn roll_secret(&mut self, id: &str, expires_in_secs: i64) -> Option<String> {
        let row = self.receiver_row(id)?;
        let kind = if row["object"] == Kind::WebhookEndpoint.object() {
            Kind::WebhookEndpoint
        } else {
            Kind::EventDestination
        };
        let until = self.now() + expires_in_secs;
        let mut old = vec![json!({"secret": row["_secret"], "until": until})];
        old.extend(row["_old_secrets"].as_array().cloned().unwrap_or_default());
        let secret = self.new_secret();
        self.set(kind, id, json!({"_secret": secret, "_old_secrets": old}));
        Some(secret)
    }

    fn secrets(&self, row: &Value) -> Vec<String> {
        let is_valid = |old: &&Value| old["until"].as_i64().is_some_and(|until| until > self.now());
        let old = row["_old_secrets"].as_array().into_iter().flatten().filter(is_valid);
        let secrets = old.filter_map(|old| old["secret"].as_str());
        [text(row, "_secret")].into_iter().chain(secrets).map(str::to_owned).collect()
    }
}

/// A destination shows its URL only to those who ask for it.
fn url(row: &Value) -> &str {
    row["_url"].as_str().unwrap_or_else(|| text(row, "url"))
}
