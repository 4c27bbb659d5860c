//! The settings that concern deliveries: the signing secrets and the mode.

use super::signature::{SignatureError, SignatureHeader, SigningSecret};
use crate::config::{ConfigError, Mode, mode_of_secret_key, refuse_placeholder, stated_mode};

/// How far the clock of a delivery and ours may be apart, in seconds, as with Stripe's own
/// libraries (<https://docs.stripe.com/webhooks#replay-attacks>). They bound the past only; a
/// signature from the time to come would stay good until then, so here it is bounded too.
const TOLERANCE_SECS: u64 = 300;

/// The secrets that deliveries are signed with.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The mode that is active, as far as the settings say.
    pub mode: Option<Mode>,
    /// Those of the snapshot and of the thin endpoint. Any of them may sign any delivery: which
    /// endpoint it is for is nowhere in the delivery.
    secrets: Vec<SigningSecret>,
}

impl WebhookConfig {
    /// The settings that `lookup` knows by their names: with `STRIPE_MODE` the secrets of that
    /// mode; without it the one pair there is, and the mode of `STRIPE_SECRET_KEY` if that is set.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let stated = stated_mode(set("STRIPE_MODE"))?;
        let (snapshot, thin) = secret_names(stated);
        let mut secrets =
            signing_secrets(snapshot, &set(snapshot).ok_or(ConfigError::SigningSecretMissing(snapshot))?)?;
        if let Some(list) = set(thin) {
            secrets.extend(signing_secrets(thin, &list)?);
        }
        let mode = match stated {
            Some(mode) => Some(mode),
            None => set("STRIPE_SECRET_KEY").map(|key| mode_of_secret_key("STRIPE_SECRET_KEY", &key)).transpose()?,
        };
        Ok(Self { mode, secrets })
    }

    /// Whether one of the secrets signed `body`, and lately: `header` is the `Stripe-Signature`
    /// header if there was exactly one, `now` is in Unix seconds.
    pub fn verify(&self, header: Option<&[u8]>, body: &[u8], now: i64) -> Result<(), SignatureError> {
        let header = SignatureHeader::parse(header.ok_or(SignatureError::Missing)?)?;
        if header.signed_at.abs_diff(now) > TOLERANCE_SECS {
            return Err(SignatureError::OutOfTolerance);
        }
        let is_signed = self.secrets.iter().any(|secret| secret.signed(&header, body));
        if is_signed { Ok(()) } else { Err(SignatureError::NoMatch) }
    }
}

fn secret_names(stated: Option<Mode>) -> (&'static str, &'static str) {
    match stated {
        None => ("STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_THIN"),
        Some(Mode::Test) => ("STRIPE_TEST_WEBHOOK_SECRET", "STRIPE_TEST_WEBHOOK_SECRET_THIN"),
        Some(Mode::Live) => ("STRIPE_LIVE_WEBHOOK_SECRET", "STRIPE_LIVE_WEBHOOK_SECRET_THIN"),
    }
}

/// A comma-separated list: while a secret is rolled, Stripe signs with the old and the new one.
fn signing_secrets(name: &'static str, list: &str) -> Result<Vec<SigningSecret>, ConfigError> {
    list.split(',').map(|entry| signing_secret(name, entry.trim())).collect()
}

fn signing_secret(name: &'static str, entry: &str) -> Result<SigningSecret, ConfigError> {
    if entry.is_empty() {
        return Err(ConfigError::SigningSecretEmpty(name));
    }
    refuse_placeholder(entry, ConfigError::SigningSecretPlaceholder(name))?;
    SigningSecret::parse(entry).ok_or(ConfigError::SigningSecretWrong(name))
}
