//! STUB until imp's.
use domain::audit::Origin;
use domain::ids::TenantId;
use domain::walk::WalkId;

use crate::{Error, Store};

impl Store {
    /// stub
    pub async fn stub_open(&self, tenant: Option<TenantId>, origin: &Origin) -> Result<WalkId, Error> {
        let id: uuid::Uuid = sqlx::query_scalar("INSERT INTO walks (kind, tenant, workflow_id, run_id, dry_run, page_size, phase) VALUES ('reconcile', $1, $2, $3, false, 100, 'subscriptions') ON CONFLICT (kind, run_id) DO UPDATE SET run_id = excluded.run_id RETURNING walk")
            .bind(tenant.map(TenantId::as_uuid)).bind(&origin.workflow_id).bind(&origin.run_id).fetch_one(&self.pool).await?;
        Ok(id.into())
    }

    /// stub
    pub async fn stub_close(&self, walk: WalkId) -> Result<(), Error> {
        sqlx::query("UPDATE walks SET ended_at = now() WHERE walk = $1")
            .bind(walk.as_uuid())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// stub
    pub async fn stub_customer(&self, walk: WalkId) -> Result<Option<String>, Error> {
        Ok(sqlx::query_scalar(
            "SELECT stripe_customer_external_id FROM walks JOIN stripe_customers USING (tenant) WHERE walk = $1",
        )
        .bind(walk.as_uuid())
        .fetch_optional(&self.pool)
        .await?)
    }
}
