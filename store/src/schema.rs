//! The schema's history, embedded, and the one row without which nothing runs.

use domain::ids::TenantId;
use domain::refusal::Refusal;
use sqlx::PgConnection;
use sqlx::migrate::Migrator;

use crate::{DatabaseConfig, Error, Store};

/// The migrations of `migrations/`, forward only.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// How far a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// As this build expects it.
    Current(i64),
    /// Older: `tenantry migrate` brings it up.
    Behind(i64),
    /// Newer than this build.
    Ahead(i64),
}

impl Store {
    /// Brings the schema up and makes sure that the master billing tenant exists.
    /// Twice is as good as once, and two at once wait for each other.
    pub async fn migrate(config: &DatabaseConfig, master: TenantId) -> Result<(), Error> {
        let pool = config.unhurried();
        MIGRATIONS.run(&pool).await.map_err(|error| Error::Unavailable(sqlx::Error::Migrate(Box::new(error))))?;
        let mut tx = pool.begin().await?;
        if let Some(other) = another_master(&mut tx, master).await? {
            return Err(Refusal::AnotherMaster(other).into());
        }
        sqlx::query!(
            "INSERT INTO tenants (tenant, client_name, email) VALUES ($1, 'Master billing tenant', $2)
             ON CONFLICT (tenant) DO NOTHING",
            master.as_uuid(),
            MASTER_EMAIL,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// How far the database's schema is.
    pub async fn schema(&self) -> Result<SchemaState, Error> {
        let expected = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or_default();
        let there = sqlx::query_scalar!("SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS \"there!\"");
        if !there.fetch_one(&self.pool).await? {
            return Ok(SchemaState::Behind(0));
        }
        // The migrator's own table is not there when queries are checked, so this one is not.
        let found: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(&self.pool).await?;
        let found = found.unwrap_or_default();
        Ok(match found.cmp(&expected) {
            std::cmp::Ordering::Less => SchemaState::Behind(found),
            std::cmp::Ordering::Equal => SchemaState::Current(found),
            std::cmp::Ordering::Greater => SchemaState::Ahead(found),
        })
    }

    /// The server's version, e.g. `15.18`.
    pub async fn server_version(&self) -> Result<String, Error> {
        let query = sqlx::query_scalar!("SELECT current_setting('server_version') AS \"version!\"");
        Ok(query.fetch_one(&self.pool).await?)
    }

    /// Whether the master billing tenant is there.
    pub async fn master_exists(&self) -> Result<bool, Error> {
        self.tenant_exists(self.master).await
    }
}

/// Marks the master billing tenant. `.invalid` can belong to nobody, RFC 2606.
const MASTER_EMAIL: &str = "billing@tenantry.invalid";

/// The master billing tenant that is there, if it is another one. The lock lets two migrations
/// with different ideas of it see each other.
async fn another_master(db: &mut PgConnection, master: TenantId) -> Result<Option<TenantId>, Error> {
    sqlx::query!("LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE").execute(&mut *db).await?;
    let query = sqlx::query_scalar!(
        "SELECT tenant FROM tenants WHERE email = $1 AND tenant <> $2",
        MASTER_EMAIL,
        master.as_uuid()
    );
    Ok(query.fetch_optional(db).await?.map(TenantId::from))
}
