//! The settings that are the webhook shim's own: where it listens, and how long it waits before it
//! does something again or itself. Parsed here because the shim obeys them and `tenantry doctor`
//! judges them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::duration;
use crate::program_settings::{LogFormat, ProgramSettingsError, admin_addr};

/// Where the shim listens and how patient it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShimSettings {
    /// `WEBHOOK_ADDR`: what Stripe reaches.
    pub webhook_addr: SocketAddr,
    /// `ADMIN_ADDR`: health and metrics.
    pub admin_addr: SocketAddr,
    /// `EVENT_REDISPATCH_AFTER`: an event that was handed over and is not settled by then is handed
    /// over again, each time after twice as long.
    pub redispatch_after: Duration,
    /// `STRANDED_PURCHASE_AFTER`: how long the store has to start an onboarding itself.
    pub stranded_after: Duration,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
}

/// A setting of the shim's own that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShimSettingsError {
    /// One that other programs have too.
    #[error(transparent)]
    Program(#[from] ProgramSettingsError),
    /// Not an address.
    #[error("WEBHOOK_ADDR is not an address such as 127.0.0.1:8787")]
    WebhookAddr,
    /// Not a length of time.
    #[error("{0} is not a length of time from 1s to 7d, such as 90s, 5m, 2h or 1d")]
    Duration(&'static str),
}

impl ShimSettings {
    /// The settings that `lookup` knows by their names.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ShimSettingsError> {
        let webhook_addr = match lookup("WEBHOOK_ADDR") {
            None => (Ipv4Addr::LOCALHOST, 8787).into(),
            Some(text) => text.parse().map_err(|_| ShimSettingsError::WebhookAddr)?,
        };
        Ok(Self {
            webhook_addr,
            admin_addr: admin_addr(&lookup)?,
            redispatch_after: Self::redispatch_after(&lookup)?,
            stranded_after: length(&lookup, "STRANDED_PURCHASE_AFTER", Duration::from_secs(5 * 60))?,
            log_format: LogFormat::from_env(&lookup)?,
        })
    }

    /// `EVENT_REDISPATCH_AFTER` alone, for who hands an event over without being a shim.
    pub fn redispatch_after(lookup: impl Fn(&str) -> Option<String>) -> Result<Duration, ShimSettingsError> {
        length(lookup, "EVENT_REDISPATCH_AFTER", Duration::from_secs(30))
    }
}

fn length(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: Duration,
) -> Result<Duration, ShimSettingsError> {
    lookup(name).map_or(Ok(default), |text| wait(&text).ok_or(ShimSettingsError::Duration(name)))
}

/// Longer than an event is tried by Stripe itself; a longer wait is a slip of the pen.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Never nothing, and not for ever.
fn wait(text: &str) -> Option<Duration> {
    duration::parse(text).filter(|length| *length > Duration::ZERO && *length <= DURATION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, secs: Option<u64>) {
        assert_eq!(wait(text), secs.map(Duration::from_secs), "{text:?}");
    }

    #[test]
    fn a_wait_is_neither_nothing_nor_for_ever() {
        check("1s", Some(1));
        check("7d", Some(604_800));
        for wrong in ["", "soon", "0s", "8d"] {
            check(wrong, None);
        }
    }

    fn wrong(name: &'static str, value: &str) -> String {
        let lookup = |asked: &str| (asked == name).then(|| value.to_owned());
        ShimSettings::from_env(lookup).expect_err(name).to_string()
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for name in ["WEBHOOK_ADDR", "ADMIN_ADDR", "EVENT_REDISPATCH_AFTER", "STRANDED_PURCHASE_AFTER", "LOG_FORMAT"] {
            assert!(wrong(name, "soon").starts_with(name), "{name}");
        }
    }

    #[test]
    fn nothing_has_to_be_set() {
        let settings = ShimSettings::from_env(|_| None).expect("the defaults are right");
        assert_eq!(settings.webhook_addr.to_string(), "127.0.0.1:8787");
        assert_eq!((settings.redispatch_after.as_secs(), settings.stranded_after.as_secs()), (30, 300));
    }
}
