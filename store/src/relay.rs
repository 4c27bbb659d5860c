//! Handing events on: which are due, which were handed over, which purchases nobody started, and
//! how many of what wait.
//!
//! Several relays may ask at once. Whatever one of them is given is leased: its `next_attempt_at`
//! is moved ahead in the statement that picks it, rows that another statement holds are passed
//! over, and no transaction stays open while Temporal is asked.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::create_tenant::CreateTenantInput;
use domain::event::EventStatus;
use domain::ids::{EventId, StripeCustomerId, StripeSubscriptionId};

use crate::error::unreadable;
use crate::event_views::{EVENTS, status_names};
use crate::{Error, Store};

/// An event that a sync has to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueEvent {
    /// The event.
    pub id: EventId,
    /// The subscription that it speaks of.
    pub subscription: StripeSubscriptionId,
    /// When it is due again, as whoever has it in hand was told: the end of the lease, and the sign
    /// by which the row knows them again.
    pub due_again: DateTime<Utc>,
}

/// A purchase whose onboarding nobody started.
#[derive(Clone, Debug)]
pub struct StrandedPurchase {
    /// Under whom its events are parked.
    pub customer: StripeCustomerId,
    /// What the onboarding is to be started with.
    pub input: CreateTenantInput,
    /// The same as it was stored, by whichever version: what the rows are known by.
    stored: serde_json::Value,
}

/// How many events stand somewhere, and how long the oldest of them has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depth {
    /// Where.
    pub status: EventStatus,
    /// How many.
    pub events: u64,
    /// Seconds since the oldest came; 0 where there is none.
    pub oldest_secs: f64,
}

/// Later and later, up to this.
const REDISPATCH_MAX: Duration = Duration::from_secs(10 * 60);

impl Store {
    /// At most `limit` pending events that are due, leased for so long. An event that was handed
    /// over before is among them when it is not settled: its run may have been terminated. A row
    /// that cannot be read does not keep the others back.
    pub async fn claim_due(&self, limit: u16, lease: Duration) -> Result<Vec<Result<DueEvent, Error>>, Error> {
        let rows = sqlx::query!(
            "WITH due AS (
                 SELECT tenant, stripe_event_id FROM stripe_webhook_events
                 WHERE processing_status = 'pending' AND next_attempt_at <= now()
                 ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
             )
             UPDATE stripe_webhook_events event SET next_attempt_at = now() + make_interval(secs => $2)
             FROM due WHERE event.tenant = due.tenant AND event.stripe_event_id = due.stripe_event_id
             RETURNING event.stripe_event_id, event.object_id, event.next_attempt_at",
            i64::from(limit),
            lease.as_secs_f64(),
        )
        .fetch_all(&self.pool)
        .await?;
        let due = rows.into_iter().map(|row| {
            let id = row.stripe_event_id.parse().map_err(|_| unreadable(EVENTS, "stripe_event_id"))?;
            let subscription = row.object_id.and_then(|id| id.parse().ok()).ok_or(unreadable(EVENTS, "object_id"))?;
            Ok(DueEvent { id, subscription, due_again: row.next_attempt_at })
        });
        Ok(due.collect())
    }

    /// Notes that Temporal has these events. Those that are not settled are due again after
    /// `again`, doubled with each try before.
    pub async fn mark_dispatched(&self, events: &[DueEvent], again: Duration) -> Result<(), Error> {
        self.mark(events, again, true).await
    }

    /// Notes that these events were tried in vain, for a reason of their own: they wait as if they
    /// had been handed over, so that they do not stand in the others' way.
    pub async fn put_off(&self, events: &[DueEvent], again: Duration) -> Result<(), Error> {
        self.mark(events, again, false).await
    }

    /// In the order of the ids, like every statement that locks several events. What was settled
    /// meanwhile, parked, reopened or leased by somebody else keeps its time.
    async fn mark(&self, events: &[DueEvent], again: Duration, dispatched: bool) -> Result<(), Error> {
        let (ids, leases) = rows_of(events);
        sqlx::query!(
            "WITH mine AS (
                 SELECT tenant, stripe_event_id, lease FROM stripe_webhook_events
                 JOIN unnest($2::text[], $3::timestamptz[]) AS noted (id, lease) ON id = stripe_event_id
                 WHERE tenant = $1 ORDER BY stripe_event_id FOR UPDATE OF stripe_webhook_events
             )
             UPDATE stripe_webhook_events event SET
                 dispatched_at = CASE WHEN $4 THEN now() ELSE dispatched_at END,
                 attempts = attempts + 1,
                 next_attempt_at = CASE WHEN processing_status = 'pending' AND next_attempt_at = lease
                     THEN now() + make_interval(secs => least($5 * power(2, least(attempts, 20)), $6))
                     ELSE next_attempt_at END
             FROM mine WHERE event.tenant = mine.tenant AND event.stripe_event_id = mine.stripe_event_id",
            self.master.as_uuid(),
            &ids,
            &leases,
            dispatched,
            again.as_secs_f64(),
            REDISPATCH_MAX.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives leased events back: they are due at once, and it does not count as a try.
    pub async fn release_due(&self, events: &[DueEvent]) -> Result<(), Error> {
        let (ids, leases) = rows_of(events);
        sqlx::query!(
            "WITH mine AS (
                 SELECT tenant, stripe_event_id FROM stripe_webhook_events
                 JOIN unnest($2::text[], $3::timestamptz[]) AS noted (id, lease) ON id = stripe_event_id
                 WHERE tenant = $1 AND processing_status = 'pending' AND next_attempt_at = lease
                 ORDER BY stripe_event_id FOR UPDATE OF stripe_webhook_events
             )
             UPDATE stripe_webhook_events event SET next_attempt_at = now()
             FROM mine WHERE event.tenant = mine.tenant AND event.stripe_event_id = mine.stripe_event_id",
            self.master.as_uuid(),
            &ids,
            &leases,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes events pending, once each, that have been parked for so long while their customer still
    /// has no tenant: what is known of the purchase may be outdated, so Stripe is asked once more.
    pub async fn look_again(&self, after: Duration) -> Result<u64, Error> {
        let looked = sqlx::query!(
            "WITH waiting AS (
                 SELECT stripe_event_id FROM stripe_webhook_events event
                 WHERE processing_status = 'parked' AND NOT looked_again
                   AND created_at <= now() - make_interval(secs => $1)
                   AND NOT EXISTS (SELECT FROM stripe_customers customer
                                   WHERE customer.stripe_customer_external_id = event.stripe_customer_external_id)
                 ORDER BY stripe_event_id LIMIT 256 FOR UPDATE SKIP LOCKED
             )
             UPDATE stripe_webhook_events event
             SET processing_status = 'pending', looked_again = true, next_attempt_at = now(), attempts = 0
             FROM waiting WHERE event.stripe_event_id = waiting.stripe_event_id",
            after.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(looked.rows_affected())
    }

    /// Purchases, one to a customer, that were looked at again while the customer still has no
    /// tenant: the latest judgement of each, leased for so long. (Parking makes a row due, which is
    /// when the first lease may be taken.)
    pub async fn claim_stranded(&self, lease: Duration) -> Result<Vec<Result<StrandedPurchase, Error>>, Error> {
        let rows = sqlx::query!(
            "WITH stranded AS (
                 SELECT tenant, stripe_event_id FROM stripe_webhook_events event
                 WHERE processing_status = 'parked' AND stranded_purchase IS NOT NULL
                   AND looked_again AND next_attempt_at <= now()
                   AND NOT EXISTS (SELECT FROM stripe_customers customer
                                   WHERE customer.stripe_customer_external_id = event.stripe_customer_external_id)
                 ORDER BY created_at LIMIT 64 FOR UPDATE SKIP LOCKED
             ), leased AS (
                 UPDATE stripe_webhook_events event SET next_attempt_at = now() + make_interval(secs => $1)
                 FROM stranded
                 WHERE event.tenant = stranded.tenant AND event.stripe_event_id = stranded.stripe_event_id
                 RETURNING event.stripe_customer_external_id, event.stranded_purchase, event.created_at
             )
             SELECT DISTINCT ON (stripe_customer_external_id)
                    stripe_customer_external_id AS \"customer!\", stranded_purchase AS \"input!\"
             FROM leased ORDER BY stripe_customer_external_id, created_at DESC",
            lease.as_secs_f64(),
        )
        .fetch_all(&self.pool)
        .await?;
        let purchases = rows.into_iter().map(|row| {
            let customer = row.customer.parse().map_err(|_| unreadable(EVENTS, "stripe_customer_external_id"))?;
            let input = serde_json::from_value(row.input.clone());
            let input = input.map_err(|_| unreadable(EVENTS, "stranded_purchase"))?;
            Ok(StrandedPurchase { customer, input, stored: row.input })
        });
        Ok(purchases.collect())
    }

    /// Notes that the purchase's onboarding was started, by whomever. It is not started again.
    pub async fn clear_stranded(&self, purchase: &StrandedPurchase) -> Result<(), Error> {
        sqlx::query!(
            "WITH theirs AS (
                 SELECT stripe_event_id FROM stripe_webhook_events
                 WHERE processing_status = 'parked' AND stripe_customer_external_id = $1 AND stranded_purchase = $2
                 ORDER BY stripe_event_id FOR UPDATE
             )
             UPDATE stripe_webhook_events event SET stranded_purchase = NULL
             FROM theirs WHERE event.stripe_event_id = theirs.stripe_event_id",
            purchase.customer.as_str(),
            &purchase.stored,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many events wait for something: for a sync, for a tenant, for a person.
    pub async fn inbox_depth(&self) -> Result<[Depth; 3], Error> {
        let rows = sqlx::query!(
            "SELECT processing_status, count(*) AS \"events!\",
                    extract(epoch FROM now() - min(created_at))::float8 AS \"oldest_secs!\"
             FROM stripe_webhook_events WHERE processing_status = ANY($1) GROUP BY processing_status",
            &status_names(&EventStatus::OPEN),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(EventStatus::OPEN.map(|status| {
            let row = rows.iter().find(|row| row.processing_status == status.as_str());
            let events = row.map_or(0, |row| row.events.unsigned_abs());
            Depth { status, events, oldest_secs: row.map_or(0.0, |row| row.oldest_secs) }
        }))
    }
}

/// Their ids and the leases under which they are held.
fn rows_of(events: &[DueEvent]) -> (Vec<String>, Vec<DateTime<Utc>>) {
    events.iter().map(|event| (event.id.to_string(), event.due_again)).unzip()
}
