//! Which port, which file, which setting: decided here, used everywhere else.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use stack::ports;

use super::program::Settings;

/// The tenant that owns the Stripe account of this machine. It is made up, and always the same.
pub(super) const MASTER_TENANT: &str = "00000000-0000-4000-8000-00000000d0e0";

/// The double accepts any test key. These are no secrets: they open nothing but the double.
const STRIPE_SECRET_KEY: &str = "sk_test_tenantrydev";
pub(super) const BEARER: &str = "Bearer sk_test_tenantrydev";
const STRIPE_PUBLISHABLE_KEY: &str = "pk_test_tenantrydev";
pub(super) const WEBHOOK_SECRET: &str = "whsec_tenantrydev";
pub(super) const WEBHOOK_SECRET_THIN: &str = "whsec_tenantrydevthin";

/// Where a tenant would find its application; nothing listens there.
const APP_URL: &str = "http://127.0.0.1:3000";

pub(super) const TASK_QUEUE: &str = "alga-psa-workflows";
pub(super) const DATABASE: &str = "tenantry";
pub(super) const DATABASE_PASSWORD: &str = "tenantry-dev";

/// Ports and places of one `cargo dev`.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) temporal: u16,
    pub(super) temporal_ui: u16,
    pub(super) postgres: u16,
    pub(super) stripe: u16,
    pub(super) webhook: u16,
    pub(super) worker_admin: u16,
    pub(super) webhook_admin: u16,
    pub(super) data: PathBuf,
    pub(super) logs: PathBuf,
    pub(super) env_file: PathBuf,
    pub(super) lock: PathBuf,
}

impl Plan {
    /// Seven ports in a row.
    pub(super) fn new(base: u16, dir: &Path) -> Self {
        Self {
            temporal: base,
            temporal_ui: base + 1,
            postgres: base + 2,
            stripe: base + 3,
            webhook: base + 4,
            worker_admin: base + 5,
            webhook_admin: base + 6,
            data: dir.join("data"),
            logs: dir.join("logs"),
            env_file: dir.join("env"),
            lock: dir.join("lock"),
        }
    }

    /// Before anything is started: a server that cannot have its port says so in its log only.
    pub(super) fn check_ports(&self) -> Result<()> {
        let wanted = [
            ("Temporal", self.temporal),
            ("the Temporal UI", self.temporal_ui),
            ("Postgres", self.postgres),
            ("the Stripe double", self.stripe),
            ("the webhook shim", self.webhook),
            ("the worker", self.worker_admin),
            ("the webhook shim's health", self.webhook_admin),
        ];
        match wanted.into_iter().find(|(_, port)| ports::is_taken(*port)) {
            Some((whose, port)) => bail!(
                "port {port}, meant for {whose}, is taken: stop what uses it, or move all ports with `cargo dev --port-base {}`",
                next_base(self.temporal)
            ),
            None => Ok(()),
        }
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    pub(super) fn stripe_address(&self) -> String {
        format!("127.0.0.1:{}", self.stripe)
    }

    pub(super) fn worker_address(&self) -> String {
        format!("127.0.0.1:{}", self.worker_admin)
    }

    pub(super) fn webhook_address(&self) -> String {
        format!("127.0.0.1:{}", self.webhook)
    }

    /// Where Stripe delivers.
    pub(super) fn webhook_url(&self) -> String {
        format!("http://{}/api/webhooks/stripe", self.webhook_address())
    }

    pub(super) fn webhook_admin_address(&self) -> String {
        format!("127.0.0.1:{}", self.webhook_admin)
    }

    pub(super) fn ui(&self) -> String {
        format!("http://127.0.0.1:{}", self.temporal_ui)
    }

    pub(super) fn run_link(&self, workflow_id: &str, run_id: &str) -> String {
        format!("{}/namespaces/default/workflows/{workflow_id}/{run_id}/history", self.ui())
    }

    /// Every setting that a process of ours may ask for. Those with a default have that one, so that
    /// who sources the file sees what there is to change.
    pub(super) fn settings(&self, database_url: &str) -> Settings {
        vec![
            ("DATABASE_URL", database_url.to_owned()),
            ("DATABASE_MAX_CONNECTIONS", "10".to_owned()),
            ("TEMPORAL_ADDRESS", format!("127.0.0.1:{}", self.temporal)),
            ("TEMPORAL_NAMESPACE", "default".to_owned()),
            ("TEMPORAL_TASK_QUEUE", TASK_QUEUE.to_owned()),
            ("TEMPORAL_UI_URL", self.ui()),
            ("STRIPE_SECRET_KEY", STRIPE_SECRET_KEY.to_owned()),
            ("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", STRIPE_PUBLISHABLE_KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("STRIPE_WEBHOOK_SECRET_THIN", WEBHOOK_SECRET_THIN.to_owned()),
            ("STRIPE_API_BASE", format!("http://{}", self.stripe_address())),
            ("MASTER_BILLING_TENANT_ID", MASTER_TENANT.to_owned()),
            ("APP_URL", APP_URL.to_owned()),
            ("ENTITLED_STATUSES", "active,trialing,past_due".to_owned()),
            ("WEBHOOK_ADDR", self.webhook_address()),
            ("EVENT_REDISPATCH_AFTER", "30s".to_owned()),
            ("STRANDED_PURCHASE_AFTER", "5m".to_owned()),
            ("ADMIN_ADDR", self.worker_address()),
            ("WORKER_MAX_ACTIVITIES", "32".to_owned()),
            ("WORKER_MAX_WORKFLOW_TASKS", "16".to_owned()),
            ("WORKER_CACHED_WORKFLOWS", "500".to_owned()),
            ("BULK_REQUESTS_PER_SEC", "20".to_owned()),
            ("EVENT_RETENTION_DAYS", "90".to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
            ("RUST_LOG", "info,temporalio_sdk=warn,temporalio_sdk_core=warn".to_owned()),
        ]
    }

    /// The same for the shim, whose private listener is its own.
    pub(super) fn shims(&self, settings: &Settings) -> Settings {
        let own = ("ADMIN_ADDR", self.webhook_admin_address());
        settings.iter().filter(|(name, _)| *name != own.0).cloned().chain([own.clone()]).collect()
    }
}

/// A thousand further, as long as there are ports.
fn next_base(base: u16) -> u16 {
    if base < 64_000 { base + 1000 } else { 7400 }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;

    use super::Plan;

    /// Settings of the README that have no place here: they are for a server elsewhere, or another
    /// way to say what is said.
    const NOT_HERE: [&str; 6] = [
        "TEMPORAL_API_KEY",
        "TEMPORAL_CONFIG_FILE",
        "TEMPORAL_PROFILE",
        "LICENSE_PRICE_IDS",
        "STRIPE_PRO_PRICE_ID",
        "NEXT_PUBLIC_APP_URL",
    ];

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let taken = listener.local_addr().expect("its address").port();
        let refusal = Plan::new(taken, Path::new("/")).check_ports().expect_err("refused").to_string();
        assert!(refusal.contains(&format!("port {taken}, meant for Temporal, is taken")), "{refusal}");
        assert!(refusal.contains("--port-base"), "{refusal}");
    }

    #[test]
    fn every_setting_of_the_readme_is_set() {
        let readme = std::fs::read_to_string(stack::workspace::root().join("README.md")).expect("README.md");
        let (_, section) = readme.split_once("\n## Configuration\n").expect("a section");
        let cells = section.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
        let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let settings = Plan::new(7400, Path::new("/")).settings("postgres://…");
        let is_set = |name: &&str| settings.iter().any(|(setting, _)| setting == name);
        let has_no_place = |name: &&str| {
            let prefixes = ["TEMPORAL_TLS", "STRIPE_MODE", "STRIPE_TEST_", "STRIPE_LIVE_"];
            NOT_HERE.contains(name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let missing: Vec<&str> = names.filter(|name| !is_set(name) && !has_no_place(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(settings.len() > 15, "{}", settings.len());
    }
}
