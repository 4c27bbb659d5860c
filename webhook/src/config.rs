//! The shim's settings, put together from the crates that own them.

use domain::ids::TenantId;
use domain::program_settings::{MasterTenantError, master_tenant, task_queue};
use domain::shim_settings::{ShimSettings, ShimSettingsError};
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

/// A setting that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    Database(#[from] store::ConfigError),
    #[error(transparent)]
    Stripe(#[from] stripe_gateway::ConfigError),
    #[error(transparent)]
    Master(#[from] MasterTenantError),
    #[error(transparent)]
    Shim(#[from] ShimSettingsError),
}

impl Config {
    /// The settings that `lookup` knows by their names.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
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
