//! What an import has left to do after its rows were written: tags at Stripe, and second reads.

use domain::ids::{StripeSubscriptionId, TenantId};
use domain::steps::{FollowUp, FollowUps, Task};
use domain::walk::{ListedSubscription, WalkId};
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::unreadable;
use crate::{Error, Store, import_progress};

/// Follow-ups that are asked for at a time.
const AT_ONCE: i64 = 40;

impl Store {
    /// The next of them. A subscription is read before it is tagged.
    pub async fn follow_ups(&self, walk: WalkId) -> Result<FollowUps, Error> {
        let mut next = self.left_in(walk, Task::Read).await?;
        if next.is_empty() {
            next = self.left_in(walk, Task::Tag).await?;
        }
        let progress = import_progress::of(&mut *self.pool.acquire().await?, walk).await?;
        Ok(FollowUps { next, progress })
    }

    async fn left_in(&self, walk: WalkId, task: Task) -> Result<Vec<FollowUp>, Error> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT tenant, unnest(CASE $2::text WHEN 'read' THEN unread ELSE untagged END) AS \"id!\"
             FROM import_outcomes WHERE walk = $1 AND (untagged <> '{}' OR unread <> '{}')
             ORDER BY tenant, 2 LIMIT $3",
            walk.as_uuid(),
            name(task),
            AT_ONCE,
        );
        rows.fetch_all(&self.pool).await?.into_iter().map(|row| row.read(walk, task)).collect()
    }

    /// What the list said of the subscription, as far as it is still there.
    pub async fn staged_subscription(&self, of: &FollowUp) -> Result<Option<ListedSubscription>, Error> {
        let query = sqlx::query_scalar!(
            "SELECT body AS \"body: Json<ListedSubscription>\" FROM staged_subscriptions
             WHERE walk = $1 AND stripe_subscription_external_id = $2",
            of.walk.as_uuid(),
            of.stripe_subscription_id.as_str(),
        );
        Ok(query.fetch_optional(&self.pool).await?.map(|body| body.0))
    }

    /// Whether what the lists said may be outdated: the import is long, or was stopped in between.
    pub async fn is_old(&self, walk: WalkId) -> Result<bool, Error> {
        let query = sqlx::query_scalar!(
            "SELECT resumed OR started_at < now() - interval '1 hour' AS \"is!\" FROM walks WHERE walk = $1",
            walk.as_uuid(),
        );
        Ok(query.fetch_one(&self.pool).await?)
    }

    /// It was tagged; `read_again` where Stripe's answer did not say what the list had said.
    pub async fn note_tagged(&self, of: &FollowUp, read_again: bool) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE import_outcomes SET untagged = array_remove(untagged, $3), tagged = tagged + 1,
                 unread = CASE WHEN $4 THEN array_append(array_remove(unread, $3), $3) ELSE unread END
             WHERE walk = $1 AND tenant = $2 AND $3 = ANY(untagged)",
            of.walk.as_uuid(),
            of.tenant_id.as_uuid(),
            of.stripe_subscription_id.as_str(),
            read_again,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// It was read once more.
    pub async fn note_read_again(&self, of: &FollowUp) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE import_outcomes SET unread = array_remove(unread, $3), read_again = read_again + 1
             WHERE walk = $1 AND tenant = $2 AND $3 = ANY(unread)",
            of.walk.as_uuid(),
            of.tenant_id.as_uuid(),
            of.stripe_subscription_id.as_str(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// It cannot be done: the tenant has failed, for this reason, and a person is to look.
    pub async fn note_follow_up_failed(&self, of: &FollowUp, reason: &str) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE import_outcomes SET outcome = 'failed', reason = $4, unread = array_remove(unread, $3),
                 untagged = array_remove(untagged, $3)
             WHERE walk = $1 AND tenant = $2",
            of.walk.as_uuid(),
            of.tenant_id.as_uuid(),
            of.stripe_subscription_id.as_str(),
            reason,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn name(task: Task) -> &'static str {
    match task {
        Task::Tag => "tag",
        Task::Read => "read",
    }
}

struct Row {
    tenant: Uuid,
    id: String,
}

impl Row {
    fn read(self, walk: WalkId, task: Task) -> Result<FollowUp, Error> {
        let id: StripeSubscriptionId = self.id.parse().map_err(|_| unreadable("import_outcomes", "untagged"))?;
        Ok(FollowUp { walk, tenant_id: TenantId::from(self.tenant), stripe_subscription_id: id, task })
    }
}
