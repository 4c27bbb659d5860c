//! One change of the quantity at Stripe, of which nobody tells us but Stripe's event.

use std::time::Duration;

use anyhow::{Context, Result};
use stack::deadline;

use super::plan::{DATABASE, Plan};
use super::purchase::Purchase;
use super::servers::Servers;
use super::shop::Shop;

pub(super) const LICENSES: u64 = 12;

/// An event takes a second or two; a shim or worker that is killed meanwhile costs some more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks with psql.
const LOOK: Duration = Duration::from_millis(20);

/// What was changed, and how it became known. Times count from the purchase.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) event: String,
    /// A link to the run that wrote the new count.
    pub(super) run: String,
    pub(super) changed: Duration,
    pub(super) received: Duration,
    pub(super) counted: Duration,
}

/// Changes it and waits for the count in the database.
pub(super) fn make(plan: &Plan, servers: &mut Servers, purchase: &Purchase) -> Result<Change> {
    let began = purchase.began;
    let event = Shop::new(plan).change_quantity(&purchase.subscription, &purchase.item, LICENSES)?;
    let changed = began.elapsed();
    wait_for_a_row(servers, &receipt(&event))
        .with_context(|| format!("{event} has not arrived, see {}", plan.log("webhook").display()))?;
    let received = began.elapsed();
    let writer = wait_for_a_row(servers, &writer(&purchase.tenant))
        .with_context(|| format!("tenant {} does not get its {LICENSES} licences", purchase.tenant))?;
    let counted = began.elapsed();
    let [workflow_id, run_id] = writer.try_into().map_err(|row| anyhow::anyhow!("not a run: {row:?}"))?;
    Ok(Change { event, run: plan.run_link(&workflow_id, &run_id), changed, received, counted })
}

fn receipt(event: &str) -> String {
    format!("SELECT 1 FROM stripe_webhook_events WHERE stripe_event_id = '{event}'")
}

/// The run that wrote the count, once that is what the tenant has.
fn writer(tenant: &str) -> String {
    format!(
        "SELECT c.workflow_id, c.run_id FROM tenants t JOIN license_changes c USING (tenant)
         WHERE tenant = '{tenant}' AND t.licensed_user_count = {LICENSES} AND c.to_count = {LICENSES}
         ORDER BY c.license_change_id DESC LIMIT 1"
    )
}

/// Looks after the servers meanwhile.
fn wait_for_a_row(servers: &mut Servers, sql: &str) -> Result<Vec<String>> {
    let url = servers.postgres.url(DATABASE);
    deadline::poll_every("the database", PATIENCE, LOOK, || {
        servers.look_after()?;
        Ok(servers.postgres.psql(&url, sql)?.pop())
    })
}
