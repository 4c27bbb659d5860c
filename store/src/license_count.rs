//! The one place that writes `licensed_user_count`.
//!
//! Lock the tenant's row, write whatever there is to write, then derive the count from the
//! rows in a later statement: of two transactions that race, the second sees what the first
//! wrote, so neither order loses one.

use domain::audit::{Cause, Origin};
use domain::ids::{EventId, StripeSubscriptionId, TenantId};
use domain::license::{Derived, LicenseRules, LicenseSubscription, Seats, derive};
use domain::refusal::Refusal;
use domain::steps::{LicenseCountOf, LicensedUserCount};
use domain::words::LicenseCount;
use sqlx::PgConnection;

use crate::error::unreadable;
use crate::{Error, Store};

/// The table that counts are read from.
const SUBSCRIPTIONS: &str = "stripe_subscriptions";

/// Why a count is derived now, for the audit row.
#[derive(Clone, Copy)]
pub(crate) struct Why<'a> {
    pub(crate) cause: Cause,
    /// The run that does it.
    pub(crate) origin: &'a Origin,
    /// The events that asked for it.
    pub(crate) events: &'a [EventId],
}

impl Store {
    /// Derives the count once more, and where the rows say nothing about it, takes the number
    /// that the purchase named. Refuses when the count is withheld.
    pub async fn set_licensed_user_count(
        &self,
        of: &LicenseCountOf,
        origin: &Origin,
    ) -> Result<LicensedUserCount, Error> {
        let mut tx = self.pool.begin().await?;
        lock_tenant(&mut tx, of.tenant_id).await?;
        let derivation = Why { cause: Cause::Derivation, origin, events: &[] };
        let derived = apply(&mut tx, of.tenant_id, &self.rules, &derivation).await?;
        if let (Derived::Keep, Some(initial)) = (&derived, of.initial_license_count)
            && is_untouched(&mut tx, of.tenant_id).await?
        {
            let why = Why { cause: Cause::InitialLicenseCount, ..derivation };
            record(&mut tx, of.tenant_id, initial, None, &why).await?;
        }
        if let Derived::Withheld(refusal) = derived {
            return Err(refusal.into());
        }
        let count = current(&mut tx, of.tenant_id).await?;
        tx.commit().await?;
        Ok(LicensedUserCount { licensed_user_count: count, warnings: ignored_initial(of, count) })
    }
}

fn ignored_initial(of: &LicenseCountOf, count: Option<LicenseCount>) -> Vec<String> {
    match of.initial_license_count {
        Some(initial) if Some(initial) != count => {
            let now = count.map_or_else(|| "no limit".to_owned(), |count| count.to_string());
            vec![format!(
                "initial_license_count {initial} was not taken: the count is {now}, as Stripe and earlier changes say"
            )]
        }
        Some(_) | None => Vec::new(),
    }
}

/// Holds the tenant's row until the transaction ends.
pub(crate) async fn lock_tenant(db: &mut PgConnection, tenant: TenantId) -> Result<(), Error> {
    sqlx::query!("SELECT tenant FROM tenants WHERE tenant = $1 FOR UPDATE", tenant.as_uuid())
        .fetch_optional(db)
        .await?
        .map(drop)
        .ok_or_else(|| Refusal::NoSuchTenant(tenant).into())
}

/// Writes the count that follows from the tenant's rows, with its audit row if it changes.
/// The caller holds the tenant's lock and has written before.
pub(crate) async fn apply(
    db: &mut PgConnection,
    tenant: TenantId,
    rules: &LicenseRules,
    why: &Why<'_>,
) -> Result<Derived, Error> {
    let derived = derive(&license_subscriptions(db, tenant).await?, rules);
    if let Derived::Count(to, subscription) = &derived
        && current(db, tenant).await? != Some(*to)
    {
        record(db, tenant, *to, subscription.as_ref(), why).await?;
    }
    Ok(derived)
}

/// The count that the tenant has; none is no limit. Refused where there is no such tenant.
pub(crate) async fn current(db: &mut PgConnection, tenant: TenantId) -> Result<Option<LicenseCount>, Error> {
    let query = sqlx::query_scalar!("SELECT licensed_user_count FROM tenants WHERE tenant = $1", tenant.as_uuid());
    query.fetch_optional(db).await?.ok_or(Refusal::NoSuchTenant(tenant))?.map(count).transpose()
}

pub(crate) fn count(stored: i32) -> Result<LicenseCount, Error> {
    i64::from(stored).try_into().map_err(|_| unreadable("tenants", "licensed_user_count"))
}

/// Whether nothing ever said how many licences the tenant has.
async fn is_untouched(db: &mut PgConnection, tenant: TenantId) -> Result<bool, Error> {
    let query = sqlx::query_scalar!(
        "SELECT NOT EXISTS (SELECT FROM stripe_subscriptions WHERE tenant = $1 AND NOT is_add_on)
            AND NOT EXISTS (SELECT FROM license_changes WHERE tenant = $1) AS \"untouched!\"",
        tenant.as_uuid()
    );
    Ok(query.fetch_one(db).await?)
}

/// Count and audit row in one statement: neither is ever written without the other.
async fn record(
    db: &mut PgConnection,
    tenant: TenantId,
    to: LicenseCount,
    subscription: Option<&StripeSubscriptionId>,
    why: &Why<'_>,
) -> Result<(), Error> {
    let events: Vec<String> = why.events.iter().map(|id| id.as_str().to_owned()).collect();
    sqlx::query!(
        "WITH before AS (SELECT licensed_user_count FROM tenants WHERE tenant = $1),
              counted AS (UPDATE tenants SET licensed_user_count = $2, updated_at = now() WHERE tenant = $1)
         INSERT INTO license_changes
             (tenant, from_count, to_count, cause, stripe_subscription_external_id, workflow_id, run_id, event_ids)
         SELECT $1, licensed_user_count, $2, $3, $4, $5, $6, $7 FROM before",
        tenant.as_uuid(),
        to.get(),
        why.cause.as_str(),
        subscription.map(|id| id.as_str()),
        why.origin.workflow_id,
        why.origin.run_id,
        &events,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What the count is derived from.
pub(crate) async fn license_subscriptions(
    db: &mut PgConnection,
    tenant: TenantId,
) -> Result<Vec<LicenseSubscription>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT s.stripe_subscription_external_id AS id, s.status, s.quantity,
                extract(epoch FROM s.stripe_created_at)::bigint AS \"created!\",
                s.stripe_subscription_item_id AS item, p.stripe_price_external_id AS \"price?\"
         FROM stripe_subscriptions s LEFT JOIN stripe_prices p USING (stripe_price_id)
         WHERE s.tenant = $1 AND NOT s.is_add_on",
        tenant.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) quantity: Option<i32>,
    pub(crate) created: i64,
    pub(crate) item: Option<String>,
    pub(crate) price: Option<String>,
}

impl Row {
    pub(crate) fn read(self) -> Result<LicenseSubscription, Error> {
        Ok(LicenseSubscription {
            id: self.id.parse().map_err(|_| unreadable(SUBSCRIPTIONS, "stripe_subscription_external_id"))?,
            status: self.status.parse().map_err(|_| unreadable(SUBSCRIPTIONS, "status"))?,
            created: self.created,
            seats: seats(self.item, self.price, self.quantity)?,
        })
    }
}

fn seats(item: Option<String>, price: Option<String>, quantity: Option<i32>) -> Result<Seats, Error> {
    let (Some(item), Some(price)) = (item, price) else { return Ok(Seats::Ambiguous) };
    let item = item.parse().map_err(|_| unreadable(SUBSCRIPTIONS, "stripe_subscription_item_id"))?;
    let price = price.parse().map_err(|_| unreadable(SUBSCRIPTIONS, "stripe_price_id"))?;
    Ok(match quantity {
        Some(quantity) => Seats::Counted { item, price, quantity: count(quantity)? },
        None => Seats::Metered { item, price },
    })
}
