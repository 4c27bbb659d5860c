//! How far an import is with the tenants.

use domain::import_customers::{Outcome, TenantProgress, Totals};
use domain::walk::WalkId;
use sqlx::PgConnection;

use crate::Error;
use crate::error::unreadable;

/// Holds the walk until the transaction ends: two attempts of one step do not do its work twice.
pub(crate) async fn lock(db: &mut PgConnection, walk: WalkId) -> Result<(), Error> {
    sqlx::query!("SELECT walk FROM walks WHERE walk = $1 FOR UPDATE", walk.as_uuid()).fetch_one(db).await?;
    Ok(())
}

pub(crate) async fn of(db: &mut PgConnection, walk: WalkId) -> Result<TenantProgress, Error> {
    let sums = sqlx::query!(
        "SELECT count(*) AS \"judged!\",
                coalesce(sum(cardinality(untagged) + cardinality(unread)), 0) AS \"follow_ups!\",
                coalesce(sum(tagged), 0) AS \"tagged!\", coalesce(sum(read_again), 0) AS \"read_again!\",
                (SELECT count(*) FROM walks JOIN tenants ON tenants.created_at <= walks.started_at
                     AND NOT tenants.is_master_billing AND (walks.tenant IS NULL OR walks.tenant = tenants.tenant)
                 WHERE walks.walk = $1) AS \"tenants!\"
         FROM import_outcomes WHERE walk = $1",
        walk.as_uuid(),
    )
    .fetch_one(&mut *db)
    .await?;
    Ok(TenantProgress {
        // A tenant that was judged and is gone since is still one.
        tenants: number(sums.tenants).max(number(sums.judged)),
        judged: number(sums.judged),
        totals: totals(db, walk).await?,
        follow_ups: number(sums.follow_ups),
        tagged: number(sums.tagged),
        read_again: number(sums.read_again),
    })
}

async fn totals(db: &mut PgConnection, walk: WalkId) -> Result<Totals, Error> {
    let rows = sqlx::query!(
        "SELECT outcome AS \"outcome!\", count(*) AS \"tenants!\" FROM import_outcomes
         WHERE walk = $1 AND outcome IS NOT NULL GROUP BY outcome",
        walk.as_uuid(),
    );
    let mut totals = Totals::default();
    for row in rows.fetch_all(db).await? {
        let outcome: Outcome = row.outcome.parse().map_err(|_| unreadable("import_outcomes", "outcome"))?;
        totals = totals.with(outcome, number(row.tenants));
    }
    Ok(totals)
}

/// Counts are not negative.
fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
