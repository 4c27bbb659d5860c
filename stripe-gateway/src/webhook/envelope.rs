//! Reads what an event says of itself, whichever kind it is and whatever API version wrote it.

use chrono::{DateTime, Utc};
use domain::event::{Envelope, EventKind};
use domain::ids::EventId;

use super::strict_json::Json;
use super::subject;

/// The longest text that a column takes without a second thought.
const TEXT_BYTES_MAX: usize = 255;

/// The end of the year 9999: beyond it, chrono and Postgres write dates in ways of their own.
const CREATED_MAX: i64 = 253_402_300_799;

/// Why a body is no event. It repeats nothing of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EnvelopeError {
    /// Bytes that are no text.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Text that is no JSON, or JSON with something behind it.
    #[error("the body is not JSON")]
    NotJson,
    /// More lists and objects inside each other than anybody writes.
    #[error("the body is nested too deep")]
    TooDeep,
    /// A key stands twice in one object, and readers differ on which counts.
    #[error("the body has a key twice in one object")]
    DuplicateKey,
    /// JSON, but not an event of a kind that we know.
    #[error("the body is not an event: its `object` is neither `event` nor `v2.core.event`")]
    NotAnEvent,
    /// A field that every event has is missing, or is not what it should be.
    #[error("`{field}` is not {expected}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl EnvelopeError {
    /// One word, for a metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotUtf8 => "body_not_utf8",
            Self::NotJson => "body_not_json",
            Self::TooDeep => "body_too_deep",
            Self::DuplicateKey => "body_duplicate_key",
            Self::NotAnEvent => "body_not_an_event",
            Self::Field { .. } => "body_field_wrong",
        }
    }
}

/// The event that `body` is. Fields and types that we do not know are left alone, since Stripe adds
/// some at any time.
pub fn read_envelope(body: &[u8]) -> Result<Envelope, EnvelopeError> {
    let event = Json::parse(body)?;
    let kind = kind(&event)?;
    let event_type = text(&event, "type")?.ok_or_else(|| not_text("type"))?;
    let (account, api_version, twin) = match kind {
        EventKind::Snapshot => ("account", text(&event, "api_version")?, None),
        EventKind::Thin => ("context", None, subject::id(event.get("snapshot_event"))),
    };
    Ok(Envelope {
        id: id(&event)?,
        kind,
        created: created(&event, kind)?,
        livemode: livemode(&event)?,
        account: text(&event, account)?,
        api_version,
        // A link that leads nowhere is none; the event is still good.
        snapshot_event: twin.and_then(|id| id.parse().ok()),
        subject: subject::of(&event_type, &event),
        event_type,
    })
}

fn kind(event: &Json<'_>) -> Result<EventKind, EnvelopeError> {
    match event.get("object").text() {
        Some("event") => Ok(EventKind::Snapshot),
        Some("v2.core.event") => Ok(EventKind::Thin),
        Some(_) | None => Err(EnvelopeError::NotAnEvent),
    }
}

fn id(event: &Json<'_>) -> Result<EventId, EnvelopeError> {
    let expected = "an id that starts with `evt_`, at most 255 letters and digits";
    event.get("id").text().and_then(|id| id.parse().ok()).ok_or(EnvelopeError::Field { field: "id", expected })
}

/// What goes into a column of text: nothing invisible, so no NUL, which Postgres would not take.
fn text(event: &Json<'_>, field: &'static str) -> Result<Option<String>, EnvelopeError> {
    let value = event.get(field);
    if matches!(value, Json::Null) {
        return Ok(None);
    }
    let is_sane = |text: &&str| {
        (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    };
    value.text().filter(is_sane).map(|text| Some(text.to_owned())).ok_or_else(|| not_text(field))
}

fn not_text(field: &'static str) -> EnvelopeError {
    EnvelopeError::Field { field, expected: "a text of 1 to 255 visible ASCII characters" }
}

fn livemode(event: &Json<'_>) -> Result<bool, EnvelopeError> {
    match event.get("livemode") {
        Json::Bool(livemode) => Ok(*livemode),
        Json::Null | Json::Number(_) | Json::Text(_) | Json::List | Json::Object(_) => {
            Err(EnvelopeError::Field { field: "livemode", expected: "true or false" })
        }
    }
}

fn created(event: &Json<'_>, kind: EventKind) -> Result<DateTime<Utc>, EnvelopeError> {
    let (created, expected) = match (kind, event.get("created")) {
        (EventKind::Snapshot, Json::Number(seconds)) => (unix_seconds(seconds), UNIX_SECONDS),
        (EventKind::Snapshot, _) => (None, UNIX_SECONDS),
        (EventKind::Thin, value) => (value.text().and_then(rfc3339), RFC_3339),
    };
    let is_storable = |time: &DateTime<Utc>| (0..=CREATED_MAX).contains(&time.timestamp());
    created.filter(is_storable).ok_or(EnvelopeError::Field { field: "created", expected })
}

const UNIX_SECONDS: &str = "a time in whole Unix seconds, before the year 10000";
const RFC_3339: &str = "a time such as 2026-01-31T12:00:00Z, from 1970 to 9999";

fn unix_seconds(number: &str) -> Option<DateTime<Utc>> {
    let seconds: u64 = number.parse().ok()?;
    DateTime::from_timestamp(seconds.try_into().ok()?, 0)
}

fn rfc3339(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
