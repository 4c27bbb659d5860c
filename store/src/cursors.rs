//! How far the walk over Stripe's events is, and feeding the inbox what it lacks.

use std::time::Duration;

use domain::ids::EventId;
use domain::walk::WalkId;
use sqlx::PgConnection;

use crate::error::unreadable;
use crate::{Error, NewEvent, Store};

const CURSORS: &str = "cursors";
const EVENTS: &str = "stripe_events";

/// A place in Stripe's list of events, which is newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsCursor {
    /// Everything up to this event was gone through,
    pub newest: EventId,
    /// but for what is older than this one, while the walk still goes back to the horizon.
    pub oldest: Option<EventId>,
}

impl Store {
    /// How far the walk over Stripe's events is; none before the first.
    pub async fn events_cursor(&self) -> Result<Option<EventsCursor>, Error> {
        cursor(&mut *self.pool.acquire().await?).await
    }

    /// Takes in those of the events that are not there, counts them for the walk, and moves the cursor
    /// in the same transaction. Answers how many were lacking. Does nothing where somebody else has moved the
    /// cursor since it was read: that was this page.
    ///
    /// An event of the last few seconds may still come by webhook too. It is stored once, whoever
    /// comes first. One whose thin twin is there was told already.
    pub async fn feed(
        &self,
        walk: WalkId,
        events: &[NewEvent],
        from: Option<&EventsCursor>,
        to: Option<&EventsCursor>,
    ) -> Result<u32, Error> {
        let mut tx = self.pool.begin().await?;
        lock(&mut tx).await?;
        if cursor(&mut tx).await?.as_ref() != from {
            return Ok(0);
        }
        let told = told_by_twins(&mut tx, events).await?;
        let untold: Vec<NewEvent> =
            events.iter().filter(|event| !told.contains(&event.envelope.id.to_string())).cloned().collect();
        let fed = self.insert_events(&mut tx, &untold, Duration::ZERO).await?;
        move_to(&mut tx, to).await?;
        count(&mut tx, walk, fed.len()).await?;
        tx.commit().await?;
        Ok(u32::try_from(fed.len()).unwrap_or(u32::MAX))
    }
}

/// One walk at a time moves it, also the first, when there is no row to lock.
async fn lock(db: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", EVENTS).fetch_one(db).await?;
    Ok(())
}

async fn cursor(db: &mut PgConnection) -> Result<Option<EventsCursor>, Error> {
    let query = sqlx::query!("SELECT newest, oldest FROM cursors WHERE name = $1", EVENTS);
    let Some(row) = query.fetch_optional(db).await? else { return Ok(None) };
    let event = |id: String, column| id.parse().map_err(|_| unreadable(CURSORS, column));
    let oldest = row.oldest.map(|id| event(id, "oldest")).transpose()?;
    Ok(Some(EventsCursor { newest: event(row.newest, "newest")?, oldest }))
}

async fn move_to(db: &mut PgConnection, to: Option<&EventsCursor>) -> Result<(), Error> {
    let Some(EventsCursor { newest, oldest }) = to else {
        sqlx::query!("DELETE FROM cursors WHERE name = $1", EVENTS).execute(db).await?;
        return Ok(());
    };
    sqlx::query!(
        "INSERT INTO cursors (name, newest, oldest) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET newest = excluded.newest, oldest = excluded.oldest, moved_at = now()",
        EVENTS,
        newest.as_str(),
        oldest.as_ref().map(|event| event.as_str()),
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn count(db: &mut PgConnection, walk: WalkId, fed: usize) -> Result<(), Error> {
    let fed = i32::try_from(fed).unwrap_or(i32::MAX);
    let query = sqlx::query!("UPDATE walks SET events_fed = events_fed + $2 WHERE walk = $1", walk.as_uuid(), fed);
    query.execute(db).await?;
    Ok(())
}

/// Those of the events that a thin event here names as its twin.
async fn told_by_twins(db: &mut PgConnection, events: &[NewEvent]) -> Result<Vec<String>, Error> {
    let ids: Vec<String> = events.iter().map(|event| event.envelope.id.to_string()).collect();
    let query = sqlx::query_scalar!(
        "SELECT snapshot_event_id AS \"id!\" FROM stripe_webhook_events WHERE snapshot_event_id = ANY($1)",
        &ids,
    );
    Ok(query.fetch_all(db).await?)
}
