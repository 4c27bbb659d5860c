//! The schema's history, embedded, and the one row without which nothing runs.

use domain::ids::TenantId;
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
        sqlx::query!(
            "INSERT INTO tenants (tenant, client_name, email) VALUES ($1, 'Master billing tenant', 'billing@tenantry.invalid')
             ON CONFLICT (tenant) DO NOTHING",
            master.as_uuid(),
        )
        .execute(&pool)
        .await?;
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

    /// Whether the master billing tenant is there.
    pub async fn master_exists(&self) -> Result<bool, Error> {
        self.tenant_exists(self.master).await
    }
}
