//! One subscription's import: what stood before, and what stands afterwards.

use domain::audit::{Cause, Origin};
use domain::ids::{StripeCustomerId, TenantId};
use domain::license::Derived;
use domain::steps::{ImportToSettle, SettledImport};
use domain::words::LicenseCount;
use sqlx::PgConnection;

use crate::error::unreadable;
use crate::license_count::Why;
use crate::{Error, Store, customers, license_count};

/// Where a customer came from, in `stripe_customers.metadata`.
const SOURCE: &str = "import";

/// What a tenant has before an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its customer, if it has one.
    pub customer: Option<StripeCustomerId>,
    /// How many licences; none is no limit.
    pub licensed_user_count: Option<LicenseCount>,
}

impl Store {
    /// What the tenant has now. Refused where there is no such tenant.
    pub async fn standing_of(&self, tenant: TenantId) -> Result<Standing, Error> {
        let mut db = self.pool.acquire().await?;
        let licensed_user_count = license_count::current(&mut db, tenant).await?;
        Ok(Standing { customer: customers::customer_of(&mut db, tenant).await?, licensed_user_count })
    }

    /// Completes the customer's row, derives the count once more, and says what is written now.
    /// Refused where the count is withheld; the rows stay.
    pub async fn settle_import(&self, import: &ImportToSettle, origin: &Origin) -> Result<SettledImport, Error> {
        let mut tx = self.pool.begin().await?;
        license_count::lock_tenant(&mut tx, import.tenant_id).await?;
        complete_customer(&mut tx, import).await?;
        let why = Why { cause: Cause::Derivation, origin, events: &[] };
        let derived = license_count::apply(&mut tx, import.tenant_id, &self.rules, &why).await?;
        let settled = settled(&mut tx, import).await?;
        tx.commit().await?;
        match derived {
            Derived::Withheld(refusal) => Err(refusal.into()),
            Derived::Count(..) | Derived::Keep => Ok(settled),
        }
    }
}

/// What the row has is kept.
async fn complete_customer(db: &mut PgConnection, import: &ImportToSettle) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE stripe_customers SET
             email = coalesce(email, lower($3)),
             name = coalesce(name, $4),
             metadata = jsonb_build_object('source', $5::text, 'created_at', now()) || metadata,
             updated_at = now()
         WHERE tenant = $1 AND stripe_customer_external_id = $2",
        import.tenant_id.as_uuid(),
        import.stripe_customer_id.as_str(),
        import.email,
        import.name,
        SOURCE,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn settled(db: &mut PgConnection, import: &ImportToSettle) -> Result<SettledImport, Error> {
    let row = sqlx::query!(
        "SELECT status, quantity FROM stripe_subscriptions
         WHERE tenant = $1 AND stripe_subscription_external_id = $2",
        import.tenant_id.as_uuid(),
        import.stripe_subscription_id.as_str(),
    )
    .fetch_optional(&mut *db)
    .await?
    .ok_or_else(|| unreadable("stripe_subscriptions", "stripe_subscription_external_id"))?;
    let quantity = row.quantity.map(license_count::count).transpose()?;
    Ok(SettledImport {
        status: row.status.parse().map_err(|_| unreadable("stripe_subscriptions", "status"))?,
        quantity,
        licensed_user_count: license_count::current(db, import.tenant_id).await?,
    })
}
