//! Tenants that the application has had for years, and their customers and subscriptions at Stripe.

use std::process::Command;

use anyhow::{Context, Result};
use e2e::{Double, MASTER, SECRET_KEY};
use serde_json::Value;
use stack::temporal::TemporalOptions;
use stack::{Process, Temporal, binaries, command, ports};

use super::watch::{self, Watched};
use crate::database::Database;
use crate::receiver::log;
use crate::town::start_worker;

/// The database of the city.
pub(super) const NAME: &str = "city";
/// What every customer has bought.
const QUANTITY: &str = "10";
/// The tenant that is imported by itself.
const NEWCOMER: &str = "ffffffff-0000-4000-8000-000000000000";

/// Who lives in it; dropping it ends all.
#[derive(Debug)]
pub(super) struct City {
    pub(super) stripe: Double,
    pub(super) tenants: usize,
    worker: Process,
    /// Kept, since dropping it ends it.
    _temporal: Temporal,
    settings: Vec<(&'static str, String)>,
}

impl City {
    /// Builds it, with that many tenants.
    pub(super) fn build(database: &Database, tenants: usize) -> Result<Self> {
        let url = database.create(NAME)?;
        let stripe = Double::start("acct_measured")?;
        let temporal = Temporal::start(TemporalOptions::new(ports::free()?, &log("temporal")?))?;
        let settings = vec![
            ("DATABASE_URL", url),
            ("TEMPORAL_ADDRESS", temporal.address()),
            ("STRIPE_API_BASE", stripe.base()),
            ("STRIPE_SECRET_KEY", SECRET_KEY.to_owned()),
            ("MASTER_BILLING_TENANT_ID", MASTER.to_owned()),
            ("BULK_REQUESTS_PER_SEC", "10000".to_owned()),
        ];
        settle(database, NAME, tenants)?;
        sell(&stripe, &(0..tenants).map(email).collect::<Vec<_>>())?;
        let worker = start_worker(&settings)?;
        Ok(Self { stripe, tenants, worker, _temporal: temporal, settings })
    }

    /// Imports everything and watches the worker meanwhile.
    pub(super) fn import_all(&self, database: &Database) -> Result<Watched> {
        let have_rows = || -> Result<usize> {
            let sql = "SELECT count(*) FROM tenants WHERE licensed_user_count IS NOT NULL";
            Ok(database.value(NAME, sql)?.parse()?)
        };
        let is_whole = || Ok(have_rows()? >= self.tenants);
        watch::until_ended(self.tenantry(&["import", "customers", "--output", "json"])?, self.worker.pid(), is_whole)
    }

    /// Lets one more tenant move in, who has bought the same.
    pub(super) fn welcome(&self, database: &Database) -> Result<()> {
        let email = email(self.tenants);
        let values = format!("('{NEWCOMER}', 'New', '{email}')");
        database.sql(NAME, &format!("INSERT INTO tenants (tenant, client_name, email) VALUES {values}"))?;
        sell(&self.stripe, &[email])
    }

    /// Imports that tenant by itself.
    pub(super) fn import_one(&self) -> Result<()> {
        command::stdout(&mut self.tenantry(&["import", "customers", "--tenant", NEWCOMER])?).map(drop)
    }

    /// How often Stripe was asked by that method since the journal was emptied.
    pub(super) fn asked(&self, method: &str) -> Result<usize> {
        Ok(self.stripe.requests()?.iter().filter(|request| request.method == method).count())
    }

    fn tenantry(&self, args: &[&str]) -> Result<Command> {
        let mut tenantry = Command::new(binaries::binary("tenantry")?);
        command::isolate(&mut tenantry);
        tenantry.args(args).envs(self.settings.iter().map(|(name, value)| (*name, value)));
        Ok(tenantry)
    }
}

/// Tenants without customers.
pub(super) fn settle(database: &Database, name: &str, tenants: usize) -> Result<()> {
    let sql = format!(
        "INSERT INTO tenants (tenant, client_name, email)
         SELECT gen_random_uuid(), 'Tenant ' || n, 'owner-' || n || '@example.com' FROM generate_series(0, {tenants} - 1) n"
    );
    database.sql(name, &sql).map(drop)
}

/// A customer with a paid subscription for each address.
fn sell(stripe: &Double, emails: &[String]) -> Result<()> {
    let price = stripe.price()?;
    let forms: Vec<_> = emails.iter().map(|email| vec![("email", email.as_str()), ("source", "tok_visa")]).collect();
    let customers = stripe.make_many("/customers", &forms)?;
    let forms: Vec<_> = customers
        .iter()
        .map(|customer| {
            vec![("customer", customer.as_str()), ("items[0][price]", &price), ("items[0][quantity]", QUANTITY)]
        })
        .collect();
    stripe.make_many("/subscriptions", &forms).map(drop)
}

fn email(number: usize) -> String {
    format!("owner-{number}@example.com")
}

/// The document that a command printed.
pub(super) fn document(stdout: &[u8]) -> Result<Value> {
    serde_json::from_slice(stdout).context("not one document of JSON")
}
