//! A tenant as a person wants to see it.

use chrono::{DateTime, Utc};
use domain::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::{Error, Store};

/// How a person names a tenant.
#[derive(Clone, Debug)]
pub enum Whose {
    /// By its id.
    Tenant(TenantId),
    /// By its customer.
    Customer(StripeCustomerId),
    /// By one of its subscriptions.
    Subscription(StripeSubscriptionId),
}

/// A tenant with what belongs to it.
#[derive(Clone, Debug)]
pub struct TenantView {
    /// Its id.
    pub tenant: Uuid,
    /// Its name.
    pub client_name: String,
    /// Its e-mail.
    pub email: String,
    /// Its licences; none is no limit.
    pub licensed_user_count: Option<i32>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The run that made it.
    pub created_by_run: Option<String>,
    /// The workflow of that run.
    pub created_by_workflow: Option<String>,
    /// Its customer at Stripe.
    pub stripe_customer_id: Option<String>,
    /// Its subscriptions, newest first.
    pub subscriptions: Vec<SubscriptionView>,
    /// What last changed its count.
    pub last_change: Option<LicenseChangeView>,
}

/// One subscription of a tenant.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    /// `sub_…`.
    pub id: String,
    /// What Stripe said last.
    pub status: String,
    /// Its licences; none where the licence item cannot be told or is metered.
    pub quantity: Option<i32>,
    /// `si_…` of the licence item.
    pub item: Option<String>,
    /// `price_…` of the licence item.
    pub price: Option<String>,
    /// End of the paid period.
    pub current_period_end: Option<DateTime<Utc>>,
    /// When it will end, if that is known.
    pub cancel_at: Option<DateTime<Utc>>,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// Whether it is an add-on, which licenses nobody.
    pub is_add_on: bool,
    /// When Stripe made it.
    pub stripe_created_at: DateTime<Utc>,
    /// The quantity that it will have, if a change waits.
    pub scheduled_quantity: Option<i32>,
    /// From when on.
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// One row of `license_changes`.
#[derive(Clone, Debug)]
pub struct LicenseChangeView {
    /// Before.
    pub from_count: Option<i32>,
    /// After.
    pub to_count: i32,
    /// See [`domain::audit::Cause`].
    pub cause: String,
    /// The workflow that did it.
    pub workflow_id: String,
    /// And its run.
    pub run_id: String,
    /// When.
    pub changed_at: DateTime<Utc>,
}

/// What is read in several statements is read as it was at one moment: else a sync in between
/// would look like a count that does not follow from its subscriptions.
const AT_ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Store {
    /// The tenant, or none.
    pub async fn show(&self, whose: &Whose) -> Result<Option<TenantView>, Error> {
        let Some(tenant) = self.find(whose).await? else { return Ok(None) };
        view(&mut *self.at_one_moment().await?, tenant).await
    }

    /// A transaction to look at several tables in.
    pub(crate) async fn at_one_moment(&self) -> Result<Transaction<'static, Postgres>, Error> {
        Ok(self.pool.begin_with(AT_ONE_MOMENT).await?)
    }

    /// Which tenant it is, which never changes.
    pub(crate) async fn find(&self, whose: &Whose) -> Result<Option<TenantId>, Error> {
        match whose {
            Whose::Tenant(tenant) => Ok(Some(*tenant)),
            Whose::Customer(customer) => self.tenant_of_customer(customer).await,
            Whose::Subscription(subscription) => self.tenant_of_subscription(subscription).await,
        }
    }
}

/// The tenant, or none.
pub(crate) async fn view(db: &mut PgConnection, tenant: TenantId) -> Result<Option<TenantView>, Error> {
    let row = sqlx::query!(
        "SELECT t.client_name, t.email, t.licensed_user_count, t.created_at, t.created_by_run,
                t.created_by_workflow,
                c.stripe_customer_external_id AS \"stripe_customer_id?\"
         FROM tenants t LEFT JOIN stripe_customers c USING (tenant) WHERE t.tenant = $1",
        tenant.as_uuid(),
    );
    let Some(row) = row.fetch_optional(&mut *db).await? else { return Ok(None) };
    Ok(Some(TenantView {
        tenant: tenant.as_uuid(),
        client_name: row.client_name,
        email: row.email,
        licensed_user_count: row.licensed_user_count,
        created_at: row.created_at,
        created_by_run: row.created_by_run,
        created_by_workflow: row.created_by_workflow,
        stripe_customer_id: row.stripe_customer_id,
        subscriptions: subscriptions_of(&mut *db, tenant).await?,
        last_change: last_change_of(db, tenant).await?,
    }))
}

async fn subscriptions_of(db: &mut PgConnection, tenant: TenantId) -> Result<Vec<SubscriptionView>, Error> {
    let query = sqlx::query_as!(
        SubscriptionView,
        "SELECT s.stripe_subscription_external_id AS id, s.status, s.quantity,
                s.stripe_subscription_item_id AS item, p.stripe_price_external_id AS \"price?\",
                s.current_period_end, s.cancel_at, s.cancel_at_period_end, s.is_add_on, s.stripe_created_at,
                s.scheduled_quantity, s.scheduled_at
         FROM stripe_subscriptions s LEFT JOIN stripe_prices p USING (stripe_price_id)
         WHERE s.tenant = $1 ORDER BY s.stripe_created_at DESC, id DESC",
        tenant.as_uuid(),
    );
    Ok(query.fetch_all(db).await?)
}

async fn last_change_of(db: &mut PgConnection, tenant: TenantId) -> Result<Option<LicenseChangeView>, Error> {
    let query = sqlx::query_as!(
        LicenseChangeView,
        "SELECT from_count, to_count, cause, workflow_id, run_id, changed_at FROM license_changes
         WHERE tenant = $1 ORDER BY license_change_id DESC LIMIT 1",
        tenant.as_uuid(),
    );
    Ok(query.fetch_optional(db).await?)
}
