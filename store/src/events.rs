//! Events that wait for their customer to have a tenant.

use domain::ids::{EventId, StripeCustomerId};
use sqlx::PgConnection;

use crate::Error;

/// Holds the customer until the transaction ends. Parking an event and giving a customer its
/// tenant both take this lock first, so that no event is parked behind the release's back.
pub(crate) async fn lock_customer(db: &mut PgConnection, customer: &StripeCustomerId) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", customer.as_str()).fetch_one(db).await?;
    Ok(())
}

/// Sets the customer's parked events to `pending`; the relay hands them over again. Locks `mine` in
/// the same go: whoever locks several events takes them in the order of their ids.
pub(crate) async fn release_parked(
    db: &mut PgConnection,
    customer: &StripeCustomerId,
    mine: &[EventId],
) -> Result<(), Error> {
    sqlx::query!(
        "WITH theirs AS (
             SELECT stripe_event_id, processing_status FROM stripe_webhook_events
             WHERE processing_status = 'parked' AND stripe_customer_external_id = $1 OR stripe_event_id = ANY($2)
             ORDER BY stripe_event_id FOR UPDATE)
         UPDATE stripe_webhook_events event SET processing_status = 'pending', next_attempt_at = now(), attempts = 0
         FROM theirs WHERE event.stripe_event_id = theirs.stripe_event_id AND theirs.processing_status = 'parked'",
        customer.as_str(),
        &names(mine),
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) fn names(events: &[EventId]) -> Vec<String> {
    events.iter().map(EventId::to_string).collect()
}
