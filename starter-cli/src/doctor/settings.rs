//! Is each setting there, and valid? Secrets are shown by their kind and last characters.

use domain::license::LicenseRules;
use domain::shim_settings::ShimSettings;
use domain::words::AppUrl;
use domain::worker_settings::WorkerSettings;
use store::{DatabaseConfig, Store};
use stripe_gateway::{ConfigError, StripeConfig, WebhookConfig};
use temporalio_client::Url;

use super::check::Check;
use crate::database::Database;
use crate::failure::Failure;
use crate::settings::{self, MASTER, lookup};
use crate::temporal::TemporalConfig;

/// The settings that hold, and a line about each.
pub(super) struct Settings {
    pub(super) database: Option<Database>,
    pub(super) temporal: Option<TemporalConfig>,
    pub(super) stripe: Option<StripeConfig>,
    pub(super) checks: Vec<Check>,
}

impl Settings {
    /// Reads them all, so that one red line does not hide the next.
    pub(super) fn read() -> Self {
        let database = DatabaseConfig::from_env(lookup).map_err(Failure::setting);
        let master = settings::master();
        let rules = LicenseRules::from_env(lookup).map_err(Failure::setting);
        let temporal = TemporalConfig::from_env(lookup);
        let stripe = StripeConfig::from_env(lookup).map_err(Failure::setting);
        let checks = vec![
            check("DATABASE_URL", &database, |config| config.place()),
            check(MASTER, &master, ToString::to_string),
            check("TEMPORAL_*", &temporal, |config| {
                format!("{}, namespace {}, task queue {}", config.place(), config.namespace(), config.task_queue)
            }),
            check("TEMPORAL_UI_URL", &temporal, |config| {
                config.ui.as_ref().map_or_else(|| "not set: runs are shown without links".to_owned(), Url::to_string)
            }),
            check("STRIPE_*", &stripe, |config| {
                format!("{} mode, key {}, at {}", config.mode, config.masked_key(), config.base)
            }),
            check("licence rules", &rules, licence_rules),
            app_url(lookup),
            check("worker's own", &WorkerSettings::from_env(lookup).map_err(Failure::setting), own),
            signing_secrets(lookup),
            check("shim's own", &ShimSettings::from_env(lookup).map_err(Failure::setting), shims_own),
        ];
        let database = match (database, master, rules) {
            (Ok(config), Ok(master), Ok(rules)) => {
                let store = Store::new(&config, master, rules);
                Some(Database { config, store })
            }
            (_, _, _) => None,
        };
        Self { database, temporal: temporal.ok(), stripe: stripe.ok(), checks }
    }
}

fn check<T>(name: &'static str, setting: &Result<T, Failure>, found: impl FnOnce(&T) -> String) -> Check {
    match setting {
        Ok(setting) => Check::ok(name, found(setting)),
        Err(failure) => Check::failed(name, failure),
    }
}

fn own(settings: &WorkerSettings) -> String {
    let WorkerSettings {
        admin_addr,
        max_activities,
        max_workflow_tasks,
        cached_workflows,
        bulk_requests_per_sec,
        event_retention_days,
        log_format,
    } = settings;
    let bulk = match bulk_requests_per_sec {
        Some(rate) => format!("{rate} requests a second in bulk"),
        None => "as many requests in bulk as the mode allows".to_owned(),
    };
    format!(
        "health at {admin_addr}; {max_activities} steps and {max_workflow_tasks} workflow tasks at once, \
         {cached_workflows} runs cached; {bulk}; settled events kept for {event_retention_days} days; {log_format:?} log"
    )
}

fn shims_own(settings: &ShimSettings) -> String {
    let ShimSettings { webhook_addr, admin_addr, redispatch_after, stranded_after, log_format } = settings;
    format!(
        "deliveries at {webhook_addr}, health at {admin_addr}; unsettled events again after {} s, \
         purchases that nobody started after {} s; {log_format:?} log",
        redispatch_after.as_secs(),
        stranded_after.as_secs(),
    )
}

/// The shim's alone: whoever runs only a worker has none.
fn signing_secrets(lookup: impl Fn(&str) -> Option<String>) -> Check {
    let name = "webhook secrets";
    match WebhookConfig::from_env(lookup) {
        Ok(WebhookConfig { mode: Some(mode), .. }) => Check::ok(name, format!("set, for {mode} mode")),
        Ok(WebhookConfig { mode: None, .. }) => Check::ok(name, "set"),
        Err(ConfigError::SigningSecretMissing(secret)) => {
            let next = format!("set {secret} to the signing secret of the endpoint, from Stripe's dashboard");
            Check::warning(name, format!("{secret} is not set; a shim does not start without it"), next)
        }
        Err(error) => Check::failed(name, &Failure::setting(error)),
    }
}

fn licence_rules(rules: &LicenseRules) -> String {
    let live: Vec<&str> = rules.live.iter().map(|status| status.as_str()).collect();
    let prices: Vec<&str> = rules.prices.iter().map(|price| price.as_str()).collect();
    let counts = match prices.as_slice() {
        [] => "a subscription's only item counts (LICENSE_PRICE_IDS is not set)".to_owned(),
        prices => format!("{} count", prices.join(", ")),
    };
    format!("entitled are {}; {counts}", live.join(", "))
}

/// The worker's own setting, which it needs to tag customers with.
fn app_url(lookup: impl Fn(&str) -> Option<String>) -> Check {
    let next = "set APP_URL to where the application lives, such as https://app.example.com";
    let Some(text) = AppUrl::NAMES.iter().find_map(|name| lookup(name)) else {
        return Check::warning("APP_URL", "not set; a worker does not start without it", next);
    };
    match AppUrl::try_from(text) {
        Ok(url) => Check::ok("APP_URL", url.as_str()),
        Err(_) => Check::red("APP_URL", "not a web address", next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    #[test]
    fn a_shim_needs_a_signing_secret_and_a_worker_none() {
        let verdict = |value: Option<&str>| {
            signing_secrets(|asked| value.filter(|_| asked == "STRIPE_WEBHOOK_SECRET").map(str::to_owned)).verdict
        };
        assert_eq!(verdict(None), Verdict::Warning);
        assert_eq!(verdict(Some("whsec_REPLACE_ME")), Verdict::Red);
        assert_eq!(verdict(Some("whsec_c3VyZWx5IGEgc2VjcmV0IQ")), Verdict::Ok);
    }

    fn check(name: &str, value: &str, expected: Verdict) {
        let found = app_url(|asked| (asked == name).then(|| value.to_owned()));
        assert_eq!(found.verdict, expected, "{name}={value}");
    }

    #[test]
    fn the_application_lives_at_a_web_address() {
        check("APP_URL", "https://app.example.com", Verdict::Ok);
        check("NEXT_PUBLIC_APP_URL", "http://localhost:3000", Verdict::Ok);
        check("APP_URL", "app.example.com", Verdict::Red);
        check("OTHER", "https://app.example.com", Verdict::Warning);
    }
}
