//! Finding each tenant's customer among those that an import staged.

use std::collections::BTreeMap;

use domain::ids::{StripeCustomerId, TenantId};
use domain::import_customers::Outcome;
use domain::import_judge::{Candidate, Case, Judgement};
use domain::steps::Judged;
use domain::walk::WalkId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::unreadable;
use crate::{Error, Store, import_progress};

/// Tenants that are judged in one transaction.
const AT_ONCE: i64 = 500;

impl Store {
    /// Judges the next tenants of the import: those that were there when it began, and are not the
    /// master billing tenant.
    pub async fn judge_tenants(&self, walk: WalkId) -> Result<Judged, Error> {
        let mut tx = self.pool.begin().await?;
        import_progress::lock(&mut tx, walk).await?;
        let cases = self.cases(&mut tx, walk).await?;
        let done = cases.is_empty();
        note(&mut tx, walk, &cases).await?;
        if done {
            sqlx::query!("UPDATE walks SET judged_at = coalesce(judged_at, now()) WHERE walk = $1", walk.as_uuid())
                .execute(&mut *tx)
                .await?;
        }
        let progress = import_progress::of(&mut tx, walk).await?;
        tx.commit().await?;
        Ok(Judged { done, progress })
    }

    /// `NOT IN` is a hashed list. Of a walk that has just begun the planner knows no rows, and for
    /// `NOT EXISTS` it would compare each tenant with each that was judged.
    async fn cases(&self, db: &mut PgConnection, walk: WalkId) -> Result<Vec<Case>, Error> {
        let rows = sqlx::query_as!(
            CaseRow,
            "SELECT tenants.tenant, customer.stripe_customer_external_id AS \"own?\",
                    (SELECT count(*) FROM tenants other
                     WHERE other.email = tenants.email AND other.tenant <> tenants.tenant AND NOT other.is_master_billing)
                        AS \"namesakes!\"
             FROM walks JOIN tenants ON tenants.created_at <= walks.started_at AND NOT tenants.is_master_billing
                 AND (walks.tenant IS NULL OR walks.tenant = tenants.tenant)
             LEFT JOIN stripe_customers customer ON customer.tenant = tenants.tenant
             WHERE walks.walk = $1 AND tenants.tenant NOT IN (
                 SELECT judged.tenant FROM import_outcomes judged WHERE judged.walk = $1)
             ORDER BY tenants.tenant LIMIT $2",
            walk.as_uuid(),
            AT_ONCE,
        );
        let rows = rows.fetch_all(&mut *db).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.tenant).collect();
        let mut candidates = self.candidates(db, walk, &ids).await?;
        rows.into_iter()
            .map(|row| {
                let candidates = candidates.remove(&row.tenant).unwrap_or_default();
                row.read(candidates)
            })
            .collect()
    }

    /// The staged customers with a tenant's e-mail, and the one that its row names, by tenant.
    async fn candidates(
        &self,
        db: &mut PgConnection,
        walk: WalkId,
        tenants: &[Uuid],
    ) -> Result<BTreeMap<Uuid, Vec<Candidate>>, Error> {
        let live: Vec<String> = self.rules.live.iter().map(|status| status.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            "WITH possible AS (
                 SELECT tenants.tenant, staged.stripe_customer_external_id
                 FROM tenants JOIN staged_customers staged ON staged.walk = $1 AND staged.email_key = tenants.email
                 WHERE tenants.tenant = ANY($2)
                 UNION
                 SELECT own.tenant, staged.stripe_customer_external_id
                 FROM stripe_customers own JOIN staged_customers staged USING (stripe_customer_external_id)
                 WHERE own.tenant = ANY($2) AND staged.walk = $1)
             SELECT possible.tenant AS \"tenant!\", staged.stripe_customer_external_id AS \"customer!\",
                    EXISTS (SELECT FROM staged_subscriptions s
                            WHERE s.walk = $1 AND s.stripe_customer_external_id = staged.stripe_customer_external_id
                              AND s.status = ANY($3) AND NOT s.is_add_on) AS \"is_live!\",
                    -- Of a purchase that is older, the onboarding was done elsewhere or never will be.
                    coalesce(staged.body -> 'metadata' ->> 'pending_tenant', 'false') NOT IN ('', 'false')
                        AND EXISTS (SELECT FROM staged_subscriptions s
                            WHERE s.walk = $1 AND s.stripe_customer_external_id = staged.stripe_customer_external_id
                              AND (s.body ->> 'created')::bigint > extract(epoch FROM now() - interval '1 day'))
                        AS \"is_pending!\",
                    theirs.tenant AS \"row?\", tagged.tenant AS \"tag?\"
             FROM possible
             JOIN staged_customers staged USING (stripe_customer_external_id)
             LEFT JOIN stripe_customers theirs USING (stripe_customer_external_id)
             LEFT JOIN tenants tagged ON tagged.tenant = CASE
                 WHEN staged.body -> 'metadata' ->> 'tenant_id'
                     ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
                 THEN (staged.body -> 'metadata' ->> 'tenant_id')::uuid END
             WHERE staged.walk = $1 ORDER BY 1, 2",
            walk.as_uuid(),
            tenants,
            &live,
        );
        let mut found: BTreeMap<Uuid, Vec<Candidate>> = BTreeMap::new();
        for row in rows.fetch_all(db).await? {
            let customer = row.customer.parse().map_err(|_| unreadable(STAGED, "stripe_customer_external_id"))?;
            let (whose, tag) = (row.row.map(TenantId::from), row.tag.map(TenantId::from));
            let candidate = Candidate { customer, is_live: row.is_live, is_pending: row.is_pending, row: whose, tag };
            found.entry(row.tenant).or_default().push(candidate);
        }
        Ok(found)
    }
}

const STAGED: &str = "staged_customers";

struct CaseRow {
    tenant: Uuid,
    own: Option<String>,
    namesakes: i64,
}

impl CaseRow {
    fn read(self, candidates: Vec<Candidate>) -> Result<Case, Error> {
        let own =
            self.own.map(|id| id.parse().map_err(|_| unreadable("stripe_customers", "stripe_customer_external_id")));
        Ok(Case { tenant: self.tenant.into(), own: own.transpose()?, namesakes: self.namesakes, candidates })
    }
}

/// Notes what is to become of each, which is also what became of it where nothing is to be written.
async fn note(db: &mut PgConnection, walk: WalkId, cases: &[Case]) -> Result<(), Error> {
    let (mut tenants, mut judged, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut reasons, mut customers) = (Vec::new(), Vec::new());
    for case in cases {
        let (outcome, is_final, reason, customer) = verdict(case);
        tenants.push(case.tenant.as_uuid());
        judged.push(outcome.as_str().to_owned());
        outcomes.push(is_final.then(|| outcome.as_str().to_owned()));
        reasons.push(reason);
        customers.push(customer);
    }
    sqlx::query!(
        "INSERT INTO import_outcomes
             (tenant, walk, judged, outcome, reason, stripe_customer_external_id, dry_run, settled_at)
         SELECT t.tenant, $1, judged, outcome, reason, customer, walks.dry_run,
                CASE WHEN outcome IS NOT NULL THEN now() END
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
                  AS t (tenant, judged, outcome, reason, customer), walks
         WHERE walks.walk = $1",
        walk.as_uuid(),
        &tenants,
        &judged,
        &outcomes as &[Option<String>],
        &reasons as &[Option<String>],
        &customers as &[Option<String>],
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The outcome, whether that is the end of it, why, and the customer.
fn verdict(case: &Case) -> (Outcome, bool, Option<String>, Option<String>) {
    match case.judge() {
        Judgement::Customer(found) => {
            let outcome = if found.is_live { Outcome::Imported } else { Outcome::NoLiveSubscription };
            (outcome, false, None, Some(found.customer.to_string()))
        }
        Judgement::NoCustomer => (Outcome::NoCustomer, true, None, None),
        Judgement::Ambiguous(reason) => (Outcome::Ambiguous, true, Some(reason), None),
        Judgement::Conflict(reason) => {
            (Outcome::Failed, true, Some(reason), case.own.as_ref().map(StripeCustomerId::to_string))
        }
    }
}
