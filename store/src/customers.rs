//! Whose a Stripe customer is.

use domain::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::refusal::Refusal;
use domain::steps::NewStripeCustomer;
use sqlx::PgConnection;

use crate::error::unreadable;
use crate::{Error, Store};

/// Where a customer came from, in `stripe_customers.metadata`.
const SOURCE: &str = "nm_store_checkout";

impl Store {
    /// The tenant that has the customer.
    pub async fn tenant_of_customer(&self, customer: &StripeCustomerId) -> Result<Option<TenantId>, Error> {
        tenant_of(&mut *self.pool.acquire().await?, customer).await
    }

    /// The tenant that has the subscription.
    pub async fn tenant_of_subscription(&self, id: &StripeSubscriptionId) -> Result<Option<TenantId>, Error> {
        let query = sqlx::query_scalar!(
            "SELECT tenant FROM stripe_subscriptions WHERE stripe_subscription_external_id = $1",
            id.as_str()
        );
        Ok(query.fetch_optional(&self.pool).await?.map(TenantId::from))
    }

    /// Completes the row of a claimed customer. What it has is kept.
    pub async fn complete_customer(&self, new: &NewStripeCustomer) -> Result<(), Error> {
        let updated = sqlx::query!(
            "UPDATE stripe_customers SET
                 email = coalesce(email, $3),
                 name = coalesce(name, $4),
                 metadata = jsonb_build_object('source', $5::text, 'created_at', now()) || metadata,
                 updated_at = now()
             WHERE tenant = $1 AND stripe_customer_external_id = $2",
            new.tenant_id.as_uuid(),
            new.stripe_customer_id.as_str(),
            new.email.as_str(),
            new.client_name.as_str(),
            SOURCE,
        )
        .execute(&self.pool)
        .await?;
        if updated.rows_affected() == 1 {
            return Ok(());
        }
        let mut db = self.pool.acquire().await?;
        Err(refuse_second(&mut db, new.tenant_id, &new.stripe_customer_id).await?.into())
    }
}

/// Writes the bare row that says whose the customer is, unless that contradicts another row.
pub(crate) async fn claim(
    db: &mut PgConnection,
    tenant: TenantId,
    customer: &StripeCustomerId,
    billing_tenant: TenantId,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO stripe_customers (tenant, stripe_customer_external_id, billing_tenant) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        tenant.as_uuid(),
        customer.as_str(),
        billing_tenant.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn tenant_of(db: &mut PgConnection, customer: &StripeCustomerId) -> Result<Option<TenantId>, Error> {
    let query = sqlx::query_scalar!(
        "SELECT tenant FROM stripe_customers WHERE stripe_customer_external_id = $1",
        customer.as_str()
    );
    Ok(query.fetch_optional(db).await?.map(TenantId::from))
}

pub(crate) async fn customer_of(db: &mut PgConnection, tenant: TenantId) -> Result<Option<StripeCustomerId>, Error> {
    let query = sqlx::query_scalar!(
        "SELECT stripe_customer_external_id FROM stripe_customers WHERE tenant = $1",
        tenant.as_uuid()
    );
    let wrong = || unreadable("stripe_customers", "stripe_customer_external_id");
    query.fetch_optional(db).await?.map(|id| id.parse().map_err(|_| wrong())).transpose()
}

/// Why `customer` cannot be the customer of `tenant`.
pub(crate) async fn refuse_second(
    db: &mut PgConnection,
    tenant: TenantId,
    customer: &StripeCustomerId,
) -> Result<Refusal, Error> {
    Ok(match customer_of(db, tenant).await? {
        Some(owner) => Refusal::TenantOfAnotherCustomer { tenant, owner, customer: customer.clone() },
        None => Refusal::NoSuchTenant(tenant),
    })
}
