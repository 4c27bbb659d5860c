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
            log_format: LogFormat::from_env(&lookup)?,
        })
    }
}
