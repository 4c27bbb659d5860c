//! What the database holds, asked and prepared with SQL of the tests' own.

use anyhow::{Context, Result};
use e2e::World;
use stack::psql::Rows;
use stack::{Session, shared};

use crate::shop;

/// A session of one's own.
pub(crate) struct Books(Session);

/// A change of a tenant's licence count.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Empty where there was no limit.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) cause: String,
    pub(crate) events: Vec<String>,
}

impl Books {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self(shared::postgres()?.session(&shop::database()?)?))
    }

    /// Those of a whole world.
    pub(crate) fn of(world: &World) -> Result<Self> {
        Ok(Self(world.session()?))
    }

    pub(crate) fn run(&mut self, sql: &str) -> Result<Rows> {
        self.0.run(sql)
    }

    pub(crate) fn value(&mut self, sql: &str) -> Result<String> {
        let row = self.run(sql)?.pop().with_context(|| format!("no row: {sql}"))?;
        row.into_iter().next().context("no column")
    }

    /// Every event about these subscriptions: id, subscription, status, reason.
    pub(crate) fn events(&mut self, subscriptions: &[String]) -> Result<Rows> {
        self.run(&format!(
            "SELECT stripe_event_id, object_id, processing_status, processing_error FROM stripe_webhook_events
             WHERE object_id IN ({}) ORDER BY created_at, stripe_event_id",
            quoted(subscriptions)
        ))
    }

    /// The columns of a subscription's row that [`crate::oracle::row`] foretells, by its Stripe id.
    pub(crate) fn subscriptions(&mut self, subscriptions: &[String]) -> Result<Rows> {
        let unix = |column: &str| format!("extract(epoch FROM {column})::bigint");
        self.run(&format!(
            "SELECT s.tenant, stripe_subscription_external_id, c.stripe_customer_external_id, status, quantity,
                 stripe_subscription_item_id, p.stripe_price_external_id, billing_interval, {}, {}, {},
                 cancel_at_period_end, {}, {}, stripe_schedule_external_id, scheduled_quantity, {}, s.metadata
             FROM stripe_subscriptions s JOIN stripe_customers c USING (tenant, stripe_customer_id)
                 LEFT JOIN stripe_prices p USING (stripe_price_id)
             WHERE stripe_subscription_external_id IN ({}) ORDER BY 2",
            unix("current_period_start"),
            unix("current_period_end"),
            unix("cancel_at"),
            unix("canceled_at"),
            unix("stripe_created_at"),
            unix("scheduled_at"),
            quoted(subscriptions)
        ))
    }

    /// The tenant's count, empty where there is no limit.
    pub(crate) fn count(&mut self, tenant: &str) -> Result<String> {
        self.value(&format!("SELECT licensed_user_count FROM tenants WHERE tenant = '{tenant}'"))
    }

    /// The tenant's changes, the first first.
    pub(crate) fn changes(&mut self, tenant: &str) -> Result<Vec<Change>> {
        let rows = self.run(&format!(
            "SELECT from_count, to_count, cause, array_to_string(event_ids, ',') FROM license_changes
             WHERE tenant = '{tenant}' ORDER BY license_change_id"
        ))?;
        let change = |row: Vec<String>| {
            let [from, to, cause, events] = <[String; 4]>::try_from(row).ok()?;
            Some(Change { from, to, cause, events: events.split(',').map(str::to_owned).collect() })
        };
        rows.into_iter().map(change).collect::<Option<_>>().context("four columns")
    }

    /// Differs as soon as anything of the tenant was written, be it the same as before.
    pub(crate) fn fingerprint(&mut self, tenant: &str) -> Result<String> {
        let rows = ["tenants", "stripe_customers", "stripe_subscriptions", "license_changes"]
            .map(|table| format!("SELECT t::text AS row FROM {table} t WHERE tenant = '{tenant}'"));
        self.value(&format!(
            "SELECT md5(string_agg(row, ';' ORDER BY row)) FROM ({}) all_rows",
            rows.join(" UNION ALL ")
        ))
    }

    /// How many sessions wait for a lock of `holder`'s, or behind one that does.
    pub(crate) fn waiters_behind(&mut self, holder: &str) -> Result<usize> {
        let waiting = format!(
            "WITH RECURSIVE behind AS (
                 SELECT pid FROM pg_stat_activity WHERE {holder} = ANY (pg_blocking_pids(pid))
                 UNION
                 SELECT a.pid FROM pg_stat_activity a JOIN behind b ON b.pid = ANY (pg_blocking_pids(a.pid)))
             SELECT count(*) FROM behind"
        );
        Ok(self.value(&waiting)?.parse()?)
    }
}

fn quoted(ids: &[String]) -> String {
    ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ")
}
