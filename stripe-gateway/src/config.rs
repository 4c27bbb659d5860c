//! The settings that concern Stripe: mode, key, base. Those of deliveries are in `webhook`.

use std::fmt;
use std::net::IpAddr;

/// Which of an account's two worlds a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Money is not real.
    Test,
    /// Money is real.
    Live,
}

impl Mode {
    /// Whether objects of this mode carry `livemode: true`.
    pub fn is_live(self) -> bool {
        match self {
            Self::Test => false,
            Self::Live => true,
        }
    }

    /// The mode that a `livemode` names.
    pub fn of_livemode(livemode: bool) -> Self {
        if livemode { Self::Live } else { Self::Test }
    }

    /// The mode of a key by its prefix, see <https://docs.stripe.com/keys>.
    fn of_key(key: &str, kinds: &[&str]) -> Option<Self> {
        let rest = kinds.iter().find_map(|kind| key.strip_prefix(kind))?;
        let (mode, secret) = rest.split_once('_')?;
        // A line break at the end, as secret stores like to add, would not fit into a header.
        let is_secret = !secret.is_empty() && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match mode {
            "test" if is_secret => Some(Self::Test),
            "live" if is_secret => Some(Self::Live),
            _ => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test => "TEST",
            Self::Live => "LIVE",
        })
    }
}

/// Secret keys and restricted keys.
const SECRET_KINDS: [&str; 2] = ["sk_", "rk_"];
const PUBLISHABLE_KINDS: [&str; 1] = ["pk_"];

/// A key that opens the account. It is shown by its last four characters at most.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretKey(String);

impl SecretKey {
    /// For the one header that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.get(..8).unwrap_or_default();
        let tail = self.0.len().saturating_sub(4).max(12);
        write!(f, "{kind}…{}", self.0.get(tail..).unwrap_or_default())
    }
}

/// Where Stripe is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiBase(reqwest::Url);

impl ApiBase {
    const STRIPE: &str = "https://api.stripe.com";

    /// `STRIPE_API_BASE`, alone, for a program that asks Stripe nothing.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let base = lookup("STRIPE_API_BASE").filter(|value| !value.is_empty());
        Self::parse(base.as_deref().unwrap_or(Self::STRIPE))
    }

    fn parse(text: &str) -> Result<Self, ConfigError> {
        let url = reqwest::Url::parse(text).map_err(|_| ConfigError::BaseWrong)?;
        let is_plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
        let is_http = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        if is_plain && is_http { Ok(Self(url)) } else { Err(ConfigError::BaseWrong) }
    }

    /// Whether it is Stripe itself.
    pub fn is_stripe(&self) -> bool {
        self.0.scheme() == "https" && self.0.host_str() == Some("api.stripe.com")
    }

    /// Whether it is a double on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    pub(crate) fn join(&self, path: &str) -> Result<reqwest::Url, ConfigError> {
        self.0.join(path).map_err(|_| ConfigError::BaseWrong)
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// A key, its mode, and where to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeConfig {
    /// The mode that is active.
    pub mode: Mode,
    /// The key of that mode.
    pub(crate) key: SecretKey,
    /// Where Stripe is.
    pub base: ApiBase,
}

/// A setting that is missing or wrong. It never repeats a key or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `STRIPE_MODE` names no mode.
    #[error("STRIPE_MODE is neither `test` nor `live`")]
    ModeWrong,
    /// The key is not set.
    #[error("{0} is not set; take the key from Stripe's dashboard, Developers, API keys")]
    KeyMissing(&'static str),
    /// The key is the example's.
    #[error("{0} is a placeholder; take the key from Stripe's dashboard, Developers, API keys")]
    KeyPlaceholder(&'static str),
    /// Not a key of the right kind.
    #[error("{0} is not a key of the expected kind; it starts with {1}")]
    KeyWrong(&'static str, &'static str),
    /// The key opens the other mode.
    #[error("{name} is a key of {found} mode, and {active} mode is active")]
    KeyOfOtherMode {
        /// The setting.
        name: &'static str,
        /// What the key opens.
        found: Mode,
        /// What is active.
        active: Mode,
    },
    /// The signing secret is not set.
    #[error("{0} is not set; take the signing secret from Stripe's dashboard, Developers, Webhooks, at the endpoint")]
    SigningSecretMissing(&'static str),
    /// Two commas in a row, or one at an end.
    #[error("{0} has an empty entry; it is a comma-separated list of signing secrets")]
    SigningSecretEmpty(&'static str),
    /// The signing secret is the example's.
    #[error("{0} is a placeholder; take the signing secret from Stripe's dashboard, Developers, Webhooks")]
    SigningSecretPlaceholder(&'static str),
    /// Not a signing secret.
    #[error("{0} has an entry that is not a signing secret; one starts with whsec_")]
    SigningSecretWrong(&'static str),
    /// Not a URL.
    #[error("STRIPE_API_BASE is not a URL such as https://api.stripe.com, without a path")]
    BaseWrong,
    /// A live key must not leave for anywhere else.
    #[error("STRIPE_API_BASE is not Stripe's, and LIVE mode is active; a live key is sent to Stripe only")]
    LiveKeyElsewhere,
}

impl StripeConfig {
    /// The settings that `lookup` knows by their names: with `STRIPE_MODE` the key of that
    /// mode, without it the one key there is, whose prefix names the mode.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let stated = stated_mode(set("STRIPE_MODE"))?;
        let (secret, publishable) = key_names(stated);
        let (mode, key) = secret_key(secret, set(secret), stated)?;
        if let Some(key) = set(publishable) {
            check_publishable(publishable, &key, mode)?;
        }
        let base = ApiBase::from_env(&lookup)?;
        if mode.is_live() && !base.is_stripe() {
            return Err(ConfigError::LiveKeyElsewhere);
        }
        Ok(Self { mode, key, base })
    }

    /// The key as a person may see it: its kind and its last four characters.
    pub fn masked_key(&self) -> String {
        format!("{:?}", self.key)
    }
}

/// The mode that `STRIPE_MODE` names.
pub(crate) fn stated_mode(setting: Option<String>) -> Result<Option<Mode>, ConfigError> {
    match setting.map(|mode| mode.to_lowercase()).as_deref() {
        None => Ok(None),
        Some("test") => Ok(Some(Mode::Test)),
        Some("live") => Ok(Some(Mode::Live)),
        Some(_) => Err(ConfigError::ModeWrong),
    }
}

fn key_names(stated: Option<Mode>) -> (&'static str, &'static str) {
    match stated {
        None => ("STRIPE_SECRET_KEY", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY"),
        Some(Mode::Test) => ("STRIPE_TEST_SECRET_KEY", "STRIPE_TEST_PUBLISHABLE_KEY"),
        Some(Mode::Live) => ("STRIPE_LIVE_SECRET_KEY", "STRIPE_LIVE_PUBLISHABLE_KEY"),
    }
}

fn secret_key(name: &'static str, key: Option<String>, stated: Option<Mode>) -> Result<(Mode, SecretKey), ConfigError> {
    let key = key.ok_or(ConfigError::KeyMissing(name))?;
    let found = mode_of_secret_key(name, &key)?;
    refuse_other_mode(name, found, stated.unwrap_or(found))?;
    Ok((found, SecretKey(key)))
}

/// The mode that a secret or restricted key opens.
pub(crate) fn mode_of_secret_key(name: &'static str, key: &str) -> Result<Mode, ConfigError> {
    refuse_placeholder(key, ConfigError::KeyPlaceholder(name))?;
    Mode::of_key(key, &SECRET_KINDS).ok_or(ConfigError::KeyWrong(name, "sk_test_, sk_live_, rk_test_ or rk_live_"))
}

fn check_publishable(name: &'static str, key: &str, mode: Mode) -> Result<(), ConfigError> {
    refuse_placeholder(key, ConfigError::KeyPlaceholder(name))?;
    let found = Mode::of_key(key, &PUBLISHABLE_KINDS).ok_or(ConfigError::KeyWrong(name, "pk_test_ or pk_live_"))?;
    refuse_other_mode(name, found, mode)
}

/// What an example shows in place of a key or a secret is refused with `error`.
pub(crate) fn refuse_placeholder(value: &str, error: ConfigError) -> Result<(), ConfigError> {
    let is_placeholder = value.to_uppercase().contains("REPLACE") || value.contains("...") || value.contains('…');
    if is_placeholder { Err(error) } else { Ok(()) }
}

fn refuse_other_mode(name: &'static str, found: Mode, active: Mode) -> Result<(), ConfigError> {
    if found == active { Ok(()) } else { Err(ConfigError::KeyOfOtherMode { name, found, active }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &[(&str, &str)], expected: Result<Mode, ConfigError>) {
        let lookup = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(StripeConfig::from_env(lookup).map(|config| config.mode), expected, "{settings:?}");
    }

    const TEST: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_51abc");
    const LIVE: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_live_51abc");

    #[test]
    fn without_a_mode_the_key_names_it() {
        check(&[TEST], Ok(Mode::Test));
        check(&[LIVE], Ok(Mode::Live));
        check(&[("STRIPE_SECRET_KEY", "rk_test_51abc")], Ok(Mode::Test));
        check(&[], Err(ConfigError::KeyMissing("STRIPE_SECRET_KEY")));
        check(&[("STRIPE_SECRET_KEY", "")], Err(ConfigError::KeyMissing("STRIPE_SECRET_KEY")));
    }

    #[test]
    fn with_a_mode_the_key_of_that_mode_is_taken() {
        let keys = [("STRIPE_TEST_SECRET_KEY", "sk_test_1"), ("STRIPE_LIVE_SECRET_KEY", "sk_live_1")];
        check(&[("STRIPE_MODE", "test"), keys[0], keys[1]], Ok(Mode::Test));
        check(&[("STRIPE_MODE", "live"), keys[0], keys[1]], Ok(Mode::Live));
        check(&[("STRIPE_MODE", "live"), TEST], Err(ConfigError::KeyMissing("STRIPE_LIVE_SECRET_KEY")));
        check(&[("STRIPE_MODE", "sandbox"), TEST], Err(ConfigError::ModeWrong));
    }

    #[test]
    fn a_key_of_the_other_mode_is_refused() {
        let name = "STRIPE_TEST_SECRET_KEY";
        let other = ConfigError::KeyOfOtherMode { name, found: Mode::Live, active: Mode::Test };
        check(&[("STRIPE_MODE", "test"), (name, "sk_live_1")], Err(other));
        let name = "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY";
        let other = ConfigError::KeyOfOtherMode { name, found: Mode::Test, active: Mode::Live };
        check(&[LIVE, (name, "pk_test_1")], Err(other));
    }

    #[test]
    fn placeholders_and_other_texts_are_refused() {
        let name = "STRIPE_SECRET_KEY";
        check(&[(name, "sk_test_REPLACE_ME")], Err(ConfigError::KeyPlaceholder(name)));
        check(&[(name, "sk_test_...")], Err(ConfigError::KeyPlaceholder(name)));
        let wrong = ConfigError::KeyWrong(name, "sk_test_, sk_live_, rk_test_ or rk_live_");
        for key in ["pk_test_1", "sk_test_", "whsec_1", "hello", "sk_test_1\n", "sk_test_1 2"] {
            check(&[(name, key)], Err(wrong.clone()));
        }
    }

    #[test]
    fn a_live_key_goes_to_stripe_only() {
        let base = |url| ("STRIPE_API_BASE", url);
        check(&[TEST, base("http://127.0.0.1:12111")], Ok(Mode::Test));
        check(&[LIVE, base("https://api.stripe.com")], Ok(Mode::Live));
        for url in ["http://127.0.0.1:12111", "http://api.stripe.com", "https://api.stripe.com.example.org"] {
            check(&[LIVE, base(url)], Err(ConfigError::LiveKeyElsewhere));
        }
        for url in ["api.stripe.com", "ftp://api.stripe.com", "https://api.stripe.com/v1"] {
            check(&[TEST, base(url)], Err(ConfigError::BaseWrong));
        }
    }

    #[test]
    fn a_key_is_never_shown_whole() {
        let shown = |key: &str| format!("{:?}", SecretKey(key.to_owned()));
        assert_eq!(shown("sk_test_51NzQabcdefWXYZ"), "sk_test_…WXYZ");
        assert_eq!(shown("sk_test_ab"), "sk_test_…");
    }
}
