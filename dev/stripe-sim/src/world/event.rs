//! Events: one for every change, and what each webhook endpoint is owed of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::{World, text};
use crate::API_VERSION;

/// One event on its way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) event: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) endpoint: String,
    pub(crate) url: String,
    pub(crate) state: DeliveryState,
    pub(crate) attempts: Vec<Attempt>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryState {
    /// Not answered 2xx yet; it will be tried again.
    Pending,
    Delivered,
    /// The endpoint is gone, or three days are over.
    GivenUp,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The `t` of its signature.
    pub(crate) at: i64,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
}

impl World {
    /// Records that `kind` happened to the object.
    pub(crate) fn emit(&mut self, kind: &str, about: Kind, id: &str) {
        let object = self.presented(about, id);
        self.emit_object(kind, object);
    }

    /// Records that `kind` happened to an object in this shape.
    pub(crate) fn emit_object(&mut self, kind: &str, object: Value) {
        self.emit_data(kind, json!({"object": object}));
    }

    /// Records a change, with what was there before; nothing, if nothing changed.
    pub(crate) fn emit_change(&mut self, kind: &str, about: Kind, id: &str, before: &Value) {
        let object = self.presented(about, id);
        let Some(previous) = previous_attributes(before, &object) else { return };
        self.emit_data(kind, json!({"object": object, "previous_attributes": previous}));
    }

    fn emit_data(&mut self, kind: &str, data: Value) {
        let id = self.new_id(Kind::Event);
        let request = json!({"id": self.cause.request_id, "idempotency_key": self.cause.idempotency_key});
        let event = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": 0,
            "request": request,
            "type": kind,
        });
        self.insert(Kind::Event, event);
        self.owe(kind, &id);
    }

    /// Notes a delivery for every endpoint that wants this type.
    fn owe(&mut self, kind: &str, event: &str) {
        let wants = |row: &&Value| {
            let types = row["enabled_events"].as_array();
            row["status"] == "enabled" && types.is_some_and(|types| types.iter().any(|one| one == "*" || one == kind))
        };
        let owed = |row: &Value| Delivery {
            event: event.to_owned(),
            kind: kind.to_owned(),
            endpoint: text(row, "id").to_owned(),
            url: text(row, "url").to_owned(),
            state: DeliveryState::Pending,
            attempts: Vec::new(),
        };
        let deliveries: Vec<Delivery> = self.rows(Kind::WebhookEndpoint).filter(wants).map(owed).collect();
        self.deliveries.extend(deliveries);
    }

    pub(crate) fn pending_webhooks(&self, event: &str) -> usize {
        let is_owed = |one: &&Delivery| one.event == event && one.state == DeliveryState::Pending;
        self.deliveries.iter().filter(is_owed).count()
    }
}

/// What `before` had where `after` differs (<https://docs.stripe.com/api/events/object>):
/// objects field by field, arrays whole, a field that is new as null.
fn previous_attributes(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return None };
    let mut previous = Map::new();
    for field in old.keys().chain(new.keys().filter(|field| !old.contains_key(*field))) {
        let (was, is) = (&before[field.as_str()], &after[field.as_str()]);
        if was != is {
            previous.insert(field.clone(), previous_attributes(was, is).unwrap_or_else(|| was.clone()));
        }
    }
    (!previous.is_empty()).then_some(Value::Object(previous))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::previous_attributes;

    #[test]
    fn only_what_changed_is_in_previous_attributes() {
        let before = json!({"status": "incomplete", "metadata": {"a": "1"}, "items": {"data": [1], "url": "u"}});
        let after = json!({"status": "active", "metadata": {"a": "1", "b": "2"}, "items": {"data": [2], "url": "u"}});
        let previous = json!({"status": "incomplete", "metadata": {"b": null}, "items": {"data": [1]}});
        assert_eq!(previous_attributes(&before, &after), Some(previous));
        assert_eq!(previous_attributes(&after, &after), None);
    }
}
