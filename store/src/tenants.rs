//! Making a tenant, once.

use domain::audit::Origin;
use domain::ids::{StripeCustomerId, TenantId};
use domain::refusal::Refusal;
use domain::steps::{CreatedTenant, NewTenant};
use sqlx::PgConnection;

use crate::{Error, Store, customers, events};

impl Store {
    /// Whether there is such a tenant.
    pub async fn tenant_exists(&self, tenant: TenantId) -> Result<bool, Error> {
        exists(&mut *self.pool.acquire().await?, tenant).await
    }

    /// The tenant that an earlier run of this workflow made.
    pub async fn tenant_made_by(&self, workflow_id: &str) -> Result<Option<TenantId>, Error> {
        let query = sqlx::query_scalar!("SELECT tenant FROM tenants WHERE created_by_workflow = $1", workflow_id);
        Ok(query.fetch_optional(&self.pool).await?.map(TenantId::from))
    }

    /// Inserts the tenant *and* claims its customer, or neither. Whoever loses the customer
    /// writes nothing and goes on with the winner's tenant, or is refused if it was given
    /// another one. Answers the same on every attempt of the run.
    pub async fn create_tenant(&self, new: &NewTenant, origin: &Origin) -> Result<CreatedTenant, Error> {
        let mut tx = self.pool.begin().await?;
        if let Some(customer) = &new.stripe_customer_id {
            events::lock_customer(&mut tx, customer).await?;
        }
        insert(&mut tx, new, origin).await?;
        let tenant = match &new.stripe_customer_id {
            None => new.tenant_id,
            Some(customer) => self.claim(&mut tx, new, customer).await?,
        };
        if tenant == new.tenant_id {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        self.created(new, tenant, &origin.run_id).await
    }

    /// The tenant that has the customer afterwards: the new one, or whoever was first.
    async fn claim(
        &self,
        db: &mut PgConnection,
        new: &NewTenant,
        customer: &StripeCustomerId,
    ) -> Result<TenantId, Error> {
        customers::claim(db, new.tenant_id, customer, self.master).await?;
        match customers::tenant_of(&mut *db, customer).await? {
            Some(owner) if owner == new.tenant_id => {
                events::release_parked(db, customer, &[]).await?;
                Ok(owner)
            }
            Some(tenant) if new.tenant_id_was_given => {
                Err(Refusal::CustomerOfAnotherTenant { customer: customer.clone(), tenant }.into())
            }
            Some(owner) => Ok(owner),
            // Nobody has it and it could not be claimed: the tenant has another one.
            None => Err(customers::refuse_second(db, new.tenant_id, customer).await?.into()),
        }
    }

    async fn created(&self, new: &NewTenant, tenant: TenantId, run_id: &str) -> Result<CreatedTenant, Error> {
        let row = sqlx::query!(
            "SELECT client_name, email, created_by_run,
                    (SELECT count(*) FROM tenants other WHERE other.email = $2 AND other.tenant <> $1) AS \"namesakes!\"
             FROM tenants WHERE tenant = $1",
            tenant.as_uuid(),
            new.email.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Refusal::NoSuchTenant(tenant))?;
        let mut warnings = Vec::new();
        if row.client_name != new.client_name.as_str() {
            warnings.push(format!("tenant {tenant} exists under another name, which was kept"));
        }
        if row.email != new.email.as_str() {
            warnings.push(format!("tenant {tenant} exists under another e-mail, which was kept"));
        }
        if row.namesakes > 0 {
            warnings.push(format!("{} other tenant(s) have the same e-mail", row.namesakes));
        }
        Ok(CreatedTenant { tenant_id: tenant, created: row.created_by_run.as_deref() == Some(run_id), warnings })
    }
}

pub(crate) async fn exists(db: &mut PgConnection, tenant: TenantId) -> Result<bool, Error> {
    let query =
        sqlx::query_scalar!("SELECT EXISTS (SELECT FROM tenants WHERE tenant = $1) AS \"exists!\"", tenant.as_uuid());
    Ok(query.fetch_one(db).await?)
}

async fn insert(db: &mut PgConnection, new: &NewTenant, origin: &Origin) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO tenants (tenant, client_name, email, licensed_user_count, created_by_run, created_by_workflow)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant) DO NOTHING",
        new.tenant_id.as_uuid(),
        new.client_name.as_str(),
        new.email.as_str(),
        new.count_follows.then_some(0),
        origin.run_id,
        origin.workflow_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
