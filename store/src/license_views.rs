//! A tenant's licences as a person wants to see them: what holds, and what was asked for.

use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::license::{Derived, derive};
use sqlx::PgConnection;

use crate::license_count::license_subscriptions;
use crate::show::{TenantView, Whose, view};
use crate::{Error, Store};

/// What holds of a tenant's licences.
#[derive(Clone, Debug)]
pub struct LicenseView {
    /// The tenant with its subscriptions.
    pub tenant: TenantView,
    /// What follows from them.
    pub derived: Derived,
    /// What a licence costs, by the subscription that counts.
    pub price: Option<PriceView>,
}

/// What one unit of a price costs.
#[derive(Clone, Debug)]
pub struct PriceView {
    /// In the currency's smallest unit; none for tiers.
    pub unit_amount: Option<i64>,
    /// ISO 4217 in lower case.
    pub currency: String,
    /// `day`, `week`, `month` or `year`.
    pub interval: Option<String>,
    /// How many of them.
    pub interval_count: Option<i32>,
}

/// Something that happened to a tenant's licences: the count changed, or a change was asked for.
#[derive(Clone, Debug)]
pub struct LicenseHistoryRow {
    /// When it changed, or was asked for.
    pub at: DateTime<Utc>,
    /// Before; none was no limit, or is not known.
    pub from_count: Option<i32>,
    /// After, or what was asked for.
    pub to_count: i32,
    /// See [`domain::audit::Cause`].
    pub cause: String,
    /// Whether it was asked for here.
    pub is_request: bool,
    /// Who asked, where that was said.
    pub requested_by: Option<String>,
    /// What came of the request: see [`domain::change_license::Outcome`]; none while it runs, and
    /// where it failed.
    pub outcome: Option<String>,
    /// When the number that was asked for holds.
    pub effective_at: Option<DateTime<Utc>>,
    /// The number of a waiting change that was taken back on the way.
    pub taken_back_count: Option<i32>,
    /// What the request failed with, see [`domain::failure::FailureKind`].
    pub failure_kind: Option<String>,
    /// And in words.
    pub failure_message: Option<String>,
    /// The workflow that did it.
    pub workflow_id: String,
    /// And its run.
    pub run_id: String,
}

impl Store {
    /// What holds of the tenant's licences, or none where there is no such tenant.
    pub async fn license_view(&self, whose: &Whose) -> Result<Option<LicenseView>, Error> {
        let Some(id) = self.find(whose).await? else { return Ok(None) };
        let mut tx = self.at_one_moment().await?;
        let Some(tenant) = view(&mut tx, id).await? else { return Ok(None) };
        let derived = derive(&license_subscriptions(&mut tx, id).await?, &self.rules);
        let price = match &derived {
            Derived::Count(_, Some(counting)) => price_of(&mut tx, counting.as_str()).await?,
            Derived::Count(_, None) | Derived::Keep | Derived::Withheld(_) => None,
        };
        Ok(Some(LicenseView { tenant, derived, price }))
    }

    /// The newest `limit` things that happened to the tenant's licences, newest first; none where
    /// there is no such tenant. A change that is what its request asked for is one with it, also
    /// where Stripe's event of the change was faster than the run that made it.
    pub async fn license_history(
        &self,
        whose: &Whose,
        limit: u32,
    ) -> Result<Option<(TenantView, Vec<LicenseHistoryRow>)>, Error> {
        let Some(id) = self.find(whose).await? else { return Ok(None) };
        let mut tx = self.at_one_moment().await?;
        let Some(tenant) = view(&mut tx, id).await? else { return Ok(None) };
        Ok(Some((tenant, history_of(&mut tx, id, limit).await?)))
    }
}

async fn price_of(db: &mut PgConnection, subscription: &str) -> Result<Option<PriceView>, Error> {
    let query = sqlx::query_as!(
        PriceView,
        "SELECT p.unit_amount, p.currency, p.recurring_interval AS interval,
                p.recurring_interval_count AS interval_count
         FROM stripe_subscriptions s JOIN stripe_prices p USING (stripe_price_id)
         WHERE s.stripe_subscription_external_id = $1",
        subscription,
    );
    Ok(query.fetch_optional(db).await?)
}

async fn history_of(db: &mut PgConnection, tenant: TenantId, limit: u32) -> Result<Vec<LicenseHistoryRow>, Error> {
    let query = sqlx::query_as!(
        LicenseHistoryRow,
        "SELECT at AS \"at!\", from_count, to_count AS \"to_count!\", cause AS \"cause!\",
                is_request AS \"is_request!\", requested_by, outcome, effective_at, taken_back_count,
                failure_kind, failure_message, workflow_id AS \"workflow_id!\", run_id AS \"run_id!\"
         FROM (
             SELECT c.changed_at AS at, c.license_change_id AS nth, c.from_count, c.to_count, c.cause,
                    false AS is_request, NULL::text AS requested_by, NULL::text AS outcome,
                    NULL::timestamptz AS effective_at, NULL::int AS taken_back_count,
                    NULL::text AS failure_kind, NULL::text AS failure_message, c.workflow_id, c.run_id
             FROM license_changes c
             WHERE c.tenant = $1 AND NOT EXISTS (
                 SELECT FROM license_requests r
                 WHERE r.tenant = c.tenant AND r.from_count = c.from_count AND r.to_count = c.to_count
                     AND (r.run_id = c.run_id OR r.outcome = 'changed' AND c.cause = 'subscription_event'
                         AND c.changed_at BETWEEN r.requested_at AND r.ended_at)
             )
             UNION ALL
             SELECT r.requested_at, r.license_request_id, r.from_count, r.to_count, 'license_change',
                    true, r.requested_by, r.outcome, r.effective_at, r.taken_back_count,
                    r.failure_kind, r.failure_message, r.workflow_id, r.run_id
             FROM license_requests r WHERE r.tenant = $1
         ) AS happened ORDER BY at DESC, nth DESC LIMIT $2",
        tenant.as_uuid(),
        i64::from(limit),
    );
    Ok(query.fetch_all(db).await?)
}
