//! Giving events to a sync again, by hand. Safe any number of times: what is settled stays so.

use chrono::{DateTime, Utc};
use domain::event::EventStatus;
use domain::ids::{EventId, StripeSubscriptionId};
use sqlx::PgConnection;

use crate::event_views::status;
use crate::{Error, Store};

/// An event that somebody wants to be handed over again, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reopened {
    /// Where it stood before.
    pub before: EventStatus,
    /// Which sync it is for; none where it speaks of none, or of one whose id no hand-over takes.
    pub subscription: Option<StripeSubscriptionId>,
    /// Why it stood there.
    pub reason: Option<String>,
    /// When it is due, if it was opened: the lease of whoever hands it over now.
    pub due: Option<DateTime<Utc>>,
}

impl Reopened {
    /// Whether it is pending now. What no hand-over takes stays as it was, with its reason.
    pub fn is_pending(&self) -> bool {
        self.due.is_some()
    }
}

impl Store {
    /// Makes a failed or parked event pending, and a pending one due now, as if it had just come.
    /// Leaves every other as it is; none if there is no such event.
    pub async fn reopen_event(&self, id: &EventId) -> Result<Option<Reopened>, Error> {
        let mut tx = self.pool.begin().await?;
        // Locked before it is read, so that what is answered is what was changed.
        let query = sqlx::query!(
            "SELECT processing_status, processing_error, object_id FROM stripe_webhook_events
             WHERE stripe_event_id = $1 FOR UPDATE",
            id.as_str(),
        );
        let Some(row) = query.fetch_optional(&mut *tx).await? else { return Ok(None) };
        let before = status(&row.processing_status)?;
        let subscription = row.object_id.and_then(|id| id.parse().ok());
        let due = match &subscription {
            Some(_) if before.is_open() => Some(reopen(&mut tx, id).await?),
            Some(_) | None => None,
        };
        tx.commit().await?;
        Ok(Some(Reopened { before, subscription, reason: row.processing_error, due }))
    }

    /// Where these events stand now and why, each with its id.
    pub async fn event_statuses(&self, ids: &[EventId]) -> Result<Vec<(String, EventStatus, Option<String>)>, Error> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let query = sqlx::query!(
            "SELECT stripe_event_id, processing_status, processing_error FROM stripe_webhook_events
             WHERE stripe_event_id = ANY($1)",
            &ids,
        );
        let rows = query.fetch_all(&self.pool).await?.into_iter();
        rows.map(|row| Ok((row.stripe_event_id, status(&row.processing_status)?, row.processing_error))).collect()
    }
}

async fn reopen(db: &mut PgConnection, id: &EventId) -> Result<DateTime<Utc>, Error> {
    let query = sqlx::query_scalar!(
        "UPDATE stripe_webhook_events SET processing_status = 'pending', next_attempt_at = now(), attempts = 0,
             processing_error = NULL, processed_at = NULL, settled_by_run = NULL
         WHERE stripe_event_id = $1 RETURNING next_attempt_at",
        id.as_str(),
    );
    Ok(query.fetch_one(db).await?)
}
