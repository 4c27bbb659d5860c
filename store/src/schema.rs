//! The schema's history, embedded, and the one row without which nothing runs.

use domain::ids::TenantId;
use domain::refusal::Refusal;
use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};

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
        MIGRATIONS.run(&pool).await.map_err(not_migrated)?;
        sqlx::query!(
            "INSERT INTO tenants (tenant, client_name, email, is_master_billing)
             VALUES ($1, 'Master billing tenant', 'billing@tenantry.invalid', true) ON CONFLICT DO NOTHING",
            master.as_uuid(),
        )
        .execute(&pool)
        .await?;
        match master_of(&mut *pool.acquire().await?).await? {
            Some(found) if found == master => Ok(()),
            Some(found) => Err(Refusal::AnotherMaster(found).into()),
            None => Err(Refusal::NotMaster(master).into()),
        }
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

    /// The tenant that owns the Stripe account; none before the first migration.
    pub async fn master_of_the_database(&self) -> Result<Option<TenantId>, Error> {
        master_of(&mut *self.pool.acquire().await?).await
    }
}

async fn master_of(db: &mut PgConnection) -> Result<Option<TenantId>, Error> {
    let query = sqlx::query_scalar!("SELECT tenant FROM tenants WHERE is_master_billing");
    Ok(query.fetch_optional(db).await?.map(TenantId::from))
}

/// What Postgres says stays what it is; a history that is not ours passes by no waiting.
fn not_migrated(error: MigrateError) -> Error {
    if let MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) = error {
        return cause.into();
    }
    Error::Contradiction(sqlx::Error::Migrate(Box::new(error)))
}
