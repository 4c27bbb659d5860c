//! The words of an onboarding that are not ids.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change_license::LicenseQuantity;

/// An e-mail address, trimmed and in lower case, because people write theirs in many ways.
///
/// Only what would break the onboarding is refused; whether it can be delivered to is not
/// ours to know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = r"^\s*[^\s@]+@\S+\s*$", "maxLength" = EMAIL_LENGTH_MAX))]
pub struct Email(String);

impl Email {
    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address have in common, whether or not it is a good one.
    pub fn folded(text: &str) -> String {
        text.trim().to_lowercase()
    }
}

impl TryFrom<String> for Email {
    type Error = WordError;

    fn try_from(text: String) -> Result<Self, WordError> {
        let text = Self::folded(&text);
        let (local, host) = text.split_once('@').ok_or(WordError::Email)?;
        let unfit = |part: &str| part.is_empty() || part.contains(|c: char| c.is_whitespace() || c.is_control());
        if unfit(local) || unfit(host) || text.len() > EMAIL_LENGTH_MAX {
            return Err(WordError::Email);
        }
        Ok(Self(text))
    }
}

/// Characters of an address, RFC 5321 section 4.5.3.1.3 less the angle brackets.
const EMAIL_LENGTH_MAX: usize = 254;

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

/// Kept out of logs: a person's data appears in payloads only.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

/// The name a tenant goes by: trimmed, not empty, at most 255 characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = r"\S", "maxLength" = CLIENT_NAME_LENGTH_MAX))]
pub struct ClientName(String);

impl ClientName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientName {
    type Error = WordError;

    fn try_from(text: String) -> Result<Self, WordError> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= CLIENT_NAME_LENGTH_MAX;
        if fits && !text.contains('\0') { Ok(Self(text.to_owned())) } else { Err(WordError::ClientName) }
    }
}

const CLIENT_NAME_LENGTH_MAX: usize = 255;

impl From<ClientName> for String {
    fn from(name: ClientName) -> Self {
        name.0
    }
}

/// Kept out of logs, like [`Email`].
impl fmt::Debug for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientName(..)")
    }
}

/// A number of licensed users, 0 to 2,147,483,647 (the column is a Postgres `integer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "i64", into = "i64")]
#[schemars(inline, extend("minimum" = 0, "maximum" = i32::MAX))]
pub struct LicenseCount(i32);

impl LicenseCount {
    /// No licences at all, which is not the same as no limit.
    pub const ZERO: Self = Self(0);

    /// The number as the database stores it.
    pub fn get(self) -> i32 {
        self.0
    }

    /// That many.
    pub(crate) fn of(quantity: LicenseQuantity) -> Self {
        Self(quantity.get())
    }
}

impl TryFrom<i64> for LicenseCount {
    type Error = WordError;

    fn try_from(count: i64) -> Result<Self, WordError> {
        match i32::try_from(count) {
            Ok(count) if count >= 0 => Ok(Self(count)),
            Ok(_) | Err(_) => Err(WordError::LicenseCount),
        }
    }
}

impl From<LicenseCount> for i64 {
    fn from(count: LicenseCount) -> Self {
        count.0.into()
    }
}

impl fmt::Display for LicenseCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the application lives, e.g. `https://app.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppUrl(String);

impl AppUrl {
    /// The setting, or the name that the application itself uses for it.
    pub const NAMES: [&str; 2] = ["APP_URL", "NEXT_PUBLIC_APP_URL"];

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AppUrl {
    type Error = WordError;

    fn try_from(text: String) -> Result<Self, WordError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        let is_url = !host.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_url { Ok(Self(text)) } else { Err(WordError::AppUrl) }
    }
}

/// Why a text or number is not the word it should be. It never repeats what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Not an e-mail address.
    #[error("expected an e-mail address: something, an @, a host, at most 254 characters")]
    Email,
    /// Not a name.
    #[error("expected a name of 1 to 255 characters")]
    ClientName,
    /// Not a number of licences.
    #[error("expected a whole number from 0 to 2147483647")]
    LicenseCount,
    /// Not a number of licences that can be asked for.
    #[error("expected a whole number from 1 to 100000")]
    LicenseQuantity,
    /// Not a word for who asked.
    #[error("expected 1 to 255 characters that say who asked")]
    Requester,
    /// Not where an application lives.
    #[error("APP_URL is not a web address such as https://app.example.com")]
    AppUrl,
}
