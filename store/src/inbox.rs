//! Taking events of Stripe's in: many in one statement, each of them once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::event::{Envelope, Subject};
use domain::ids::EventId;
use sqlx::PgConnection;

use crate::{Error, Store};

/// An event whose signature held.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What it says of itself.
    pub envelope: Envelope,
    /// The bytes as they came.
    pub payload: Vec<u8>,
}

impl Store {
    /// Stores the events that are not there yet, counts them, and answers their ids, each with when
    /// it is due: all or none, in one statement, which is its own transaction. Nobody else's relay
    /// looks at them before `grace` is over.
    ///
    /// Rows are inserted in the order of their ids and receipts counted in that of their types, so
    /// that two statements never wait for each other.
    pub async fn take_in(&self, events: &[NewEvent], grace: Duration) -> Result<Vec<(EventId, DateTime<Utc>)>, Error> {
        self.insert_events(&mut *self.pool.acquire().await?, events, grace).await
    }

    /// The same, in somebody's transaction.
    pub(crate) async fn insert_events(
        &self,
        db: &mut PgConnection,
        events: &[NewEvent],
        grace: Duration,
    ) -> Result<Vec<(EventId, DateTime<Utc>)>, Error> {
        let columns = Columns::of(events);
        let rows = sqlx::query!(
            "WITH arrived AS (
                 SELECT DISTINCT ON (id) * FROM unnest(
                     $2::text[], $3::text[], $4::bytea[], $5::text[], $6::timestamptz[], $7::boolean[],
                     $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]
                 ) AS row (id, type, payload, kind, created, livemode, account, version, snapshot, object, ignored)
             ), fresh AS (
                 INSERT INTO stripe_webhook_events (
                     tenant, stripe_event_id, event_type, event_data, kind, stripe_created_at, livemode, account,
                     api_version, snapshot_event_id, object_id, processing_status, processing_error, processed_at,
                     next_attempt_at)
                 SELECT $1, id, type, payload, kind, created, livemode, account, version, snapshot, object,
                        CASE WHEN object IS NULL THEN 'ignored' ELSE 'pending' END, ignored,
                        CASE WHEN object IS NULL THEN now() END, now() + make_interval(secs => $13)
                 FROM arrived ORDER BY id
                 ON CONFLICT DO NOTHING
                 RETURNING stripe_event_id, event_type, next_attempt_at
             ), counted AS (
                 INSERT INTO stripe_webhook_receipts AS receipts (tenant, event_type, slot, received)
                 SELECT $1, event_type, floor(random() * 16)::smallint, count(*)
                 FROM fresh GROUP BY event_type ORDER BY event_type
                 ON CONFLICT (tenant, event_type, slot)
                 DO UPDATE SET received = receipts.received + excluded.received
             )
             SELECT stripe_event_id, next_attempt_at FROM fresh",
            self.master.as_uuid(),
            &columns.ids,
            &columns.types,
            &columns.payloads as &[&[u8]],
            &columns.kinds,
            &columns.created,
            &columns.livemode,
            &columns.accounts as &[Option<String>],
            &columns.versions as &[Option<String>],
            &columns.snapshots as &[Option<String>],
            &columns.objects as &[Option<String>],
            &columns.reasons as &[Option<String>],
            grace.as_secs_f64(),
        )
        .fetch_all(db)
        .await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.stripe_event_id.parse().ok()?, row.next_attempt_at))).collect())
    }
}

/// The events turned round: an array for each column.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<String>,
    types: Vec<String>,
    payloads: Vec<&'a [u8]>,
    kinds: Vec<String>,
    created: Vec<DateTime<Utc>>,
    livemode: Vec<bool>,
    accounts: Vec<Option<String>>,
    versions: Vec<Option<String>>,
    snapshots: Vec<Option<String>>,
    objects: Vec<Option<String>>,
    reasons: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    fn of(events: &'a [NewEvent]) -> Self {
        let mut columns = Self::default();
        for NewEvent { envelope, payload } in events {
            let (object, reason) = match &envelope.subject {
                Subject::Subscription(subscription) => (Some(subscription.to_string()), None),
                Subject::Nobody(reason) => (None, Some(reason.clone())),
            };
            columns.ids.push(envelope.id.to_string());
            columns.types.push(envelope.event_type.clone());
            columns.payloads.push(payload);
            columns.kinds.push(envelope.kind.as_str().to_owned());
            columns.created.push(envelope.created);
            columns.livemode.push(envelope.livemode);
            columns.accounts.push(envelope.account.clone());
            columns.versions.push(envelope.api_version.clone());
            columns.snapshots.push(envelope.snapshot_event.as_ref().map(EventId::to_string));
            columns.objects.push(object);
            columns.reasons.push(reason);
        }
        columns
    }
}
