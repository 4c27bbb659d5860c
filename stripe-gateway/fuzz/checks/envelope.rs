//! What holds of any body: the event is the one that a second, naive reading finds, it fits its
//! columns, it is found again in the same JSON written otherwise, and something behind it or a
//! key repeated in it is refused.

use std::collections::BTreeSet;
use std::fmt;

use domain::event::{Envelope, EventKind, Subject};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use stripe_gateway::{EnvelopeError, read_envelope};

/// Panics where something does not hold.
pub(crate) fn check(body: &[u8]) {
    let read = read_envelope(body);
    assert_eq!(std::str::from_utf8(body).is_err(), read == Err(EnvelopeError::NotUtf8));
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => agrees(&read, body, &value),
        // Too large a number is serde_json's concern and not ours.
        Err(_) if read.is_ok() => drop(serde_json::from_slice::<IgnoredAny>(body).expect("JSON")),
        Err(_) => {}
    }
    if let Ok(envelope) = read {
        fits_its_columns(&envelope);
        refuses_what_is_added(&envelope, body);
    }
}

fn agrees(read: &Result<Envelope, EnvelopeError>, body: &[u8], value: &Value) {
    if serde_json::from_slice::<EachKeyOnce>(body).is_err() {
        assert_eq!(*read, Err(EnvelopeError::DuplicateKey));
        return;
    }
    assert_eq!(read.is_ok(), naive(value).is_some(), "{read:?}");
    let Ok(envelope) = read else { return };
    assert_eq!(naive(value), Some(facts(envelope)));
    let again = serde_json::to_vec_pretty(value).expect("JSON");
    assert_eq!(read_envelope(&again).as_ref(), Ok(envelope));
}

fn fits_its_columns(envelope: &Envelope) {
    let subject = match &envelope.subject {
        Subject::Subscription(id) => id.as_str(),
        Subject::Nobody(reason) => reason,
    };
    let optional = [&envelope.account, &envelope.api_version].into_iter().flatten();
    let ids = [&envelope.id].into_iter().chain(&envelope.snapshot_event).map(|id| id.as_str());
    for text in ids.clone().chain(optional.map(String::as_str)).chain([subject, &envelope.event_type]) {
        assert!((1..=255).contains(&text.len()) && !text.contains(|c: char| c.is_control()), "{text:?}");
    }
    assert!(ids.into_iter().all(|id| id.starts_with("evt_")));
    assert!(matches!(&envelope.subject, Subject::Nobody(_)) || is_subscription(subject), "{subject}");
    assert!((0..253_402_300_800).contains(&envelope.created.timestamp()));
}

fn refuses_what_is_added(envelope: &Envelope, body: &[u8]) {
    let with_space = [b"\r\n", body, b"\t "].concat();
    assert_eq!(read_envelope(&with_space).as_ref(), Ok(envelope));
    assert_eq!(read_envelope(&[body, b"0"].concat()), Err(EnvelopeError::NotJson));
    let brace = body.iter().position(|byte| *byte == b'{').expect("an object") + 1;
    let repeated = [&body[..brace], br#""\u0069d":1,"#, &body[brace..]].concat();
    assert_eq!(read_envelope(&repeated), Err(EnvelopeError::DuplicateKey));
}

/// An envelope as words: kind, id, type, second, mode, account, version, twin, subscription.
type Facts = (&'static str, String, String, i64, bool, Option<String>, Option<String>, Option<String>, Option<String>);

fn facts(envelope: &Envelope) -> Facts {
    let subscription = match &envelope.subject {
        Subject::Subscription(id) => Some(id.to_string()),
        Subject::Nobody(_) => None,
    };
    let twin = envelope.snapshot_event.as_ref().map(ToString::to_string);
    let kind = match envelope.kind {
        EventKind::Snapshot => "event",
        EventKind::Thin => "v2.core.event",
    };
    let (id, event_type) = (envelope.id.to_string(), envelope.event_type.clone());
    let (account, version) = (envelope.account.clone(), envelope.api_version.clone());
    (kind, id, event_type, envelope.created.timestamp(), envelope.livemode, account, version, twin, subscription)
}

/// The same rules again, said as plainly as can be, over serde_json's own values.
fn naive(event: &Value) -> Option<Facts> {
    let is_thin = event["object"] == "v2.core.event";
    let kind = if is_thin { "v2.core.event" } else { "event" };
    let id = event["id"].as_str().filter(|id| is_id(id, "evt_"))?.to_owned();
    let event_type = optional_text(&event["type"])??;
    let created = match is_thin {
        true => chrono::DateTime::parse_from_rfc3339(event["created"].as_str()?).ok()?.timestamp(),
        false => event["created"].as_i64()?,
    };
    let account = optional_text(&event[if is_thin { "context" } else { "account" }])?;
    let version = if is_thin { None } else { optional_text(&event["api_version"])? };
    let twin = id_at(event, "/snapshot_event").filter(|id| is_thin && is_id(id, "evt_"));
    let subscription =
        places(&event_type).iter().filter_map(|place| id_at(event, place)).find(|id| is_subscription(id));
    let is_event = event["object"] == kind && (0..253_402_300_800).contains(&created);
    let facts = (kind, id, event_type, created, event["livemode"].as_bool()?, account, version, twin, subscription);
    is_event.then_some(facts)
}

/// `None` where something other than a text or null stands.
fn optional_text(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => {
            let is_sane = !text.is_empty() && text.len() < 256 && text.chars().all(|c| (' '..='~').contains(&c));
            is_sane.then(|| Some(text.clone()))
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn places(event_type: &str) -> &'static [&'static str] {
    let after = |beginning: &str| event_type.strip_prefix(beginning).unwrap_or_default();
    let is_change = ["created", "updated", "deleted", "paused", "resumed", "pending_update_applied", "trial_will_end"]
        .contains(&after("customer.subscription."));
    let is_invoice = ["paid", "payment_succeeded", "payment_failed"].contains(&after("invoice."));
    if is_change {
        &["/data/object"]
    } else if is_invoice {
        &["/data/object/parent/subscription_details/subscription", "/data/object/subscription"]
    } else if event_type == "checkout.session.completed" {
        &["/data/object/subscription"]
    } else if !after("subscription_schedule.").is_empty() {
        &["/data/object/subscription", "/data/object/released_subscription"]
    } else if !after("v1.customer.subscription.").is_empty() {
        &["/related_object"]
    } else {
        &[]
    }
}

fn id_at(event: &Value, place: &str) -> Option<String> {
    let value = event.pointer(place)?;
    value.as_str().or_else(|| value["id"].as_str()).map(str::to_owned)
}

fn is_id(text: &str, prefix: &str) -> bool {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() > prefix.len() && text.len() < 256 && text.starts_with(prefix) && text.chars().all(is_inside)
}

fn is_subscription(text: &str) -> bool {
    is_id(text, "sub_") && !text.starts_with("sub_sched_")
}

/// Any JSON without a key twice in one object.
struct EachKeyOnce;

impl<'de> Deserialize<'de> for EachKeyOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for EachKeyOnce {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, Self)) = object.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(serde::de::Error::custom("a key twice"));
            }
        }
        Ok(self)
    }
}
