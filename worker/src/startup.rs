//! What must be right before the first step runs.
//!
//! One database, one Stripe account, one mode: a worker whose key opens another account than
//! the database belongs to must not write a row.

use anyhow::{Result, bail};
use service::startup::{check_schema, patiently};
use service::telemetry::Telemetry;
use store::{AccountRow, Store};
use stripe_gateway::{Mode, Stripe};
use temporalio_client::Client;

use crate::config::Config;
use crate::temporal;

/// What the worker runs on.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) stripe: Stripe,
}

/// Connects to everything and compares it. Waits for what is away; stops at what is wrong.
pub(crate) async fn start(config: &Config, telemetry: &Telemetry) -> Result<Parts> {
    let stripe = Stripe::new(config.stripe.clone())?;
    tracing::info!("[Stripe] Service initialized in {} mode", stripe.mode());
    let store = Store::new(&config.database, config.master, config.rules.clone());
    check_schema(config.master, &store).await?;
    check_account(&store, &stripe).await?;
    let client = service::temporal::connect(telemetry).await?;
    temporal::ensure_search_attributes(&client).await?;
    Ok(Parts { client, store, stripe })
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
