//! Everything real but Stripe: double, shim, Temporal, worker, and customers with subscriptions
//! whose events have come through all of it.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{APP_URL, Double, MASTER, SECRET_KEY};
use stack::process::Launch;
use stack::temporal::TemporalOptions;
use stack::{Process, Temporal, binaries, deadline, http, ports};

use crate::database::Database;
use crate::load::SECRET;
use crate::receiver::{Receiver, log};

const START: Duration = Duration::from_secs(60);
/// What every customer has bought.
const QUANTITY: i64 = 10;
/// How often Postgres is asked whether something is so.
const PAUSE: Duration = Duration::from_millis(250);

/// The database of the town.
pub(crate) const NAME: &str = "town";

/// Who lives in it; dropping it ends all.
#[derive(Debug)]
pub(crate) struct Town {
    pub(crate) shim: Receiver,
    worker: Process,
    pub(crate) temporal: Temporal,
    pub(crate) stripe: Double,
    pub(crate) subscriptions: Vec<Subscription>,
}

/// A subscription at the double.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) item: String,
}

impl Town {
    /// Starts it with that many tenants, each with a subscription that has been synced.
    pub(crate) fn start(database: &Database, tenants: usize) -> Result<Self> {
        let url = database.create(NAME)?;
        let stripe = Double::start("acct_measured")?;
        let temporal = Temporal::start(TemporalOptions::new(ports::free()?, &log("temporal")?))?;
        let settings = [
            ("DATABASE_URL", url),
            ("TEMPORAL_ADDRESS", temporal.address()),
            ("STRIPE_API_BASE", stripe.base()),
            ("MASTER_BILLING_TENANT_ID", MASTER.to_owned()),
        ];
        let worker = start_worker(&settings)?;
        let shim = start_shim(&stripe, &settings)?;
        let customers = (0..tenants).map(|number| stripe.customer(&email(number))).collect::<Result<Vec<_>>>()?;
        give_tenants(database, &customers)?;
        let price = stripe.price()?;
        let subscriptions =
            customers.iter().map(|customer| subscribe(&stripe, customer, &price)).collect::<Result<_>>()?;
        let town = Self { shim, worker, temporal, stripe, subscriptions };
        town.wait_for_counts(database, QUANTITY, tenants)?;
        Ok(town)
    }

    /// Waits until that many tenants have that many licences.
    pub(crate) fn wait_for_counts(&self, database: &Database, licences: i64, tenants: usize) -> Result<()> {
        let sql = format!("SELECT count(*) FROM tenants WHERE licensed_user_count = {licences}");
        deadline::poll_every("the licence counts to follow", START, PAUSE, || {
            Ok((database.value(NAME, &sql)?.parse::<usize>()? == tenants).then_some(()))
        })
    }

    /// Its processes beside the shim, by name and pid.
    pub(crate) fn others(&self) -> [(&'static str, u32); 2] {
        [("worker", self.worker.pid()), ("Temporal", self.temporal.process().pid())]
    }
}

/// A worker that is ready.
pub(crate) fn start_worker(settings: &[(&str, String)]) -> Result<Process> {
    let admin = format!("127.0.0.1:{}", ports::free()?);
    let worker = Launch::new("worker", &binaries::binary("worker")?, &log("worker")?)
        .isolated()
        .env(settings.iter().map(|(name, value)| (*name, value)))
        .env([("STRIPE_SECRET_KEY", SECRET_KEY), ("APP_URL", APP_URL), ("ADMIN_ADDR", &admin), ("RUST_LOG", "info")])
        .spawn()?;
    let is_ready = || http::get(&admin, "/readyz", &[]).is_ok_and(|answer| answer.status == 200).then_some(());
    worker.until("the worker to be ready", START, is_ready)?;
    Ok(worker)
}

/// It takes what the double signs and what the load has signed.
fn start_shim(stripe: &Double, settings: &[(&str, String)]) -> Result<Receiver> {
    let address = format!("127.0.0.1:{}", ports::free()?);
    let url = format!("http://{address}/api/webhooks/stripe");
    let endpoint = stripe.post(
        "/webhook_endpoints",
        &[
            ("url", url.as_str()),
            ("enabled_events[0]", "customer.subscription.created"),
            ("enabled_events[1]", "customer.subscription.updated"),
        ],
    )?;
    let secret = endpoint["secret"].as_str().context("an endpoint has a secret")?;
    let mut settings = settings.to_vec();
    settings.push(("STRIPE_WEBHOOK_SECRET", format!("{secret},{SECRET}")));
    Receiver::shim(address, NAME, &settings)
}

/// What onboarding leaves behind, in one go: what is measured comes after it.
fn give_tenants(database: &Database, customers: &[String]) -> Result<()> {
    let customers: Vec<String> = customers.iter().map(|customer| format!("('{customer}')")).collect();
    let sql = format!(
        "WITH bought AS (SELECT customer, gen_random_uuid() AS tenant FROM (VALUES {}) AS list (customer)),
              housed AS (INSERT INTO tenants (tenant, client_name, email)
                         SELECT tenant, customer, lower(customer) || '@example.com' FROM bought)
         INSERT INTO stripe_customers (tenant, stripe_customer_external_id, billing_tenant)
         SELECT tenant, customer, '{MASTER}' FROM bought",
        customers.join(", "),
    );
    database.sql(NAME, &sql).map(drop)
}

fn subscribe(stripe: &Double, customer: &str, price: &str) -> Result<Subscription> {
    let id = stripe.subscription(customer, price, QUANTITY)?;
    let shown = stripe.get(&format!("/subscriptions/{id}"))?;
    let item = shown["items"]["data"][0]["id"].as_str().context("a subscription has an item")?.to_owned();
    Ok(Subscription { id, item })
}

fn email(number: usize) -> String {
    format!("owner-{number}@example.com")
}
