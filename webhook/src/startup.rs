//! What must be right before the first event is taken in: the schema, the master billing tenant,
//! and the mode. Temporal is not among it: events can wait for it in the inbox.

use std::time::Duration;

use anyhow::{Result, bail};
use service::startup::{check_schema, patiently};
use store::{AccountRow, Store};
use stripe_gateway::Mode;

use crate::config::Config;

const PAUSE: Duration = Duration::from_secs(2);

/// The account and mode that events belong to. Waits for what is away; stops at what is wrong.
pub(crate) async fn check(config: &Config, store: &Store) -> Result<AccountRow> {
    check_schema(config.master, store).await?;
    let account = account(store).await?;
    let theirs = Mode::of_livemode(account.livemode);
    match config.webhook.mode {
        Some(ours) if ours != theirs => bail!(
            "ConfigurationError: the database belongs to {} in {theirs} mode, and {ours} mode is active here; set the \
             other STRIPE_MODE or the other DATABASE_URL",
            account.account,
        ),
        // Without a mode or a key in the settings, the database says it.
        Some(_) | None => {}
    }
    tracing::info!("[Stripe] Webhook handler initialized in {theirs} mode");
    Ok(account)
}

async fn account(store: &Store) -> Result<AccountRow> {
    loop {
        if let Some(account) = patiently("Postgres", || store.account()).await? {
            return Ok(account);
        }
        tracing::warn!("the database belongs to no Stripe account yet; the worker writes it at its first start");
        tokio::time::sleep(PAUSE).await;
    }
}
