//! The settings that are the webhook shim's own: where it listens, and how long it waits before it
//! does something again or itself. Parsed here because the shim obeys them and `tenantry doctor`
//! judges them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

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
        let length = |name: &'static str, default: Duration| match lookup(name) {
            None => Ok(default),
            Some(text) => duration(&text).ok_or(ShimSettingsError::Duration(name)),
        };
        Ok(Self {
            webhook_addr,
            admin_addr: admin_addr(&lookup)?,
            redispatch_after: length("EVENT_REDISPATCH_AFTER", Duration::from_secs(30))?,
            stranded_after: length("STRANDED_PURCHASE_AFTER", Duration::from_secs(5 * 60))?,
            log_format: LogFormat::from_env(&lookup)?,
        })
    }
}

/// Longer than an event is tried by Stripe itself; a longer wait is a slip of the pen.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A whole number and its unit, `90s`, `5m`, `2h` or `1d`; never nothing.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let secs = digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(unit_secs)?;
    Some(Duration::from_secs(secs)).filter(|length| *length > Duration::ZERO && *length <= DURATION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, secs: Option<u64>) {
        assert_eq!(duration(text), secs.map(Duration::from_secs), "{text:?}");
    }

    #[test]
    fn a_length_of_time_has_a_unit_and_an_end() {
        check("90s", Some(90));
        check("5m", Some(300));
        check("2h", Some(7200));
        check("7d", Some(604_800));
        for wrong in ["", "s", "5", "0s", "-1s", "+5s", "1.5h", "5 m", "5min", "8d", "99999999999999999999d", "5µ"] {
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
