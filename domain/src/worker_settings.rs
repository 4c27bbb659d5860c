//! The settings that are the worker's own: its size, its private listener, its log. Parsed here
//! because the worker obeys them and `tenantry doctor` judges them.

use std::net::SocketAddr;

use crate::program_settings::{LogFormat, ProgramSettingsError, admin_addr};

/// How the worker is sized and where it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// `ADMIN_ADDR`: health and metrics.
    pub admin_addr: SocketAddr,
    /// `WORKER_MAX_ACTIVITIES`: steps at once. They wait for Postgres and Stripe, so there may be
    /// many to a core.
    pub max_activities: usize,
    /// `WORKER_MAX_WORKFLOW_TASKS`: workflow tasks at once. They compute, so few suffice.
    pub max_workflow_tasks: usize,
    /// `WORKER_CACHED_WORKFLOWS`: runs kept in memory between their tasks.
    pub cached_workflows: usize,
    /// `BULK_REQUESTS_PER_SEC`: see [`Self::bulk_requests_per_sec`].
    pub bulk_requests_per_sec: Option<u16>,
    /// `EVENT_RETENTION_DAYS`: how long a settled event is kept.
    pub event_retention_days: u16,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
}

/// A setting of the worker's own that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerSettingsError {
    /// One that other programs have too.
    #[error(transparent)]
    Program(#[from] ProgramSettingsError),
    /// Not a number in its bounds.
    #[error("{0} is not a whole number from {1} to 10000")]
    Number(&'static str, usize),
}

impl WorkerSettings {
    /// The settings that `lookup` knows by their names; the defaults suit two cores.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, WorkerSettingsError> {
        let number = |name: &'static str, default: usize, least: usize| match lookup(name) {
            None => Ok(default),
            Some(text) => {
                let number = text.parse().ok().filter(|n| (least..=10_000).contains(n));
                number.ok_or(WorkerSettingsError::Number(name, least))
            }
        };
        Ok(Self {
            admin_addr: admin_addr(&lookup)?,
            max_activities: number("WORKER_MAX_ACTIVITIES", 32, 1)?,
            max_workflow_tasks: number("WORKER_MAX_WORKFLOW_TASKS", 16, 2)?,
            cached_workflows: number("WORKER_CACHED_WORKFLOWS", 500, 0)?,
            bulk_requests_per_sec: bulk_rate(lookup("BULK_REQUESTS_PER_SEC"))?,
            event_retention_days: retention(lookup("EVENT_RETENTION_DAYS"))?,
            log_format: LogFormat::from_env(&lookup)?,
        })
    }

    /// How many steps of the bulk queue run in a second, on all workers together; each asks Stripe
    /// once at most. Where it is not set, 80 % of what Stripe allows in the mode, see
    /// <https://docs.stripe.com/rate-limits>.
    pub fn bulk_requests_per_sec(&self, is_live: bool) -> u16 {
        self.bulk_requests_per_sec.unwrap_or(if is_live { 80 } else { 20 })
    }
}

/// Stripe lists an event for thirty days: one that was deleted before would be fed to the inbox anew.
fn retention(setting: Option<String>) -> Result<u16, WorkerSettingsError> {
    let Some(text) = setting else { return Ok(90) };
    text.parse()
        .ok()
        .filter(|days| (31..=10_000).contains(days))
        .ok_or(WorkerSettingsError::Number("EVENT_RETENTION_DAYS", 31))
}

fn bulk_rate(setting: Option<String>) -> Result<Option<u16>, WorkerSettingsError> {
    let wrong = WorkerSettingsError::Number("BULK_REQUESTS_PER_SEC", 1);
    let parse = |text: String| text.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or(wrong);
    setting.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_event_is_kept_for_longer_than_stripe_lists_it() {
        let days = |value: &str| {
            let value = value.to_owned();
            let settings =
                WorkerSettings::from_env(move |name| (name == "EVENT_RETENTION_DAYS").then(|| value.clone()));
            settings.map(|settings| settings.event_retention_days)
        };
        assert_eq!(days("31"), Ok(31));
        let refused = Err(WorkerSettingsError::Number("EVENT_RETENTION_DAYS", 31));
        assert_eq!([days("30"), days("0"), days("month")], [refused.clone(), refused.clone(), refused]);
    }

    #[test]
    fn bulk_work_leaves_a_fifth_of_stripes_limit_to_the_rest_unless_told() {
        let settings = |value: Option<&str>| {
            let value = value.map(str::to_owned);
            WorkerSettings::from_env(move |name| value.clone().filter(|_| name == "BULK_REQUESTS_PER_SEC"))
        };
        let default = settings(None).expect("the defaults are right");
        assert_eq!([default.bulk_requests_per_sec(true), default.bulk_requests_per_sec(false)], [80, 20]);
        let told = settings(Some("7")).expect("7 is right");
        assert_eq!([told.bulk_requests_per_sec(true), told.bulk_requests_per_sec(false)], [7, 7]);
        for wrong in ["0", "10001", "-1", "fast", ""] {
            let refused = WorkerSettingsError::Number("BULK_REQUESTS_PER_SEC", 1);
            assert_eq!(settings(Some(wrong)), Err(refused), "{wrong:?}");
        }
    }
}
