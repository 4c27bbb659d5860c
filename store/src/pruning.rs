//! Deleting what is too old to keep: settled events, and what old walks left.

use std::collections::BTreeMap;

use domain::walk::WalkId;
use sqlx::PgConnection;

use crate::{Error, Store};

/// Deleted in one transaction.
const BATCH: i64 = 1_000;
/// Walks of a kind that are kept with what they found, of all tenants and of one each.
const WALKS_KEPT: i64 = 50;
/// Imports of all tenants that are kept: each has an outcome for every tenant.
const WHOLE_IMPORTS_KEPT: i64 = 5;

impl Store {
    /// Deletes some of the events that were settled, and came, more than `days` ago, and takes them
    /// off what was received, in one transaction: the books add up at every moment. Counts them for
    /// the walk, and answers how many.
    ///
    /// One whose twin is open stays: the twin is settled by it.
    pub async fn prune_events(&self, walk: WalkId, days: u16) -> Result<u32, Error> {
        let mut tx = self.pool.begin().await?;
        let types = sqlx::query_scalar!(
            "DELETE FROM stripe_webhook_events WHERE stripe_event_id IN (
                 SELECT e.stripe_event_id FROM stripe_webhook_events e
                 WHERE e.processed AND e.created_at < now() - make_interval(days => $1)
                   AND e.processed_at < now() - make_interval(days => $1)
                   AND NOT EXISTS (
                       SELECT FROM stripe_webhook_events twin
                       WHERE NOT twin.processed AND twin.stripe_event_id <> e.stripe_event_id
                         AND (twin.stripe_event_id = e.snapshot_event_id OR twin.snapshot_event_id = e.stripe_event_id
                              OR twin.snapshot_event_id = e.snapshot_event_id))
                 ORDER BY e.created_at LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING event_type",
            i32::from(days),
            BATCH,
        )
        .fetch_all(&mut *tx)
        .await?;
        let pruned = u32::try_from(types.len()).unwrap_or(u32::MAX);
        let mut of_type: BTreeMap<String, i64> = BTreeMap::new();
        for event_type in types {
            *of_type.entry(event_type).or_default() += 1;
        }
        for (event_type, count) in of_type {
            self.unreceive(&mut tx, &event_type, count).await?;
        }
        sqlx::query!(
            "UPDATE walks SET events_pruned = events_pruned + $2 WHERE walk = $1",
            walk.as_uuid(),
            i32::try_from(pruned).unwrap_or(i32::MAX),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(pruned)
    }

    /// Takes so many off what was received of a type. They are spread over slots, of which none can be
    /// negative: what is left of all goes into the first.
    async fn unreceive(&self, db: &mut PgConnection, event_type: &str, count: i64) -> Result<(), Error> {
        let slots = sqlx::query_scalar!(
            "DELETE FROM stripe_webhook_receipts WHERE tenant = $1 AND event_type = $2 RETURNING received",
            self.master.as_uuid(),
            event_type,
        );
        let received: i64 = slots.fetch_all(&mut *db).await?.into_iter().sum();
        if received <= count {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO stripe_webhook_receipts AS receipts (tenant, event_type, slot, received) VALUES ($1, $2, 0, $3)
             ON CONFLICT (tenant, event_type, slot)
             DO UPDATE SET received = receipts.received + excluded.received",
            self.master.as_uuid(),
            event_type,
            received - count,
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// Deletes all but the last walks, with what they staged and found, and none of the last days. One
    /// that was left open, because its run was cancelled, is nobody's any more after a month.
    pub async fn prune_walks(&self) -> Result<(), Error> {
        sqlx::query!(
            "DELETE FROM walks WHERE walk IN (
                 SELECT walk FROM (
                     SELECT walk, kind = 'import' AND tenant IS NULL AS is_whole_import, ended_at, started_at,
                            row_number() OVER (PARTITION BY kind, tenant IS NULL ORDER BY started_at DESC) AS n
                     FROM walks) numbered
                 WHERE n > CASE WHEN is_whole_import THEN $2::bigint ELSE $1::bigint END
                   AND started_at < now() - CASE WHEN ended_at IS NULL THEN interval '30 days' ELSE interval '3 days' END)",
            WALKS_KEPT,
            WHOLE_IMPORTS_KEPT,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
