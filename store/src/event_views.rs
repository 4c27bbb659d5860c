//! The inbox of Stripe's events as a person wants to see it: what came, where each stands, and
//! whether all of it is accounted for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::EventStatus;
use domain::ids::{EventId, StripeCustomerId, StripeSubscriptionId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::unreadable;
use crate::{Error, Store};

/// The inbox.
pub(crate) const EVENTS: &str = "stripe_webhook_events";

/// Counting a whole inbox takes longer than a step may, and nobody's locks.
const UNHURRIED: &str = "SET LOCAL statement_timeout = '60s'";

/// Which events. What is empty does not restrict.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// In one of these states.
    pub statuses: Vec<EventStatus>,
    /// About this subscription.
    pub subscription: Option<StripeSubscriptionId>,
    /// Parked under this customer, or about the tenant or a subscription of it.
    pub customer: Option<StripeCustomerId>,
    /// Of this type, in Stripe's spelling.
    pub event_type: Option<String>,
    /// Received at this moment or later.
    pub since: Option<DateTime<Utc>>,
}

/// An event in a list.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// `evt_…`.
    pub id: String,
    /// As Stripe names it.
    pub event_type: String,
    /// Where it stands.
    pub status: EventStatus,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// `sub_…`; none for an event that speaks of none.
    pub subscription: Option<String>,
    /// The tenant that it was settled for.
    pub tenant: Option<Uuid>,
    /// `cus_…`, once it was read.
    pub customer: Option<String>,
    /// When it was taken in.
    pub received_at: DateTime<Utc>,
}

/// An event with its envelope and all that became of it, its payload left out.
#[derive(Clone, Debug)]
pub struct EventView {
    /// What a list says of it.
    pub row: EventRow,
    /// `snapshot` or `thin`.
    pub kind: String,
    /// Stripe's mode.
    pub livemode: bool,
    /// The version that its payload is written in.
    pub api_version: Option<String>,
    /// The connected account that it is about; none for our own.
    pub account: Option<String>,
    /// When the change happened.
    pub stripe_created_at: DateTime<Utc>,
    /// Bytes of payload.
    pub size: i32,
    /// The snapshot event that it says it is the twin of; it may not be here.
    pub snapshot_event_id: Option<String>,
    /// The events here that tell of the same change.
    pub twins: Vec<Twin>,
    /// How often it was handed to Temporal since it came, or was reopened.
    pub attempts: i32,
    /// When it last was.
    pub dispatched_at: Option<DateTime<Utc>>,
    /// When it will be, if it is pending then.
    pub next_attempt_at: DateTime<Utc>,
    /// When it got its status, if that is one to stay.
    pub processed_at: Option<DateTime<Utc>>,
    /// The run that gave it its status.
    pub settled_by_run: Option<String>,
    /// The licence counts that changed by it, oldest first.
    pub changes: Vec<EventChange>,
}

/// An event that tells of the same change as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The other.
    pub of: String,
    /// `evt_…`.
    pub id: String,
    /// `snapshot` or `thin`.
    pub kind: String,
}

/// A row of `license_changes` that names the event.
#[derive(Clone, Debug)]
pub struct EventChange {
    /// Whose count.
    pub tenant: Uuid,
    /// Before; none is no limit.
    pub from_count: Option<i32>,
    /// After.
    pub to_count: i32,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// By which workflow.
    pub workflow_id: String,
    /// And run.
    pub run_id: String,
}

/// What was taken in of one type, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeAccount {
    /// As Stripe names it.
    pub event_type: String,
    /// Counted when they were taken in, apart from the events.
    pub received: i64,
    /// The events that are there.
    pub held: BTreeMap<EventStatus, i64>,
}

/// The one of its type and status that has waited longest.
#[derive(Clone, Debug)]
pub struct OldestEvent {
    /// As Stripe names it.
    pub event_type: String,
    /// In which state.
    pub status: EventStatus,
    /// `evt_…`.
    pub id: String,
    /// When it was taken in.
    pub received_at: DateTime<Utc>,
}

impl Store {
    /// The newest events that fit, at most `limit`, newest first.
    pub async fn events(&self, filter: &EventFilter, limit: u32) -> Result<Vec<EventRow>, Error> {
        events(&mut *self.pool.acquire().await?, filter, limit).await
    }

    /// The event, or none.
    pub async fn event(&self, id: &EventId) -> Result<Option<EventView>, Error> {
        let query = sqlx::query!(
            "SELECT stripe_event_id, event_type, processing_status, processing_error, object_id, subject_tenant,
                    stripe_customer_external_id, created_at, kind, livemode, api_version, account, stripe_created_at,
                    octet_length(event_data) AS \"size!\", snapshot_event_id, attempts, dispatched_at, next_attempt_at,
                    processed_at, settled_by_run
             FROM stripe_webhook_events WHERE stripe_event_id = $1",
            id.as_str(),
        );
        let Some(row) = query.fetch_optional(&self.pool).await? else { return Ok(None) };
        Ok(Some(EventView {
            row: EventRow {
                id: row.stripe_event_id,
                event_type: row.event_type,
                status: status(&row.processing_status)?,
                reason: row.processing_error,
                subscription: row.object_id,
                tenant: row.subject_tenant,
                customer: row.stripe_customer_external_id,
                received_at: row.created_at,
            },
            kind: row.kind,
            livemode: row.livemode,
            api_version: row.api_version,
            account: row.account,
            stripe_created_at: row.stripe_created_at,
            size: row.size,
            snapshot_event_id: row.snapshot_event_id,
            twins: twins(&mut *self.pool.acquire().await?, &[id.to_string()]).await?,
            attempts: row.attempts,
            dispatched_at: row.dispatched_at,
            next_attempt_at: row.next_attempt_at,
            processed_at: row.processed_at,
            settled_by_run: row.settled_by_run,
            changes: self.changes_by(id).await?,
        }))
    }

    /// The event's bytes as they were received; none if there is no such event.
    pub async fn event_payload(&self, id: &EventId) -> Result<Option<Vec<u8>>, Error> {
        let query =
            sqlx::query_scalar!("SELECT event_data FROM stripe_webhook_events WHERE stripe_event_id = $1", id.as_str());
        Ok(query.fetch_optional(&self.pool).await?)
    }

    async fn changes_by(&self, id: &EventId) -> Result<Vec<EventChange>, Error> {
        let query = sqlx::query_as!(
            EventChange,
            "SELECT tenant, from_count, to_count, changed_at, workflow_id, run_id FROM license_changes
             WHERE event_ids @> ARRAY[$1::text] ORDER BY changed_at, license_change_id",
            id.as_str(),
        );
        Ok(query.fetch_all(&self.pool).await?)
    }

    /// What was received and what is there, type by type, at one moment.
    pub async fn accounting(&self) -> Result<Vec<TypeAccount>, Error> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(UNHURRIED).execute(&mut *tx).await?;
        let query = sqlx::query!(
            "WITH received AS (
                 SELECT event_type, sum(received)::bigint AS n FROM stripe_webhook_receipts GROUP BY event_type),
             held AS (
                 SELECT event_type, processing_status, count(*) AS n FROM stripe_webhook_events
                 GROUP BY event_type, processing_status)
             SELECT event_type AS \"event_type!\", coalesce(r.n, 0) AS \"received!\",
                    h.processing_status AS \"status?\", coalesce(h.n, 0) AS \"held!\"
             FROM received r FULL JOIN held h USING (event_type)",
        );
        let mut types: BTreeMap<String, TypeAccount> = BTreeMap::new();
        for row in query.fetch_all(&mut *tx).await? {
            let none =
                TypeAccount { event_type: row.event_type.clone(), received: row.received, held: BTreeMap::new() };
            let account = types.entry(row.event_type).or_insert(none);
            if let Some(name) = row.status {
                account.held.insert(status(&name)?, row.held);
            }
        }
        Ok(types.into_values().collect())
    }

    /// The oldest event of each type in each of these states, type by type.
    pub async fn oldest_events(&self, of: &[EventStatus]) -> Result<Vec<OldestEvent>, Error> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(UNHURRIED).execute(&mut *tx).await?;
        let query = sqlx::query!(
            "SELECT DISTINCT ON (event_type, processing_status)
                    event_type, processing_status, stripe_event_id, created_at
             FROM stripe_webhook_events WHERE processing_status = ANY($1)
             ORDER BY event_type, processing_status, created_at, stripe_event_id",
            &status_names(of),
        );
        let oldest = query.fetch_all(&mut *tx).await?.into_iter().map(|row| {
            Ok(OldestEvent {
                event_type: row.event_type,
                status: status(&row.processing_status)?,
                id: row.stripe_event_id,
                received_at: row.created_at,
            })
        });
        oldest.collect()
    }

    /// Pending events that no hand-over can reach, at most ten: their ids are not such as
    /// [`domain::ids`] takes, or their next attempt is never.
    pub async fn stuck_events(&self) -> Result<Vec<String>, Error> {
        let query = sqlx::query_scalar!(
            "SELECT stripe_event_id FROM stripe_webhook_events
             WHERE processing_status = 'pending'
               AND (object_id !~ '^sub_[A-Za-z0-9_]{1,251}$' OR stripe_event_id !~ '^evt_[A-Za-z0-9_]{1,251}$'
                    OR next_attempt_at = 'infinity')
             ORDER BY created_at LIMIT 10",
        );
        Ok(query.fetch_all(&self.pool).await?)
    }
}

/// [`Store::events`], within a transaction.
pub(crate) async fn events(db: &mut PgConnection, filter: &EventFilter, limit: u32) -> Result<Vec<EventRow>, Error> {
    let wanted = if filter.statuses.is_empty() { &EventStatus::ALL[..] } else { &filter.statuses };
    // Status by status, since that is what the index is ordered by.
    let query = sqlx::query!(
        "SELECT e.stripe_event_id AS \"id!\", e.event_type AS \"event_type!\", e.processing_status AS \"status!\",
                e.processing_error AS \"reason?\", e.object_id AS \"subscription?\", e.subject_tenant AS \"tenant?\",
                e.stripe_customer_external_id AS \"customer?\", e.created_at AS \"received_at!\"
         FROM unnest($1::text[]) AS wanted (status) CROSS JOIN LATERAL (
             SELECT * FROM stripe_webhook_events WHERE processing_status = wanted.status
                AND ($2::text IS NULL OR object_id = $2)
                AND ($3::text IS NULL OR stripe_customer_external_id = $3
                     OR subject_tenant IN (SELECT tenant FROM stripe_customers WHERE stripe_customer_external_id = $3)
                     OR object_id IN (SELECT stripe_subscription_external_id FROM stripe_subscriptions
                                      JOIN stripe_customers USING (tenant, stripe_customer_id)
                                      WHERE stripe_customer_external_id = $3))
                AND ($4::text IS NULL OR event_type = $4)
                AND ($5::timestamptz IS NULL OR created_at >= $5)
             ORDER BY created_at DESC, stripe_event_id DESC LIMIT $6) e
         ORDER BY e.created_at DESC, e.stripe_event_id DESC LIMIT $6",
        &status_names(wanted),
        filter.subscription.as_ref().map(|id| id.as_str()),
        filter.customer.as_ref().map(|id| id.as_str()),
        filter.event_type,
        filter.since,
        i64::from(limit),
    );
    let rows = query.fetch_all(db).await?.into_iter();
    let rows = rows.map(|row| {
        Ok(EventRow {
            id: row.id,
            event_type: row.event_type,
            status: status(&row.status)?,
            reason: row.reason,
            subscription: row.subscription,
            tenant: row.tenant,
            customer: row.customer,
            received_at: row.received_at,
        })
    });
    rows.collect()
}

/// The twins of these events that are here, oldest first.
pub(crate) async fn twins(db: &mut PgConnection, of: &[String]) -> Result<Vec<Twin>, Error> {
    let query = sqlx::query_as!(
        Twin,
        "SELECT event.stripe_event_id AS of, twin.stripe_event_id AS id, twin.kind
         FROM stripe_webhook_events event JOIN stripe_webhook_events twin
            ON twin.stripe_event_id <> event.stripe_event_id
           AND (twin.stripe_event_id = event.snapshot_event_id
                OR twin.snapshot_event_id IN (event.stripe_event_id, event.snapshot_event_id))
         WHERE event.stripe_event_id = ANY($1) ORDER BY twin.created_at, twin.stripe_event_id",
        of,
    );
    Ok(query.fetch_all(db).await?)
}

pub(crate) fn status(stored: &str) -> Result<EventStatus, Error> {
    stored.parse().map_err(|_| unreadable(EVENTS, "processing_status"))
}

/// Statuses, as a query takes them.
pub(crate) fn status_names(statuses: &[EventStatus]) -> Vec<String> {
    statuses.iter().map(|status| status.as_str().to_owned()).collect()
}
