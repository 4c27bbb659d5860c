//! Repairing what a comparison with Stripe found, the way any sync writes.

use domain::audit::{Cause, Origin};
use domain::ids::{StripeSubscriptionId, TenantId};
use domain::license::Derived;
use domain::reconcile::DriftKind;
use domain::stripe::StripeSubscription;
use domain::walk::WalkId;
use sqlx::PgConnection;

use crate::error::unreadable;
use crate::findings::kind;
use crate::license_count::{self, Why};
use crate::{Error, Import, Store, Ticket, events};

/// Something that a repair may try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repairable {
    /// What is wrong.
    pub kind: DriftKind,
    /// With what; a count names its tenant here.
    pub subject: String,
    /// Whose it is.
    pub tenant: TenantId,
}

impl Repairable {
    /// The subscription that it is about.
    pub fn subscription(&self) -> Result<StripeSubscriptionId, Error> {
        self.subject.parse().map_err(|_| unreadable("reconcile_findings", "subject"))
    }
}

impl Store {
    /// The next finding to repair. Rows come before counts, which follow from them, and tags last.
    pub async fn next_repairable(&self, walk: WalkId) -> Result<Option<Repairable>, Error> {
        let query = sqlx::query!(
            "SELECT kind, subject, tenant AS \"tenant!\" FROM reconcile_findings
             WHERE walk = $1 AND repaired_at IS NULL AND reason IS NULL AND tenant IS NOT NULL
               AND kind IN ('missing_row', 'stale_row', 'wrong_count', 'untagged')
             ORDER BY CASE kind WHEN 'wrong_count' THEN 1 WHEN 'untagged' THEN 2 ELSE 0 END, kind, subject LIMIT 1",
            walk.as_uuid(),
        );
        let Some(row) = query.fetch_optional(&self.pool).await? else { return Ok(None) };
        Ok(Some(Repairable { kind: kind(&row.kind)?, subject: row.subject, tenant: row.tenant.into() }))
    }

    /// Writes what was read of a subscription, as the sync of an event does.
    pub async fn repair_subscription(
        &self,
        walk: WalkId,
        repairable: &Repairable,
        (subscription, ticket): (&StripeSubscription, Ticket),
        origin: &Origin,
    ) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        events::lock_customer(&mut tx, &subscription.customer).await?;
        // Looked for once more, under the lock: an onboarding may have come in between.
        let tenant = self.tenant_of(&mut tx, subscription).await?.unwrap_or(repairable.tenant);
        let why = Why { cause: Cause::Reconciliation, origin, events: &[] };
        self.write(&mut tx, &Import { tenant, subscription, ticket }, &why).await?;
        repaired(&mut tx, walk, repairable).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Derives a tenant's count from its rows. Where one of those could not be repaired, neither is
    /// the count that follows from it.
    pub async fn repair_count(&self, walk: WalkId, repairable: &Repairable, origin: &Origin) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        license_count::lock_tenant(&mut tx, repairable.tenant).await?;
        let why = Why { cause: Cause::Reconciliation, origin, events: &[] };
        if let Derived::Withheld(refusal) = license_count::apply(&mut tx, repairable.tenant, &self.rules, &why).await? {
            tx.commit().await?;
            return Err(refusal.into());
        }
        match misfit_of(&mut tx, walk, repairable.tenant).await? {
            Some(misfit) => leave(&mut tx, walk, repairable, &format!("{misfit} could not be repaired")).await?,
            None => repaired(&mut tx, walk, repairable).await?,
        }
        tx.commit().await?;
        Ok(())
    }

    /// Notes that it is repaired.
    pub async fn note_repaired(&self, walk: WalkId, repairable: &Repairable) -> Result<(), Error> {
        repaired(&mut *self.pool.acquire().await?, walk, repairable).await
    }

    /// Notes why it is left to a person.
    pub async fn leave_finding(&self, walk: WalkId, repairable: &Repairable, reason: &str) -> Result<(), Error> {
        leave(&mut *self.pool.acquire().await?, walk, repairable, reason).await
    }
}

/// A row of the tenant that stays as it is.
async fn misfit_of(db: &mut PgConnection, walk: WalkId, tenant: TenantId) -> Result<Option<String>, Error> {
    let query = sqlx::query_scalar!(
        "SELECT subject FROM reconcile_findings
         WHERE walk = $1 AND tenant = $2 AND kind IN ('missing_row', 'stale_row') AND repaired_at IS NULL
         ORDER BY subject LIMIT 1",
        walk.as_uuid(),
        tenant.as_uuid(),
    );
    Ok(query.fetch_optional(db).await?)
}

async fn repaired(db: &mut PgConnection, walk: WalkId, repairable: &Repairable) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE reconcile_findings SET repaired_at = now() WHERE walk = $1 AND kind = $2 AND subject = $3",
        walk.as_uuid(),
        repairable.kind.as_str(),
        repairable.subject,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn leave(db: &mut PgConnection, walk: WalkId, repairable: &Repairable, reason: &str) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE reconcile_findings SET reason = $4
         WHERE walk = $1 AND kind = $2 AND subject = $3 AND repaired_at IS NULL",
        walk.as_uuid(),
        repairable.kind.as_str(),
        repairable.subject,
        reason,
    )
    .execute(db)
    .await?;
    Ok(())
}
