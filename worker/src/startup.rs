//! What must be right before the first step runs.
//!
//! One database, one Stripe account, one mode: a worker whose key opens another account than
//! the database belongs to must not write a row.

use std::time::Duration;

use activities::TenantActivities;
use anyhow::{Result, bail};
use domain::failure::{Classify, Retry};
use store::{AccountRow, SchemaState, Store};
use stripe_gateway::{Mode, Stripe};
use temporalio_client::Client;

use crate::config::Config;
use crate::temporal::{self, Telemetry};

/// What the worker runs on.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) activities: TenantActivities,
}

/// Connects to everything and compares it. Waits for what is away; stops at what is wrong.
pub(crate) async fn start(config: &Config, telemetry: &Telemetry) -> Result<Parts> {
    let stripe = Stripe::new(config.stripe.clone())?;
    tracing::info!("[Stripe] Service initialized in {} mode", stripe.mode());
    let store = Store::new(&config.database, config.master, config.rules.clone());
    check_schema(config, &store).await?;
    check_account(&store, &stripe).await?;
    let client = temporal::connect(telemetry).await?;
    temporal::ensure_search_attributes(&client).await?;
    let activities = TenantActivities::new(store.clone(), stripe, config.app_url.clone());
    Ok(Parts { client, store, activities })
}

async fn check_schema(config: &Config, store: &Store) -> Result<()> {
    let run = "run: tenantry migrate --master-tenant";
    match patiently("Postgres", || store.schema()).await? {
        SchemaState::Current(_) => {}
        SchemaState::Behind(version) => {
            bail!(
                "ConfigurationError: the database's schema is at version {version} and behind; {run} {}",
                config.master
            )
        }
        // An older worker goes on while a newer one is rolled out: migrations only add.
        SchemaState::Ahead(version) => tracing::warn!(version, "the database's schema is newer than this worker"),
    }
    match patiently("Postgres", || store.master_of_the_database()).await? {
        Some(master) if master == config.master => {}
        Some(master) => bail!(
            "ConfigurationError: MASTER_BILLING_TENANT_ID {} is not the master billing tenant of the database, which is {master}",
            config.master,
        ),
        None => bail!("ConfigurationError: the database has no master billing tenant; {run} {}", config.master),
    }
    Ok(())
}

async fn check_account(store: &Store, stripe: &Stripe) -> Result<()> {
    let account = patiently("Stripe", || stripe.account()).await?;
    let ours = AccountRow { account: account.id, livemode: stripe.mode().is_live() };
    let theirs = patiently("Postgres", || store.claim_account(&ours)).await?;
    if theirs != ours {
        bail!(
            "ConfigurationError: the database belongs to {} in {} mode, and the key opens {} in {} mode; \
             set the other key or the other DATABASE_URL",
            theirs.account,
            Mode::of_livemode(theirs.livemode),
            ours.account,
            stripe.mode(),
        );
    }
    Ok(())
}

const PAUSE: Duration = Duration::from_secs(2);

/// Asks until there is an answer, unless asking again cannot help.
async fn patiently<T, E, F>(who: &str, ask: impl Fn() -> F) -> Result<T>
where
    E: Classify,
    F: Future<Output = Result<T, E>>,
{
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let (kind, retry) = (error.kind(), error.retry());
        let error = anyhow::Error::new(error);
        let pause = match retry {
            Retry::Never => return Err(error),
            Retry::Backoff | Retry::Spread => PAUSE,
        };
        tracing::warn!(%kind, "{who} does not answer yet: {error:#}");
        tokio::time::sleep(pause).await;
    }
}
