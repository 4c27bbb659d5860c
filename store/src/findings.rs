//! What a comparison with Stripe found: noted once, weighed, shown, and marked when it is repaired.

use chrono::{DateTime, Utc};
use domain::ids::{StripeSubscriptionId, TenantId};
use domain::reconcile::{Drift, DriftKind, MassFall};
use domain::steps::Weighed;
use domain::walk::WalkId;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::unreadable;
use crate::{Error, Store};

/// Something that differs.
#[derive(Clone, Debug)]
pub(crate) struct NewFinding {
    pub(crate) kind: DriftKind,
    /// The subscription, or the tenant of a count.
    pub(crate) subject: String,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) customer: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) ours: Value,
    pub(crate) stripes: Value,
    /// Why a repair must not try.
    pub(crate) reason: Option<String>,
}

impl NewFinding {
    /// About a subscription; the rest is still to be said.
    pub(crate) fn of_subscription(kind: DriftKind, id: &StripeSubscriptionId) -> Self {
        Self {
            kind,
            subject: id.to_string(),
            tenant: None,
            customer: None,
            subscription: Some(id.to_string()),
            ours: Value::Null,
            stripes: Value::Null,
            reason: None,
        }
    }

    /// About a count, and the subscription that it should come from.
    pub(crate) fn of_count(tenant: TenantId, from: Option<&StripeSubscriptionId>) -> Self {
        Self {
            kind: DriftKind::WrongCount,
            subject: tenant.to_string(),
            tenant: Some(tenant),
            customer: None,
            subscription: from.map(StripeSubscriptionId::to_string),
            ours: Value::Null,
            stripes: Value::Null,
            reason: None,
        }
    }
}

/// A finding as a person wants to see it.
#[derive(Clone, Debug)]
pub struct FindingView {
    /// What is wrong.
    pub kind: DriftKind,
    /// With whom; none where it is nobody's.
    pub tenant: Option<Uuid>,
    /// `cus_…`.
    pub customer: Option<String>,
    /// `sub_…`.
    pub subscription: Option<String>,
    /// What we have.
    pub ours: Value,
    /// What Stripe has.
    pub stripes: Value,
    /// Why it is left to a person.
    pub reason: Option<String>,
    /// When it was found.
    pub found_at: DateTime<Utc>,
    /// When it was repaired.
    pub repaired_at: Option<DateTime<Utc>>,
}

impl Store {
    /// How much a walk found, how much of it is repaired, and who would fall to 0 by the rest. No limit
    /// (NULL) is a licence too.
    pub async fn weigh_drift(&self, walk: WalkId) -> Result<Weighed, Error> {
        let mut drift = Drift::default();
        let query = sqlx::query!(
            "SELECT kind, count(*) AS \"found!\", count(repaired_at) AS \"repaired!\"
             FROM reconcile_findings WHERE walk = $1 GROUP BY kind",
            walk.as_uuid(),
        );
        for row in query.fetch_all(&self.pool).await? {
            let kind = kind(&row.kind)?;
            drift.found.insert(kind, number(row.found));
            drift.repaired.extend((row.repaired > 0).then(|| (kind, number(row.repaired))));
        }
        let fall = sqlx::query!(
            "SELECT (SELECT count(*) FROM reconcile_findings
                     WHERE walk = $1 AND kind = 'wrong_count' AND repaired_at IS NULL
                       AND stripes = '0' AND ours <> '0') AS \"falling!\",
                    (SELECT count(*) FROM tenants
                     WHERE licensed_user_count IS DISTINCT FROM 0 AND NOT is_master_billing) AS \"licensed!\"",
            walk.as_uuid(),
        );
        let fall = fall.fetch_one(&self.pool).await?;
        let walk = sqlx::query!("SELECT events_fed, events_pruned FROM walks WHERE walk = $1", walk.as_uuid());
        let walk = walk.fetch_one(&self.pool).await?;
        Ok(Weighed {
            drift,
            fall: MassFall { falling: number(fall.falling), licensed: number(fall.licensed) },
            events_fed: number(walk.events_fed.into()),
            events_pruned: number(walk.events_pruned.into()),
        })
    }

    /// The walk that a run opened; none where it did not come so far.
    pub async fn walk_of_run(&self, run_id: &str) -> Result<Option<WalkId>, Error> {
        let query = sqlx::query_scalar!("SELECT walk FROM walks WHERE kind = 'reconcile' AND run_id = $1", run_id);
        Ok(query.fetch_optional(&self.pool).await?.map(WalkId::from))
    }

    /// All that a walk found, kind by kind.
    pub async fn findings(&self, walk: WalkId) -> Result<Vec<FindingView>, Error> {
        let query = sqlx::query!(
            "SELECT kind, tenant, stripe_customer_external_id AS customer, stripe_subscription_external_id AS subscription,
                    ours, stripes, reason, found_at, repaired_at
             FROM reconcile_findings WHERE walk = $1 ORDER BY kind, subject",
            walk.as_uuid(),
        );
        let rows = query.fetch_all(&self.pool).await?.into_iter();
        rows.map(|row| {
            Ok(FindingView {
                kind: kind(&row.kind)?,
                tenant: row.tenant,
                customer: row.customer,
                subscription: row.subscription,
                ours: row.ours.unwrap_or_default(),
                stripes: row.stripes.unwrap_or_default(),
                reason: row.reason,
                found_at: row.found_at,
                repaired_at: row.repaired_at,
            })
        })
        .collect()
    }
}

/// Notes findings of a walk. What is noted already, by an earlier attempt, is said anew.
pub(crate) async fn note(db: &mut PgConnection, walk: WalkId, found: &[NewFinding]) -> Result<(), Error> {
    let column = |of: fn(&NewFinding) -> Option<String>| found.iter().map(of).collect::<Vec<_>>();
    let tenants: Vec<_> = found.iter().map(|one| one.tenant.map(TenantId::as_uuid)).collect();
    let value = |of: fn(&NewFinding) -> &Value| found.iter().map(of).cloned().collect::<Vec<_>>();
    sqlx::query!(
        "INSERT INTO reconcile_findings AS mine
             (walk, kind, subject, tenant, stripe_customer_external_id, stripe_subscription_external_id, ours, stripes,
              reason)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[],
                                  $9::text[])
         ON CONFLICT (walk, kind, subject) DO UPDATE SET
             tenant = excluded.tenant, ours = excluded.ours, stripes = excluded.stripes, reason = excluded.reason
         WHERE mine.repaired_at IS NULL",
        walk.as_uuid(),
        &column(|one| Some(one.kind.as_str().to_owned())) as &[Option<String>],
        &column(|one| Some(one.subject.clone())) as &[Option<String>],
        &tenants as &[Option<Uuid>],
        &column(|one| one.customer.clone()) as &[Option<String>],
        &column(|one| one.subscription.clone()) as &[Option<String>],
        &value(|one| &one.ours),
        &value(|one| &one.stripes),
        &column(|one| one.reason.clone()) as &[Option<String>],
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) fn kind(stored: &str) -> Result<DriftKind, Error> {
    stored.parse().map_err(|_| unreadable("reconcile_findings", "kind"))
}

fn number(of: i64) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
