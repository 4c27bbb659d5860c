//! Events: for every change a snapshot event and, where its type has one, a thin event of its own
//! id that names it (<https://docs.stripe.com/event-destinations#thin-events>).

use serde_json::{Map, Value, json};

use super::deliveries::{Delivery, DeliveryState};
use super::kind::Kind;
use super::time::rfc3339;
use super::{World, number, text};
use crate::API_VERSION;

/// Whose types have a thin counterpart, by their beginnings; all those that the double sends are
/// among them (<https://docs.stripe.com/api/v2/core/events/event-types>).
const THIN_FAMILIES: &[&str] = &[
    "charge.",
    "checkout.session.",
    "customer.",
    "invoice.",
    "invoice_payment.",
    "invoiceitem.",
    "payment_intent.",
    "payment_method.",
    "price.",
    "product.",
    "setup_intent.",
    "subscription_schedule.",
];

impl World {
    /// Records that `kind` happened to the object.
    pub(crate) fn emit(&mut self, kind: &str, about: Kind, id: &str) {
        // An event that nobody wants costs nothing.
        if self.policy.generates(kind) {
            let object = self.presented(about, id);
            self.record_both(kind, &json!({"object": object}));
        }
    }

    /// Records that `kind` happened to an object in this shape.
    pub(crate) fn emit_object(&mut self, kind: &str, object: Value) {
        if self.policy.generates(kind) {
            self.record_both(kind, &json!({"object": object}));
        }
    }

    /// Records a change, with what was there before; nothing, if nothing changed.
    pub(crate) fn emit_change(&mut self, kind: &str, about: Kind, id: &str, before: &Value) {
        let object = self.presented(about, id);
        let Some(previous) = previous_attributes(before, &object) else { return };
        if self.policy.generates(kind) {
            self.record_both(kind, &json!({"object": object, "previous_attributes": previous}));
        }
    }

    fn record_both(&mut self, kind: &str, data: &Value) {
        let snapshot = self.record_snapshot(kind, &json!({"data": data}));
        if !THIN_FAMILIES.iter().any(|family| kind.starts_with(family)) {
            return;
        }
        let related = related_object(&data["object"]);
        self.record_thin(&format!("v1.{kind}"), &json!({"related_object": related, "snapshot_event": snapshot}));
        for _ in 0..changed_quantities(data) {
            self.record_thin("v1.customer.subscription.item_quantity_changed", &json!({"related_object": related}));
        }
    }

    /// Writes a snapshot event of these fields, has it delivered and says its id.
    pub(crate) fn record_snapshot(&mut self, kind: &str, fields: &Value) -> String {
        let id = self.new_id(Kind::Event);
        let request = json!({"id": self.cause.request_id, "idempotency_key": self.cause.idempotency_key});
        let event = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": {}},
            "livemode": self.livemode,
            "pending_webhooks": 0,
            "request": request,
            "type": kind,
        });
        self.record(Kind::Event, kind, event, fields)
    }

    /// The same for a thin event.
    pub(crate) fn record_thin(&mut self, kind: &str, fields: &Value) -> String {
        let id = self.new_id(Kind::ThinEvent);
        let mut event = json!({
            "id": id,
            "object": "v2.core.event",
            "_created": self.now(),
            "context": null,
            "created": rfc3339(self.now()),
            "livemode": self.livemode,
            "type": kind,
        });
        if let Some(request) = &self.cause.request_id {
            let request = json!({"id": request, "idempotency_key": self.cause.idempotency_key});
            event["reason"] = json!({"type": "request", "request": request});
        }
        self.record(Kind::ThinEvent, kind, event, fields)
    }

    fn record(&mut self, about: Kind, kind: &str, mut event: Value, fields: &Value) -> String {
        for (field, value) in fields.as_object().into_iter().flatten() {
            event[field.as_str()] = value.clone();
        }
        let id = text(&event, "id").to_owned();
        self.insert(about, event);
        self.owe(kind, &id, if about == Kind::Event { Kind::WebhookEndpoint } else { Kind::EventDestination });
        id
    }

    /// What each endpoint that wants it is owed, as far as the policy lets it.
    fn owe(&mut self, kind: &str, event: &str, receivers: Kind) {
        for (endpoint, url) in self.wanting(receivers, kind) {
            let fate = self.policy.fate(kind, &endpoint);
            let state = match (fate.is_dropped, fate.is_held) {
                (true, _) => DeliveryState::Dropped,
                (false, true) => DeliveryState::Held,
                (false, false) => DeliveryState::Pending,
            };
            for _ in 0..if fate.is_dropped { 1 } else { fate.copies } {
                self.deliveries.owe(Delivery {
                    event: event.to_owned(),
                    kind: kind.to_owned(),
                    endpoint: endpoint.clone(),
                    url: url.clone(),
                    state,
                    delay_ms: fate.delay_ms,
                    attempts: Vec::new(),
                });
            }
        }
    }

    /// An event of either kind.
    pub(crate) fn event(&self, id: &str) -> Option<&Value> {
        self.get(Kind::Event, id).or_else(|| self.get(Kind::ThinEvent, id))
    }
}

/// When an event of either kind was made.
pub(crate) fn created(event: &Value) -> i64 {
    event["_created"].as_i64().unwrap_or_else(|| number(event, "created"))
}

/// Null for an object that cannot be fetched by itself.
fn related_object(object: &Value) -> Value {
    let (kind, id) = (text(object, "object"), text(object, "id"));
    let url = Kind::ALL.iter().find(|known| known.object() == kind).map(|known| format!("{}/{id}", known.url()));
    url.map_or(Value::Null, |url| json!({"id": id, "type": kind, "url": url}))
}

/// How many items of a changed subscription have another quantity than before.
fn changed_quantities(data: &Value) -> usize {
    let Some(was) = data["previous_attributes"]["items"]["data"].as_array() else { return 0 };
    let now = data["object"]["items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let differs = |old: &&Value| now.iter().any(|new| new["id"] == old["id"] && new["quantity"] != old["quantity"]);
    was.iter().filter(differs).count()
}

/// What `before` had where `after` differs (<https://docs.stripe.com/api/events/object>):
/// objects field by field, arrays whole, a field that is new as null.
pub(crate) fn previous_attributes(before: &Value, after: &Value) -> Option<Value> {
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

/// What was there before the change.
pub(crate) fn restored(object: &Value, previous: &Value) -> Value {
    let (Value::Object(now), Value::Object(was)) = (object, previous) else { return previous.clone() };
    let mut restored = now.clone();
    for (field, value) in was {
        restored.insert(field.clone(), restored_field(&object[field.as_str()], value));
    }
    Value::Object(restored)
}

fn restored_field(now: &Value, was: &Value) -> Value {
    if now.is_object() && was.is_object() { restored(now, was) } else { was.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{previous_attributes, restored};

    #[test]
    fn only_what_changed_is_in_previous_attributes() {
        let before = json!({"status": "incomplete", "metadata": {"a": "1"}, "items": {"data": [1], "url": "u"}});
        let after = json!({"status": "active", "metadata": {"a": "1", "b": "2"}, "items": {"data": [2], "url": "u"}});
        let previous = json!({"status": "incomplete", "metadata": {"b": null}, "items": {"data": [1]}});
        assert_eq!(previous_attributes(&before, &after), Some(previous.clone()));
        assert_eq!(previous_attributes(&after, &after), None);
        assert_eq!(previous_attributes(&restored(&after, &previous), &after), Some(previous));
    }
}
