//! The shim's settings, put together from the crates that own them.

use anyhow::Result;
use domain::ids::TenantId;
use domain::program_settings::{master_tenant, task_queue};
use domain::shim_settings::ShimSettings;
use store::DatabaseConfig;
use stripe_gateway::{ApiBase, WebhookConfig};

/// Everything that the shim is told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) database: DatabaseConfig,
    pub(crate) webhook: WebhookConfig,
    /// Never asked: whether it is on this machine decides whether this may be a test.
    pub(crate) base: ApiBase,
    pub(crate) master: TenantId,
    pub(crate) task_queue: String,
    pub(crate) shim: ShimSettings,
}

impl Config {
    /// The settings that `lookup` knows by their names, or which of them is missing or wrong.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Ok(Self {
            database: DatabaseConfig::from_env(&lookup)?,
            webhook: WebhookConfig::from_env(&lookup)?,
            base: ApiBase::from_env(&lookup)?,
            master: master_tenant(&lookup)?,
            task_queue: task_queue(&lookup),
            shim: ShimSettings::from_env(&lookup)?,
        })
    }
}
