//! What an import made of each tenant, as a person wants to see it.

use domain::ids::TenantId;
use domain::import_customers::Outcome;
use domain::walk::WalkId;
use uuid::Uuid;

use crate::error::unreadable;
use crate::{Error, Store};

/// What became of a tenant in an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeView {
    /// The tenant.
    pub tenant: TenantId,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// `cus_…`, where one was found.
    pub customer: Option<String>,
    /// `sub_…` of each that was found with it.
    pub subscriptions: Vec<String>,
}

impl Store {
    /// The next tenants that have one of these outcomes in an import, by their ids, from behind
    /// `after` on. A tenant that a stopped import did not get to has none yet.
    pub async fn outcomes(
        &self,
        walk: WalkId,
        of: &[Outcome],
        after: Option<TenantId>,
        limit: i64,
    ) -> Result<Vec<OutcomeView>, Error> {
        let names: Vec<String> = of.iter().map(|outcome| outcome.as_str().to_owned()).collect();
        let rows = sqlx::query_as!(
            Row,
            "SELECT tenant, outcome AS \"outcome!\", reason, stripe_customer_external_id AS customer,
                    stripe_subscription_external_ids AS subscriptions
             FROM import_outcomes
             WHERE walk = $1 AND outcome = ANY($2) AND ($3::uuid IS NULL OR tenant > $3)
             ORDER BY tenant LIMIT $4",
            walk.as_uuid(),
            &names,
            after.map(|tenant| tenant.as_uuid()),
            limit,
        );
        rows.fetch_all(&self.pool).await?.into_iter().map(Row::read).collect()
    }
}

struct Row {
    tenant: Uuid,
    outcome: String,
    reason: Option<String>,
    customer: Option<String>,
    subscriptions: Vec<String>,
}

impl Row {
    fn read(self) -> Result<OutcomeView, Error> {
        Ok(OutcomeView {
            tenant: self.tenant.into(),
            outcome: self.outcome.parse().map_err(|_| unreadable("import_outcomes", "outcome"))?,
            reason: self.reason,
            customer: self.customer,
            subscriptions: self.subscriptions,
        })
    }
}
