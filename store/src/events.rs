//! Events that wait for their customer to have a tenant.

use domain::ids::StripeCustomerId;
use sqlx::PgConnection;

use crate::Error;

/// Holds the customer until the transaction ends. Parking an event and giving a customer its
/// tenant both take this lock first, so that no event is parked behind the release's back.
pub(crate) async fn lock_customer(db: &mut PgConnection, customer: &StripeCustomerId) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", customer.as_str()).fetch_one(db).await?;
    Ok(())
}

/// Sets the customer's parked events to `pending`, as if they had never been tried; the relay hands
/// them over again.
pub(crate) async fn release_parked(db: &mut PgConnection, customer: &StripeCustomerId) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE stripe_webhook_events SET processing_status = 'pending', next_attempt_at = now(), attempts = 0
         WHERE stripe_event_id IN (
             SELECT stripe_event_id FROM stripe_webhook_events
             WHERE processing_status = 'parked' AND stripe_customer_external_id = $1
             ORDER BY stripe_event_id FOR UPDATE)",
        customer.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}
