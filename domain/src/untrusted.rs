//! Inputs from outside that never wedge a workflow.
//!
//! An input that the SDK cannot decode fails the workflow *task*, again every ten seconds,
//! for ever. [`Untrusted`] always decodes and carries what was wrong, so that the workflow
//! itself can fail once, with a message that names the field.

use serde::de::DeserializeOwned;
use temporalio_common::data_converters::{
    GenericPayloadConverter, PayloadConversionError, SerializationContext, TemporalDeserializable, TemporalSerializable,
};
use temporalio_common::protos::temporal::api::common::v1::Payload;

use crate::refusal::Refusal;

/// A `T`, or what is wrong with what came instead. The text names the field and repeats
/// nothing of the value, which may be a person's data.
#[derive(Clone, Debug)]
pub struct Untrusted<T>(pub Result<T, String>);

impl<T> From<T> for Untrusted<T> {
    fn from(value: T) -> Self {
        Self(Ok(value))
    }
}

impl<T> Untrusted<T> {
    /// The value, or the refusal that fails the workflow.
    pub fn into_valid(self) -> Result<T, Refusal> {
        self.0.map_err(Refusal::Input)
    }
}

impl<T: DeserializeOwned + 'static> TemporalDeserializable for Untrusted<T> {
    fn from_payload(ctx: &SerializationContext<'_>, payload: Payload) -> Result<Self, PayloadConversionError> {
        let value = ctx.converter.from_payload::<serde_json::Value>(ctx, payload);
        Ok(Self(value.map_err(|_| "the input is not JSON".to_owned()).and_then(parse)))
    }

    fn from_payloads(ctx: &SerializationContext<'_>, payloads: Vec<Payload>) -> Result<Self, PayloadConversionError> {
        // Further arguments are ignored, as other SDKs do.
        match payloads.into_iter().next() {
            Some(first) => Self::from_payload(ctx, first),
            None => Ok(Self(Err("expected one argument, found none".to_owned()))),
        }
    }
}

impl<T: serde::Serialize + 'static> TemporalSerializable for Untrusted<T> {
    fn to_payload(&self, ctx: &SerializationContext<'_>) -> Result<Payload, PayloadConversionError> {
        match &self.0 {
            Ok(value) => ctx.converter.to_payload(ctx, value),
            Err(wrong) => Err(PayloadConversionError::EncodingError(wrong.clone().into())),
        }
    }
}

/// `value` as a `T`, or the field that does not fit and why.
pub fn parse<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let what = without_the_value(&error.inner().to_string());
        match error.path().to_string().as_str() {
            "." => what,
            field => format!("{field}: {what}"),
        }
    })
}

/// serde quotes what it found (``invalid type: string "ann@example.com", expected i64``).
/// Only the kind of thing is kept, so that no failure repeats what a person typed.
fn without_the_value(message: &str) -> String {
    if let Some((_, expected)) =
        message.strip_prefix("unknown variant ").and_then(|rest| rest.rsplit_once("`, expected "))
    {
        return format!("expected {expected}");
    }
    let quoted = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    match quoted.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            let kind = found.split([' ', '`']).next().unwrap_or_default();
            format!("expected {expected}, found {kind}")
        }
        None => message.to_owned(),
    }
}
