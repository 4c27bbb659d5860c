//! Staged subscriptions beside their rows, a page at a time; and the rows that no list had.

use domain::ids::{StripeSubscriptionId, TenantId};
use domain::reconcile::DriftKind;
use domain::record::SubscriptionRecord;
use domain::steps::DriftOf;
use domain::stripe::StripeSubscription;
use domain::walk::WalkId;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::drift::{PAGE, Staged};
use crate::error::unreadable;
use crate::findings::{NewFinding, note};
use crate::{Error, Store, Ticket};

const SUBSCRIPTIONS: &str = "stripe_subscriptions";

impl Store {
    /// A subscription that has a row, has not ended, and is neither in the walk's lists nor was asked
    /// for alone since. `NOT IN` is a hashed list: of a walk that has just begun the planner knows no
    /// rows, and for `NOT EXISTS` it would compare each row with each that is staged.
    pub async fn next_unlisted(&self, of: &DriftOf) -> Result<Option<StripeSubscriptionId>, Error> {
        let query = sqlx::query_scalar!(
            "SELECT s.stripe_subscription_external_id FROM stripe_subscriptions s
             WHERE s.status NOT IN ('canceled', 'incomplete_expired') AND ($2::uuid IS NULL OR s.tenant = $2)
               AND s.stripe_subscription_external_id NOT IN (
                   SELECT staged.stripe_subscription_external_id FROM staged_subscriptions staged
                   WHERE staged.walk = $1)
               AND s.stripe_subscription_external_id NOT IN (
                   SELECT found.subject FROM reconcile_findings found
                   WHERE found.walk = $1 AND found.kind IN ('not_at_stripe', 'stale_row'))
             ORDER BY 1 LIMIT 1",
            of.walk.as_uuid(),
            of.tenant_id.map(TenantId::as_uuid),
        );
        query.fetch_optional(&self.pool).await?.map(|id| subscription_id(&id)).transpose()
    }

    /// Puts what was read alone beside what the lists had.
    pub async fn stage_alone(&self, walk: WalkId, read: &StripeSubscription, ticket: Ticket) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO staged_subscriptions AS mine (walk, stripe_subscription_external_id, read_ticket, body)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (walk, stripe_subscription_external_id) DO UPDATE SET
                 read_ticket = excluded.read_ticket, body = excluded.body
             WHERE mine.read_ticket < excluded.read_ticket",
            walk.as_uuid(),
            read.id.as_str(),
            ticket.0,
            Json(read) as _,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes why a subscription that has a row could not be read: Stripe does not know it, or its answer
    /// makes no sense. Neither changes the row.
    pub async fn note_unread(
        &self,
        walk: WalkId,
        kind: DriftKind,
        id: &StripeSubscriptionId,
        reason: &str,
    ) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        let query = sqlx::query!(
            "SELECT s.tenant, s.status, s.quantity, c.stripe_customer_external_id
             FROM stripe_subscriptions s JOIN stripe_customers c USING (tenant, stripe_customer_id)
             WHERE s.stripe_subscription_external_id = $1",
            id.as_str(),
        );
        let row = query.fetch_one(&mut *tx).await?;
        let found = NewFinding {
            tenant: Some(row.tenant.into()),
            customer: Some(row.stripe_customer_external_id),
            ours: json!({"status": row.status, "quantity": row.quantity}),
            reason: Some(reason.to_owned()),
            ..NewFinding::of_subscription(kind, id)
        };
        note(&mut tx, walk, &[found]).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What there is of a subscription here.
pub(crate) struct Row {
    pub(crate) ticket: i64,
    pub(crate) record: SubscriptionRecord,
}

/// The staged subscriptions after that one, with what there is of each here.
pub(crate) async fn staged(
    db: &mut PgConnection,
    walk: WalkId,
    after: Option<&StripeSubscriptionId>,
) -> Result<Vec<Staged>, Error> {
    let rows = sqlx::query_as!(
        Beside,
        "SELECT staged.body AS \"body!: Json<StripeSubscription>\", staged.read_ticket AS \"ticket!\",
                c.tenant AS \"customers?\", s.read_ticket AS \"row_ticket?\", s.status AS \"status?\",
                s.is_add_on AS \"is_add_on?\", s.quantity AS \"quantity?\", p.stripe_price_external_id AS \"price?\",
                s.stripe_subscription_item_id AS \"item?\",
                extract(epoch FROM s.current_period_start)::bigint AS period_start,
                extract(epoch FROM s.current_period_end)::bigint AS period_end,
                extract(epoch FROM s.cancel_at)::bigint AS cancel_at,
                s.cancel_at_period_end AS \"cancel_at_period_end?\",
                extract(epoch FROM s.canceled_at)::bigint AS canceled_at,
                s.stripe_schedule_external_id AS \"schedule?\", s.scheduled_quantity AS \"scheduled_quantity?\",
                extract(epoch FROM s.scheduled_at)::bigint AS scheduled_at,
                EXISTS (SELECT FROM stripe_webhook_events event
                        WHERE event.object_id = staged.stripe_subscription_external_id
                          AND event.processing_status IN ('pending', 'parked')
                          AND event.created_at > now() - interval '5 minutes') AS \"is_on_its_way!\"
         FROM staged_subscriptions staged
         LEFT JOIN stripe_customers c ON c.stripe_customer_external_id = staged.body ->> 'customer'
         LEFT JOIN stripe_subscriptions s USING (stripe_subscription_external_id)
         LEFT JOIN stripe_prices p ON p.stripe_price_id = s.stripe_price_id
         WHERE staged.walk = $1 AND ($2::text IS NULL OR staged.stripe_subscription_external_id > $2)
         ORDER BY staged.stripe_subscription_external_id LIMIT $3",
        walk.as_uuid(),
        after.map(|id| id.as_str()),
        PAGE as i64,
    );
    rows.fetch_all(db).await?.into_iter().map(Beside::read).collect()
}

/// A staged subscription beside its row. Without a row, everything after `customers` is nothing.
struct Beside {
    body: Json<StripeSubscription>,
    ticket: i64,
    is_on_its_way: bool,
    customers: Option<Uuid>,
    row_ticket: Option<i64>,
    status: Option<String>,
    is_add_on: Option<bool>,
    quantity: Option<i32>,
    price: Option<String>,
    item: Option<String>,
    period_start: Option<i64>,
    period_end: Option<i64>,
    cancel_at: Option<i64>,
    cancel_at_period_end: Option<bool>,
    canceled_at: Option<i64>,
    schedule: Option<String>,
    scheduled_quantity: Option<i32>,
    scheduled_at: Option<i64>,
}

impl Beside {
    fn read(self) -> Result<Staged, Error> {
        Ok(Staged {
            ticket: self.ticket,
            customers: self.customers.map(TenantId::from),
            is_on_its_way: self.is_on_its_way,
            row: self.row()?,
            subscription: self.body.0,
        })
    }

    fn row(&self) -> Result<Option<Row>, Error> {
        let (Some(ticket), Some(status)) = (self.row_ticket, &self.status) else { return Ok(None) };
        let record = SubscriptionRecord {
            status: status.parse().map_err(|_| unreadable(SUBSCRIPTIONS, "status"))?,
            is_add_on: self.is_add_on.unwrap_or_default(),
            quantity: self.quantity,
            price: id(&self.price, "stripe_price_id")?,
            item: id(&self.item, "stripe_subscription_item_id")?,
            current_period_start: self.period_start,
            current_period_end: self.period_end,
            cancel_at: self.cancel_at,
            cancel_at_period_end: self.cancel_at_period_end.unwrap_or_default(),
            canceled_at: self.canceled_at,
            schedule: id(&self.schedule, "stripe_schedule_external_id")?,
            scheduled_quantity: self.scheduled_quantity,
            scheduled_at: self.scheduled_at,
        };
        Ok(Some(Row { ticket, record }))
    }
}

fn id<T: std::str::FromStr>(stored: &Option<String>, column: &'static str) -> Result<Option<T>, Error> {
    stored.as_deref().map(|id| id.parse().map_err(|_| unreadable(SUBSCRIPTIONS, column))).transpose()
}

fn subscription_id(stored: &str) -> Result<StripeSubscriptionId, Error> {
    stored.parse().map_err(|_| unreadable(SUBSCRIPTIONS, "stripe_subscription_external_id"))
}
