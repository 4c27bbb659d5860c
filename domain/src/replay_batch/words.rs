//! The words of a batch: how fast, how patient, why, and what it is called.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WORKFLOW_ID_PREFIX;

/// How many runs a batch starts a second, 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "i64", into = "i64")]
#[schemars(inline, extend("minimum" = 1, "maximum" = 100))]
pub struct StartRate(u8);

impl StartRate {
    /// The number.
    pub fn get(self) -> u32 {
        self.0.into()
    }
}

impl Default for StartRate {
    /// An onboarding asks Stripe six times, and new purchases must find room beside thirty requests a
    /// second.
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<i64> for StartRate {
    type Error = StartRateError;

    fn try_from(rate: i64) -> Result<Self, StartRateError> {
        u8::try_from(rate).ok().filter(|rate| (1..=100).contains(rate)).map(Self).ok_or(StartRateError)
    }
}

impl FromStr for StartRate {
    type Err = StartRateError;

    fn from_str(text: &str) -> Result<Self, StartRateError> {
        text.parse::<i64>().map_err(|_| StartRateError)?.try_into()
    }
}

impl From<StartRate> for i64 {
    fn from(rate: StartRate) -> Self {
        rate.0.into()
    }
}

/// Not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number from 1 to 100")]
pub struct StartRateError;

/// How long a batch waits for the end of a run that it started, 1 second to 1 day. A run may wait
/// seven days for Stripe to come back, and a batch must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "i64", into = "i64")]
#[schemars(inline, extend("minimum" = 1, "maximum" = 86_400))]
pub struct Patience(u32);

impl Patience {
    /// The time.
    pub fn get(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self(600)
    }
}

impl TryFrom<i64> for Patience {
    type Error = PatienceError;

    fn try_from(secs: i64) -> Result<Self, PatienceError> {
        u32::try_from(secs).ok().filter(|secs| (1..=86_400).contains(secs)).map(Self).ok_or(PatienceError)
    }
}

impl From<Patience> for i64 {
    fn from(patience: Patience) -> Self {
        patience.0.into()
    }
}

/// Not a time to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of seconds from 1 to 86400")]
pub struct PatienceError;

/// Why a person does something, in a sentence: 1 to 500 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = r"\S", "maxLength" = REASON_LENGTH_MAX))]
pub struct Reason(String);

const REASON_LENGTH_MAX: usize = 500;

impl Reason {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = ReasonError;

    fn try_from(text: String) -> Result<Self, ReasonError> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= REASON_LENGTH_MAX;
        if fits && !text.contains(char::is_control) { Ok(Self(text.to_owned())) } else { Err(ReasonError) }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

/// Not a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a sentence of 1 to 500 characters")]
pub struct ReasonError;

/// What a batch is called: 1 to 64 small letters, digits and dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchName(String);

const NAME_LENGTH_MAX: usize = 64;

impl BatchName {
    /// The workflow id under which it runs.
    pub fn workflow_id(&self) -> String {
        format!("{WORKFLOW_ID_PREFIX}{}", self.0)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BatchName {
    type Err = BatchNameError;

    /// Also from the workflow id.
    fn from_str(text: &str) -> Result<Self, BatchNameError> {
        let name = text.strip_prefix(WORKFLOW_ID_PREFIX).unwrap_or(text);
        let fits = (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(is_of_a_name);
        if fits { Ok(Self(name.to_owned())) } else { Err(BatchNameError) }
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not a name of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 64 small letters, digits and dashes")]
pub struct BatchNameError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_patience_have_bounds() {
        for (rate, fits) in [(0, false), (1, true), (100, true), (101, false), (-1, false)] {
            assert_eq!(StartRate::try_from(rate).is_ok(), fits, "{rate}");
        }
        for (secs, fits) in [(0, false), (1, true), (86_400, true), (86_401, false)] {
            assert_eq!(Patience::try_from(secs).is_ok(), fits, "{secs}");
        }
    }

    #[test]
    fn a_name_is_also_the_end_of_its_workflow_id() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(text.parse::<BatchName>().ok().as_ref().map(BatchName::as_str), expected, "{text}");
        };
        check("monday", Some("monday"));
        check("replay-batch-20261122-075100-ab12", Some("20261122-075100-ab12"));
        for text in ["", "replay-batch-", "Monday", "a b", "ä", &"a".repeat(65)] {
            check(text, None);
        }
    }
}
