//! What must be right before a program works on the database: it waits for what is away and
//! stops at what is wrong.

use std::time::Duration;

use anyhow::{Result, bail};
use domain::failure::{Classify, Retry};
use domain::ids::TenantId;
use store::{SchemaState, Store};

const PAUSE: Duration = Duration::from_secs(2);

/// Compares the database's schema and master billing tenant with what this program is told.
pub async fn check_schema(master: TenantId, store: &Store) -> Result<()> {
    let run = "run: tenantry migrate --master-tenant";
    match patiently("Postgres", || store.schema()).await? {
        SchemaState::Current(_) => {}
        SchemaState::Behind(version) => {
            bail!("ConfigurationError: the database's schema is at version {version} and behind; {run} {master}")
        }
        // An older program goes on while a newer one is rolled out: migrations only add.
        SchemaState::Ahead(version) => tracing::warn!(version, "the database's schema is newer than this program"),
    }
    match patiently("Postgres", || store.master_of_the_database()).await? {
        Some(found) if found == master => Ok(()),
        Some(found) => bail!(
            "ConfigurationError: MASTER_BILLING_TENANT_ID {master} is not the master billing tenant of the database, \
             which is {found}",
        ),
        None => bail!("ConfigurationError: the database has no master billing tenant; {run} {master}"),
    }
}

/// Asks until there is an answer, unless asking again cannot help.
pub async fn patiently<T, E, F>(who: &str, ask: impl Fn() -> F) -> Result<T>
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
