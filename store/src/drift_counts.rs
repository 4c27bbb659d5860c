//! Comparing licence counts with what follows from Stripe.

use std::collections::BTreeMap;

use domain::ids::{StripeSubscriptionId, TenantId};
use domain::license::{Derived, LicenseSubscription, derive};
use domain::record::license_subscription;
use domain::steps::DriftOf;
use domain::stripe::StripeSubscription;
use domain::walk::WalkId;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::drift::PAGE;
use crate::findings::{NewFinding, note};
use crate::license_count::Row;
use crate::{Error, Store};

/// The licence subscriptions of some tenants, each with the ticket that it was read under.
type Licences = BTreeMap<TenantId, BTreeMap<StripeSubscriptionId, (i64, LicenseSubscription)>>;

impl Store {
    /// Compares the counts of a page of tenants with what follows from their rows as those will be
    /// when what was found of them is repaired. Answers where the next page begins.
    pub async fn compare_counts(&self, of: &DriftOf, after: Option<TenantId>) -> Result<Option<TenantId>, Error> {
        let mut tx = self.pool.begin().await?;
        // Counts, rows and findings as they were at one moment.
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
        let page = counts(&mut tx, of, after).await?;
        let tenants: Vec<TenantId> = page.iter().map(|(tenant, _)| *tenant).collect();
        let mut licences = rows_of(&mut tx, &tenants).await?;
        for repair in repairs_of(&mut tx, of.walk, &tenants).await? {
            self.foresee(&mut licences, repair);
        }
        let found: Vec<NewFinding> =
            page.iter().filter_map(|(tenant, count)| self.wrong_count(*tenant, *count, &licences)).collect();
        note(&mut tx, of.walk, &found).await?;
        tx.commit().await?;
        Ok(tenants.last().copied().filter(|_| tenants.len() == PAGE))
    }

    /// The licences as they will be once the row says what was read.
    fn foresee(&self, licences: &mut Licences, Repair { tenant, ticket, read }: Repair) {
        let rows = licences.entry(tenant).or_default();
        if rows.get(&read.id).is_some_and(|(written, _)| *written > ticket) {
            return;
        }
        match license_subscription(&read, &self.rules) {
            Some(license) => rows.insert(read.id, (ticket, license)),
            None => rows.remove(&read.id),
        };
    }

    /// A count that is withheld waits for a person, and one that rows say nothing about stays.
    fn wrong_count(&self, tenant: TenantId, ours: Option<i32>, licences: &Licences) -> Option<NewFinding> {
        let of = licences.get(&tenant)?;
        let subscriptions: Vec<_> = of.values().map(|(_, license)| license.clone()).collect();
        let (stripes, from) = match derive(&subscriptions, &self.rules) {
            Derived::Count(count, from) => (count.get(), from),
            Derived::Keep | Derived::Withheld(_) => return None,
        };
        let found =
            NewFinding { ours: json!(ours), stripes: json!(stripes), ..NewFinding::of_count(tenant, from.as_ref()) };
        (ours != Some(stripes)).then_some(found)
    }
}

/// What a walk found of a subscription, and may be repaired.
struct Repair {
    tenant: TenantId,
    ticket: i64,
    read: StripeSubscription,
}

async fn counts(
    db: &mut PgConnection,
    of: &DriftOf,
    after: Option<TenantId>,
) -> Result<Vec<(TenantId, Option<i32>)>, Error> {
    let query = sqlx::query!(
        "SELECT tenant, licensed_user_count FROM tenants
         WHERE NOT is_master_billing AND ($1::uuid IS NULL OR tenant = $1) AND ($2::uuid IS NULL OR tenant > $2)
         ORDER BY tenant LIMIT $3",
        of.tenant_id.map(TenantId::as_uuid),
        after.map(TenantId::as_uuid),
        PAGE as i64,
    );
    let rows = query.fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.tenant.into(), row.licensed_user_count)).collect())
}

async fn rows_of(db: &mut PgConnection, tenants: &[TenantId]) -> Result<Licences, Error> {
    let query = sqlx::query!(
        "SELECT s.tenant AS \"tenant!\", s.read_ticket AS \"read_ticket!\",
                s.stripe_subscription_external_id AS \"id!\", s.status AS \"status!\", s.quantity,
                extract(epoch FROM s.stripe_created_at)::bigint AS \"created!\",
                s.stripe_subscription_item_id AS item, p.stripe_price_external_id AS \"price?\"
         FROM stripe_subscriptions s LEFT JOIN stripe_prices p USING (stripe_price_id)
         WHERE s.tenant = ANY($1) AND NOT s.is_add_on",
        &uuids(tenants),
    );
    let mut licences = Licences::new();
    for row in query.fetch_all(db).await? {
        let license = Row {
            id: row.id,
            status: row.status,
            quantity: row.quantity,
            created: row.created,
            item: row.item,
            price: row.price,
        };
        let license = license.read()?;
        licences.entry(row.tenant.into()).or_default().insert(license.id.clone(), (row.read_ticket, license));
    }
    Ok(licences)
}

async fn repairs_of(db: &mut PgConnection, walk: WalkId, tenants: &[TenantId]) -> Result<Vec<Repair>, Error> {
    let query = sqlx::query!(
        "SELECT found.tenant AS \"tenant!\", staged.read_ticket AS \"read_ticket!\", staged.body AS \"body!: Json<StripeSubscription>\"
         FROM reconcile_findings found JOIN staged_subscriptions staged
           ON staged.walk = found.walk AND staged.stripe_subscription_external_id = found.subject
         WHERE found.walk = $1 AND found.kind IN ('missing_row', 'stale_row') AND found.reason IS NULL
           AND found.repaired_at IS NULL AND found.tenant = ANY($2)",
        walk.as_uuid(),
        &uuids(tenants),
    );
    let rows = query.fetch_all(db).await?;
    let repair = |tenant: uuid::Uuid, ticket, read| Repair { tenant: tenant.into(), ticket, read };
    Ok(rows.into_iter().map(|row| repair(row.tenant, row.read_ticket, row.body.0)).collect())
}

fn uuids(tenants: &[TenantId]) -> Vec<uuid::Uuid> {
    tenants.iter().map(|tenant| tenant.as_uuid()).collect()
}
