//! Bringing a subscription's rows up to what Stripe says, and settling the events that asked
//! for it, in one transaction.

use domain::audit::{Cause, Origin};
use domain::create_tenant::CreateTenantInput;
use domain::ids::{EventId, TenantId};
use domain::license::Derived;
use domain::refusal::Refusal;
use domain::steps::FailedEvents;
use domain::stripe::{StripeSubscription, tagged_tenant};
use domain::sync_subscription::Handled;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::events::names;
use crate::license_count::Why;
use crate::{Error, Import, Store, Ticket, customers, events, tenants};

/// One read of a subscription, and the events that were taken up before it.
#[derive(Debug)]
pub struct Sync<'a> {
    /// What Stripe said.
    pub subscription: &'a StripeSubscription,
    /// Taken before Stripe was asked, and after the events were taken up.
    pub ticket: Ticket,
    /// Exactly these are settled.
    pub events: &'a [EventId],
}

/// What became of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// The rows of this tenant say what Stripe says.
    Written(TenantId, Handled),
    /// The customer has no tenant; nothing was written.
    NoTenant,
}

/// What to note on events whose customer has no tenant yet.
#[derive(Debug)]
pub struct Parking<'a> {
    /// Why, for a person.
    pub reason: &'a str,
    /// The onboarding to start if the store never does.
    pub purchase: Option<&'a CreateTenantInput>,
}

impl Store {
    /// Writes the subscription to its tenant's rows and settles the events. Writes nothing where
    /// its customer has no tenant.
    pub async fn sync_subscription(&self, sync: &Sync<'_>, origin: &Origin) -> Result<Synced, Error> {
        self.sync(sync, None, origin).await
    }

    /// The same, but parks the events where the customer has no tenant: it is looked for once
    /// more, under the lock that whoever makes the tenant takes too.
    pub async fn sync_or_park(&self, sync: &Sync<'_>, parking: &Parking<'_>, origin: &Origin) -> Result<Synced, Error> {
        self.sync(sync, Some(parking), origin).await
    }

    async fn sync(&self, sync: &Sync<'_>, parking: Option<&Parking<'_>>, origin: &Origin) -> Result<Synced, Error> {
        let mut tx = self.pool.begin().await?;
        let customer = &sync.subscription.customer;
        events::lock_customer(&mut tx, customer).await?;
        let Some(tenant) = self.tenant_of(&mut tx, sync.subscription).await? else {
            let Some(parking) = parking else { return Ok(Synced::NoTenant) };
            park(&mut tx, sync, parking, origin).await?;
            tx.commit().await?;
            return Ok(Synced::NoTenant);
        };
        let import = Import { tenant, subscription: sync.subscription, ticket: sync.ticket };
        let why = Why { cause: Cause::SubscriptionEvent, origin, events: sync.events };
        let derived = self.write(&mut tx, &import, &why).await?;
        if let Some(refusal) = withheld_by(derived, sync.subscription) {
            // The rows are written all the same. The events stay open, for their run to fail them.
            tx.commit().await?;
            return Err(refusal.into());
        }
        let handled = settle(&mut tx, sync, tenant, origin).await?;
        tx.commit().await?;
        Ok(Synced::Written(tenant, handled))
    }

    /// Whose the subscription is: of the tenant that it is tagged with, if there is such a tenant,
    /// else of its customer's. When the two disagree nothing is guessed.
    pub(crate) async fn tenant_of(
        &self,
        db: &mut PgConnection,
        subscription: &StripeSubscription,
    ) -> Result<Option<TenantId>, Error> {
        let row = customers::tenant_of(&mut *db, &subscription.customer).await?;
        let tag = match tagged_tenant(&subscription.metadata) {
            Some(tag) if tenants::exists(db, tag).await? => Some(tag),
            Some(_) | None => None,
        };
        match (row, tag) {
            (Some(one), Some(other)) if one != other => Err(Refusal::TwoTenants { one, other }.into()),
            (None, Some(tenant)) if tenant == self.master => Err(Refusal::PurchaseOfMaster(tenant).into()),
            (row, tag) => Ok(row.or(tag)),
        }
    }

    /// Notes on the events why they could not be settled.
    pub async fn fail_events(&self, failed: &FailedEvents, origin: &Origin) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE stripe_webhook_events SET processing_status = 'failed', processing_error = $3,
                 processed_at = now(), settled_by_run = $4, stranded_purchase = NULL
             WHERE stripe_event_id IN (
                 SELECT stripe_event_id FROM stripe_webhook_events
                 WHERE stripe_event_id = ANY($1) AND object_id = $2 AND processing_status IN ('pending', 'parked')
                 ORDER BY stripe_event_id FOR UPDATE)",
            &names(&failed.of.event_ids),
            failed.of.stripe_subscription_id.as_str(),
            format!("{}: {}", failed.error.kind, failed.error.message),
            origin.run_id,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Why the count is withheld, if it is this subscription's doing.
fn withheld_by(derived: Derived, subscription: &StripeSubscription) -> Option<Refusal> {
    let Derived::Withheld(refusal) = derived else { return None };
    let is_ours = matches!(&refusal, Refusal::AmbiguousItem(id) | Refusal::Metered(id) if *id == subscription.id);
    is_ours.then_some(refusal)
}

async fn park(db: &mut PgConnection, sync: &Sync<'_>, parking: &Parking<'_>, origin: &Origin) -> Result<(), Error> {
    // What was judged of the same subscription before is outdated, so its other events take part.
    sqlx::query!(
        "WITH theirs AS (
             SELECT stripe_event_id FROM stripe_webhook_events
             WHERE object_id = $2 AND (processing_status = 'parked'
                                       OR processing_status = 'pending' AND stripe_event_id = ANY($1))
             ORDER BY stripe_event_id FOR UPDATE)
         UPDATE stripe_webhook_events event SET processing_status = 'parked', processing_error = $4,
             stripe_customer_external_id = $3, stranded_purchase = $5, settled_by_run = $6, next_attempt_at = now()
         FROM theirs WHERE event.stripe_event_id = theirs.stripe_event_id",
        &names(sync.events),
        sync.subscription.id.as_str(),
        sync.subscription.customer.as_str(),
        parking.reason,
        parking.purchase.map(Json) as _,
        origin.run_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Settles the events that are still open, or that this very run had failed: `completed`, or
/// `superseded` where the same change was told by an event that is settled already, or by an
/// earlier one among these. Their rows are locked.
async fn settle(db: &mut PgConnection, sync: &Sync<'_>, tenant: TenantId, origin: &Origin) -> Result<Handled, Error> {
    let query = sqlx::query_scalar!(
        "WITH open AS (
             SELECT stripe_event_id, snapshot_event_id, created_at FROM stripe_webhook_events
             WHERE stripe_event_id = ANY($1) AND object_id = $5
               AND (processing_status IN ('pending', 'parked')
                    OR processing_status = 'failed' AND settled_by_run = $4)
         ), told AS (
             SELECT e.stripe_event_id, (
                 SELECT twin.stripe_event_id FROM stripe_webhook_events twin
                 WHERE twin.stripe_event_id <> e.stripe_event_id
                   AND (twin.stripe_event_id = e.snapshot_event_id OR twin.snapshot_event_id = e.stripe_event_id
                        OR twin.snapshot_event_id = e.snapshot_event_id)
                   AND (twin.processing_status IN ('completed', 'superseded')
                        OR twin.stripe_event_id IN (SELECT stripe_event_id FROM open)
                           AND (twin.created_at, twin.stripe_event_id) < (e.created_at, e.stripe_event_id))
                 ORDER BY twin.created_at, twin.stripe_event_id LIMIT 1) AS twin
             FROM open e)
         UPDATE stripe_webhook_events e SET
             processing_status = CASE WHEN twin IS NULL THEN 'completed' ELSE 'superseded' END,
             processing_error = 'the same change was told by ' || twin,
             processed_at = now(), subject_tenant = $2, stripe_customer_external_id = $3, settled_by_run = $4,
             stranded_purchase = NULL
         FROM told WHERE e.stripe_event_id = told.stripe_event_id
         RETURNING e.processing_status",
        &names(sync.events),
        tenant.as_uuid(),
        sync.subscription.customer.as_str(),
        origin.run_id,
        sync.subscription.id.as_str(),
    );
    let settled = query.fetch_all(db).await?;
    let superseded = settled.iter().filter(|status| *status == "superseded").count();
    Ok(Handled {
        completed: settled.len() - superseded,
        superseded,
        settled_before: sync.events.len().saturating_sub(settled.len()),
        ..Handled::default()
    })
}
