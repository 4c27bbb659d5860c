//! Giving events to a sync again, by hand. Safe any number of times: what is settled stays so.

use chrono::{DateTime, Utc};
use domain::event::EventStatus;
use domain::ids::EventId;

use crate::event_views::status;
use crate::{Error, Store};

/// An event that somebody wants to be handed over again, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reopened {
    /// Where it stood before.
    pub before: EventStatus,
    /// `sub_…`; only an ignored event may have none.
    pub subscription: Option<String>,
    /// Why it stood there.
    pub reason: Option<String>,
    /// When it is due, if it was opened: the lease of whoever hands it over now.
    pub due: Option<DateTime<Utc>>,
}

impl Store {
    /// Makes a failed or parked event pending, and a pending one due now, as if it had never been
    /// tried. Leaves every other as it is; none if there is no such event.
    pub async fn reopen_event(&self, id: &EventId) -> Result<Option<Reopened>, Error> {
        // The row is locked before it is read, so that what is answered is what was changed.
        let query = sqlx::query!(
            "WITH before AS (
                 SELECT stripe_event_id, processing_status, processing_error, object_id FROM stripe_webhook_events
                 WHERE stripe_event_id = $1 FOR UPDATE),
             reopened AS (
                 UPDATE stripe_webhook_events e SET
                     processing_status = 'pending', next_attempt_at = now(), attempts = 0,
                     processing_error = NULL, processed_at = NULL, settled_by_run = NULL
                 FROM before WHERE e.stripe_event_id = before.stripe_event_id
                   AND before.processing_status IN ('failed', 'parked', 'pending')
                 RETURNING e.next_attempt_at)
             SELECT processing_status, processing_error, object_id, reopened.next_attempt_at AS \"due?\"
             FROM before LEFT JOIN reopened ON true",
            id.as_str(),
        );
        let Some(row) = query.fetch_optional(&self.pool).await? else { return Ok(None) };
        let before = status(&row.processing_status)?;
        Ok(Some(Reopened { before, subscription: row.object_id, reason: row.processing_error, due: row.due }))
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
