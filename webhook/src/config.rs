//! The shim's settings, put together from the crates that own them.

use domain::ids::{IdError, TenantId};
use domain::names;
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
    #[error("MASTER_BILLING_TENANT_ID is not set; it is the UUID that `tenantry migrate --master-tenant` was given")]
    MasterMissing,
    #[error("MASTER_BILLING_TENANT_ID: {0}")]
    MasterWrong(IdError),
    #[error(transparent)]
    Shim(#[from] ShimSettingsError),
}

impl Config {
    /// The settings that `lookup` knows by their names.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let master = lookup("MASTER_BILLING_TENANT_ID").ok_or(ConfigError::MasterMissing)?;
        Ok(Self {
            database: DatabaseConfig::from_env(&lookup)?,
            webhook: WebhookConfig::from_env(&lookup)?,
            base: ApiBase::from_env(&lookup)?,
            master: master.parse().map_err(ConfigError::MasterWrong)?,
            task_queue: lookup("TEMPORAL_TASK_QUEUE").unwrap_or_else(|| names::TASK_QUEUE.to_owned()),
            shim: ShimSettings::from_env(&lookup)?,
        })
    }
}
