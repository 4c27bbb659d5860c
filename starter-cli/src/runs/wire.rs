//! What the server's messages hold, in our types.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use domain::failure::TRIED_AGAIN;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use temporalio_common::protos::temporal::api::common::v1::{Payload, Payloads};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;

/// What a step or a run failed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct FailedWith {
    /// The type that we gave it, see `FailureKind`; none where something else ended it, such as time.
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
}

impl FailedWith {
    /// Its own words and those of its causes, each once. What is tried again is told by the step.
    pub(super) fn of(failure: &Failure) -> Self {
        let mut message = failure.message.replace(TRIED_AGAIN, "");
        let mut kind = kind(failure);
        let mut cause = failure.cause.as_deref();
        while let Some(failure) = cause {
            if !message.contains(&failure.message) {
                message = format!("{message}: {}", failure.message);
            }
            kind = kind.or_else(|| self::kind(failure));
            cause = failure.cause.as_deref();
        }
        Self { kind, message }
    }
}

fn kind(failure: &Failure) -> Option<String> {
    let Some(FailureInfo::ApplicationFailureInfo(info)) = &failure.failure_info else { return None };
    (!info.r#type.is_empty()).then(|| info.r#type.clone())
}

/// The moment, where the server says one.
pub(super) fn moment<T>(stamp: Option<T>) -> Option<DateTime<Utc>>
where
    SystemTime: TryFrom<T>,
{
    SystemTime::try_from(stamp?).ok().map(DateTime::from)
}

/// The length of time, where the server says one.
pub(super) fn length<T>(length: Option<T>) -> Option<Duration>
where
    Duration: TryFrom<T>,
{
    Duration::try_from(length?).ok()
}

/// The first of the payloads. What is no JSON is `null`: our workflows take and give nothing else.
pub(super) fn first(payloads: Option<&Payloads>) -> Option<Value> {
    payloads?.payloads.first().map(|payload| json(payload).unwrap_or_default())
}

fn json(payload: &Payload) -> Option<Value> {
    serde_json::from_slice(&payload.data).ok()
}

/// A payload that holds a text, as summaries do.
pub(super) fn text(payload: Option<&Payload>) -> Option<String> {
    serde_json::from_slice(&payload?.data).ok()
}
