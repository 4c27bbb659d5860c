//! The worker's settings, put together from the crates that own them.

use anyhow::{Context, Result};
use domain::ids::TenantId;
use domain::license::LicenseRules;
use domain::program_settings::{master_tenant, task_queue};
use domain::words::AppUrl;
use domain::worker_settings::WorkerSettings;
use store::DatabaseConfig;
use stripe_gateway::StripeConfig;

/// Everything that the worker is told.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) database: DatabaseConfig,
    pub(crate) stripe: StripeConfig,
    pub(crate) rules: LicenseRules,
    pub(crate) master: TenantId,
    pub(crate) app_url: AppUrl,
    pub(crate) task_queue: String,
    pub(crate) worker: WorkerSettings,
}

impl Config {
    /// The settings that `lookup` knows by their names, or which of them is missing or wrong.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Ok(Self {
            database: DatabaseConfig::from_env(&lookup)?,
            stripe: StripeConfig::from_env(&lookup)?,
            rules: LicenseRules::from_env(&lookup)?,
            master: master_tenant(&lookup)?,
            app_url: AppUrl::NAMES
                .iter()
                .find_map(|name| lookup(name))
                .context("APP_URL is not set; it is where the application lives, such as https://app.example.com")?
                .try_into()?,
            task_queue: task_queue(&lookup),
            worker: WorkerSettings::from_env(&lookup)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 4] = [
        ("DATABASE_URL", "postgres://ann:secret@127.0.0.1/tenantry"),
        ("STRIPE_SECRET_KEY", "sk_test_51abc"),
        ("MASTER_BILLING_TENANT_ID", "190f0b43-fe35-5e35-ba10-4f73c2b88e4d"),
        ("APP_URL", "https://app.example.com"),
    ];

    /// The settings above with one changed; an empty text takes it away.
    fn with(name: &str, value: &str) -> Result<String, String> {
        let lookup = |asked: &str| {
            let default = NEEDED.iter().find(|(n, _)| *n == asked).map(|(_, v)| (*v).to_owned());
            if asked == name { Some(value.to_owned()).filter(|v| !v.is_empty()) } else { default }
        };
        Config::from_env(lookup).map(|config| format!("{config:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn each_missing_or_wrong_setting_is_named() {
        for (name, _) in NEEDED {
            let error = with(name, "").expect_err(name);
            assert!(error.starts_with(name), "{name}: {error}");
        }
        let wrong = [
            ("MASTER_BILLING_TENANT_ID", "7"),
            ("APP_URL", "app.example.com"),
            ("APP_URL", "https://"),
            ("ADMIN_ADDR", "9464"),
            ("WORKER_MAX_ACTIVITIES", "0"),
            ("WORKER_MAX_WORKFLOW_TASKS", "1"),
            ("WORKER_CACHED_WORKFLOWS", "many"),
            ("BULK_REQUESTS_PER_SEC", "0"),
            ("LOG_FORMAT", "xml"),
            ("ENTITLED_STATUSES", "paying"),
            ("LICENSE_PRICE_IDS", "price_a,,"),
        ];
        for (name, value) in wrong {
            let error = with(name, value).expect_err(name);
            assert!(error.starts_with(name), "{name}: {error}");
        }
    }

    #[test]
    fn settings_are_shown_without_secrets() {
        let shown = with("ADMIN_ADDR", "127.0.0.1:0").expect("these settings are right");
        assert!(!shown.contains("secret") && !shown.contains("sk_test_51abc"), "{shown}");
    }
}
