//! The line between a world's Stripe and its shims: endpoints with their secrets, and a port that
//! a shim comes back to when it was killed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stack::{deadline, ports};

use crate::deliveries::Endpoint;
use crate::shim::{Shim, WEBHOOK_PATH};
use crate::world::World;

/// A thin destination names its types one by one.
const THIN_TYPES: [&str; 7] = [
    "v1.customer.subscription.created",
    "v1.customer.subscription.updated",
    "v1.customer.subscription.deleted",
    "v1.customer.subscription.paused",
    "v1.customer.subscription.resumed",
    "v1.customer.subscription.item_quantity_changed",
    "v1.invoice.paid",
];

const SETTLED: Duration = Duration::from_secs(400);
/// psql runs at each look.
const PAUSE: Duration = Duration::from_millis(150);

/// Endpoints at the double for one shim.
#[derive(Debug)]
pub struct Line {
    port: u16,
    /// Of whole objects.
    pub snapshot: Endpoint,
    /// Of thin events.
    pub thin: Endpoint,
}

impl World {
    /// Has every event sent to a shim that is to come, as a snapshot at that version (or the pinned
    /// one), and those about subscriptions as thin events too. What is not taken is tried again soon.
    pub fn line(&self, version: Option<&str>) -> Result<Line> {
        let port = ports::free()?;
        let url = format!("http://127.0.0.1:{port}{WEBHOOK_PATH}");
        let snapshot = self.stripe.webhook_endpoint(&url, &["*"], version)?;
        let thin = self.stripe.thin_destination(&url, &THIN_TYPES)?;
        self.stripe.delivery_policy(&serde_json::json!({"retry_ms": 300}))?;
        Ok(Line { port, snapshot, thin })
    }

    /// Starts a shim at the end of the line.
    pub fn start_shim_on(&self, line: &Line, settings: &[(&str, &str)]) -> Result<Shim> {
        let address = format!("127.0.0.1:{}", line.port);
        let ours = [
            ("WEBHOOK_ADDR", address.as_str()),
            ("STRIPE_WEBHOOK_SECRET", &line.snapshot.secret),
            ("STRIPE_WEBHOOK_SECRET_THIN", &line.thin.secret),
            ("EVENT_REDISPATCH_AFTER", "2s"),
        ];
        self.start_shim(&[&ours[..], settings].concat())
    }

    /// A world's worker, one line and a shim at its end.
    pub fn wired(&self) -> Result<(Line, Shim)> {
        let line = self.line(None)?;
        let shim = self.start_shim_on(&line, &[])?;
        Ok((line, shim))
    }

    /// Waits until Stripe has nothing more to send and no event is pending, and answers how many
    /// events have each status.
    pub fn wait_until_settled(&self) -> Result<Vec<(String, usize)>> {
        deadline::poll_every("every event to be settled", SETTLED, PAUSE, || {
            let undelivered = self.stripe.deliveries("state=pending")?.len();
            let pending =
                self.value("SELECT count(*) FROM stripe_webhook_events WHERE processing_status = 'pending'")?;
            Ok((undelivered == 0 && pending == "0").then_some(()))
        })?;
        self.statuses()
    }

    /// How many events have each status.
    pub fn statuses(&self) -> Result<Vec<(String, usize)>> {
        let sql = "SELECT processing_status, count(*) FROM stripe_webhook_events GROUP BY 1 ORDER BY 1";
        self.rows(sql)?.into_iter().map(|row| Ok((row[0].clone(), row[1].parse()?))).collect()
    }

    /// Whatever was answered 2xx is in the inbox, none of it is open, and the counts add up.
    pub fn assert_accounted(&self) -> Result<()> {
        let delivered = self.stripe.deliveries("state=delivered")?;
        let rows = self.rows("SELECT stripe_event_id, processing_status FROM stripe_webhook_events")?;
        let rows: BTreeMap<&str, &str> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
        for delivery in delivered {
            let status = rows.get(delivery.event.as_str()).with_context(|| format!("{} is lost", delivery.event))?;
            ensure!(*status != "pending", "{} is still pending", delivery.event);
        }
        self.tenantry(&["events", "accounting"])?.exits(0).map(drop)
    }

    /// Waits until the customer's tenant has that many licences.
    pub fn wait_for_count(&self, customer: &str, count: i64) -> Result<()> {
        let sql = format!(
            "SELECT licensed_user_count FROM tenants JOIN stripe_customers USING (tenant)
             WHERE stripe_customer_external_id = '{customer}'"
        );
        deadline::poll_every(&format!("{count} licences"), SETTLED, PAUSE, || {
            let rows = self.rows(&sql)?;
            Ok(rows.first().is_some_and(|row| row[0] == count.to_string()).then_some(()))
        })
    }
}
