//! Walks of Stripe's lists: where each is, and what it staged.

use domain::audit::Origin;
use domain::ids::{StripeCustomerId, TenantId};
use domain::refusal::Refusal;
use domain::steps::{NewWalk, OpenedWalk, Staged};
use domain::stripe::{StripeCustomer, StripeProduct};
use domain::walk::{ListedSubscription, Page, PageSize, WalkId, WalkKind, WalkPhase};
use domain::words::Email;
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::unreadable;
use crate::{Error, Store, Ticket};

/// What a walk reads next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkPlace {
    /// What for.
    pub kind: WalkKind,
    /// Which list.
    pub phase: WalkPhase,
    /// Behind what; none is the list's beginning.
    pub cursor: Option<String>,
    /// How many objects to ask for.
    pub page_size: PageSize,
    /// Whose, where it is one tenant's.
    pub of: Option<WalkedTenant>,
}

impl WalkPlace {
    fn next_phase(&self) -> WalkPhase {
        self.phase.next(self.kind, self.of.is_some())
    }
}

/// The tenant that a walk is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkedTenant {
    /// As it is stored.
    pub email: String,
    /// The customer that its row names.
    pub customer: Option<StripeCustomerId>,
    /// Whether that one was staged.
    pub is_staged: bool,
}

impl Store {
    /// The walk of this run: the one that an earlier attempt opened, the one that an earlier run
    /// left open if it is to be taken up, else a new one. What walks before it staged is deleted.
    pub async fn open_walk(&self, new: &NewWalk, origin: &Origin) -> Result<OpenedWalk, Error> {
        let mut tx = self.pool.begin().await?;
        if let Some(tenant) = new.tenant_id {
            crate::license_count::lock_tenant(&mut tx, tenant).await?;
            if tenant == self.master {
                return Err(Refusal::PurchaseOfMaster(tenant).into());
            }
        }
        let opened = match own(&mut tx, new, origin).await? {
            Some(opened) => opened,
            None => match taken_up(&mut tx, new, origin).await? {
                Some(opened) => opened,
                None => begun(&mut tx, new, origin).await?,
            },
        };
        tx.commit().await?;
        Ok(opened)
    }

    /// Where the walk is.
    pub async fn walk_place(&self, walk: WalkId) -> Result<WalkPlace, Error> {
        let row = sqlx::query!(
            "SELECT kind, phase, cursor, page_size, walks.tenant, tenants.email AS \"email?\",
                    customer.stripe_customer_external_id AS \"customer?\",
                    EXISTS (SELECT FROM staged_customers staged WHERE staged.walk = walks.walk
                            AND staged.stripe_customer_external_id = customer.stripe_customer_external_id)
                        AS \"is_staged!\"
             FROM walks LEFT JOIN tenants USING (tenant) LEFT JOIN stripe_customers customer USING (tenant)
             WHERE walk = $1",
            walk.as_uuid(),
        )
        .fetch_one(&self.pool)
        .await?;
        let wrong = |column| unreadable("walks", column);
        let customer = row.customer.map(|id| id.parse().map_err(|_| wrong("tenant"))).transpose()?;
        let is_staged = row.is_staged;
        Ok(WalkPlace {
            kind: row.kind.parse().map_err(|_| wrong("kind"))?,
            phase: row.phase.parse().map_err(|_| wrong("phase"))?,
            cursor: row.cursor,
            page_size: i64::from(row.page_size).try_into().map_err(|_| wrong("page_size"))?,
            of: row.email.map(|email| WalkedTenant { email, customer, is_staged }),
        })
    }

    /// Stages a page that was read at `place`, and moves on, in one transaction. Where another
    /// attempt has moved on already nothing is written. A page that could not be read because what it
    /// begins behind is gone sets the list back to its beginning.
    pub async fn stage(
        &self,
        walk: WalkId,
        place: &WalkPlace,
        read: Option<&Page>,
        ticket: Ticket,
    ) -> Result<Staged, Error> {
        let mut tx = self.pool.begin().await?;
        let (phase, cursor) = match read {
            None => (place.phase, None),
            Some(Page { next: Some(next), .. }) => (place.phase, Some(next.as_str())),
            Some(Page { next: None, .. }) => (place.next_phase(), None),
        };
        let rows = i64::try_from(read.map(Page::rows).unwrap_or_default()).unwrap_or_default();
        let moved = sqlx::query!(
            "UPDATE walks SET phase = $4, cursor = $5, pages = pages + 1, rows = rows + $6
             WHERE walk = $1 AND phase = $2 AND cursor IS NOT DISTINCT FROM $3",
            walk.as_uuid(),
            place.phase.as_str(),
            place.cursor,
            phase.as_str(),
            cursor,
            rows,
        )
        .execute(&mut *tx)
        .await?;
        match read {
            _ if moved.rows_affected() == 0 => {}
            None => unstage(&mut tx, walk, place.phase).await?,
            Some(page) => {
                stage_customers(&mut tx, walk, &page.customers, ticket).await?;
                stage_subscriptions(&mut tx, walk, &page.subscriptions, ticket).await?;
                stage_products(&mut tx, walk, &page.products, ticket).await?;
            }
        }
        let staged = staged(&mut tx, walk).await?;
        tx.commit().await?;
        Ok(staged)
    }

    /// Goes on to the next list where there is nothing to ask Stripe for in this one.
    pub async fn skip_phase(&self, walk: WalkId, place: &WalkPlace) -> Result<Staged, Error> {
        let mut db = self.pool.acquire().await?;
        sqlx::query!(
            "UPDATE walks SET phase = $3, cursor = NULL WHERE walk = $1 AND phase = $2",
            walk.as_uuid(),
            place.phase.as_str(),
            place.next_phase().as_str(),
        )
        .execute(&mut *db)
        .await?;
        staged(&mut db, walk).await
    }

    /// How far the walk is.
    pub async fn staged(&self, walk: WalkId) -> Result<Staged, Error> {
        staged(&mut *self.pool.acquire().await?, walk).await
    }

    /// Nothing takes the walk up again. What it staged stays until the next of its kind; what it staged
    /// for one tenant goes, because that tenant may have no next.
    pub async fn close_walk(&self, walk: WalkId) -> Result<(), Error> {
        let query = sqlx::query!(
            "WITH closed AS (
                 UPDATE walks SET ended_at = coalesce(ended_at, now()) WHERE walk = $1 RETURNING walk, tenant
             ), of_one AS (SELECT walk FROM closed WHERE tenant IS NOT NULL
             ), customers AS (DELETE FROM staged_customers USING of_one WHERE staged_customers.walk = of_one.walk
             ), products AS (DELETE FROM staged_products USING of_one WHERE staged_products.walk = of_one.walk)
             DELETE FROM staged_subscriptions USING of_one WHERE staged_subscriptions.walk = of_one.walk",
            walk.as_uuid(),
        );
        query.execute(&self.pool).await?;
        Ok(())
    }
}

/// What an earlier attempt of the step opened.
async fn own(db: &mut PgConnection, new: &NewWalk, origin: &Origin) -> Result<Option<OpenedWalk>, Error> {
    let row = sqlx::query_as!(
        Row,
        "SELECT walk, phase, pages, rows, started_at, resumed FROM walks WHERE kind = $1 AND run_id = $2",
        new.kind.as_str(),
        origin.run_id,
    );
    row.fetch_optional(db).await?.map(Row::read).transpose()
}

/// The latest like it that was left open less than a day ago: what is older says too little.
async fn taken_up(db: &mut PgConnection, new: &NewWalk, origin: &Origin) -> Result<Option<OpenedWalk>, Error> {
    if !new.resume {
        return Ok(None);
    }
    let row = sqlx::query_as!(
        Row,
        "UPDATE walks SET workflow_id = $4, run_id = $5, resumed = true
         WHERE walk = (SELECT walk FROM walks
                       WHERE kind = $1 AND tenant IS NOT DISTINCT FROM $2 AND dry_run = $3 AND ended_at IS NULL
                         AND started_at > now() - interval '24 hours'
                       ORDER BY started_at DESC LIMIT 1)
         RETURNING walk, phase, pages, rows, started_at, resumed",
        new.kind.as_str(),
        new.tenant_id.map(TenantId::as_uuid),
        new.dry_run,
        origin.workflow_id,
        origin.run_id,
    );
    row.fetch_optional(db).await?.map(Row::read).transpose()
}

async fn begun(db: &mut PgConnection, new: &NewWalk, origin: &Origin) -> Result<OpenedWalk, Error> {
    let (kind, tenant) = (new.kind.as_str(), new.tenant_id.map(TenantId::as_uuid));
    sqlx::query!(
        "WITH old AS (
             UPDATE walks SET ended_at = coalesce(ended_at, now())
             -- A dry run does not end what may still be resumed, and the other way round.
             WHERE kind = $1 AND tenant IS NOT DISTINCT FROM $2 AND (dry_run = $3 OR ended_at IS NOT NULL)
             RETURNING walk
         ), customers AS (DELETE FROM staged_customers USING old WHERE staged_customers.walk = old.walk
         ), products AS (DELETE FROM staged_products USING old WHERE staged_products.walk = old.walk)
         DELETE FROM staged_subscriptions USING old WHERE staged_subscriptions.walk = old.walk",
        kind,
        tenant,
        new.dry_run,
    )
    .execute(&mut *db)
    .await?;
    let row = sqlx::query_as!(
        Row,
        "INSERT INTO walks (kind, tenant, dry_run, page_size, workflow_id, run_id, phase)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING walk, phase, pages, rows, started_at, resumed",
        kind,
        tenant,
        new.dry_run,
        i16::from(new.page_size.unwrap_or(PageSize::MAX)),
        origin.workflow_id,
        origin.run_id,
        WalkPhase::first(new.kind).as_str(),
    );
    row.fetch_one(db).await?.read()
}

struct Row {
    walk: Uuid,
    phase: String,
    pages: i64,
    rows: i64,
    started_at: DateTime<Utc>,
    resumed: bool,
}

impl Row {
    fn read(self) -> Result<OpenedWalk, Error> {
        let millis = u64::try_from(self.started_at.timestamp_millis()).unwrap_or_default();
        Ok(OpenedWalk {
            walk: self.walk.into(),
            resumed: self.resumed,
            started_at: millis,
            staged: read_staged(&self.phase, self.pages, self.rows)?,
        })
    }
}

async fn staged(db: &mut PgConnection, walk: WalkId) -> Result<Staged, Error> {
    let row = sqlx::query!("SELECT phase, pages, rows FROM walks WHERE walk = $1", walk.as_uuid());
    let row = row.fetch_one(db).await?;
    read_staged(&row.phase, row.pages, row.rows)
}

fn read_staged(phase: &str, pages: i64, rows: i64) -> Result<Staged, Error> {
    let phase: WalkPhase = phase.parse().map_err(|_| unreadable("walks", "phase"))?;
    let count = |number: i64, column| u64::try_from(number).map_err(|_| unreadable("walks", column));
    Ok(Staged { phase, pages: count(pages, "pages")?, rows: count(rows, "rows")?, done: phase == WalkPhase::Walked })
}

async fn stage_customers(
    db: &mut PgConnection,
    walk: WalkId,
    read: &[StripeCustomer],
    ticket: Ticket,
) -> Result<(), Error> {
    let ids: Vec<_> = read.iter().map(|customer| customer.id.to_string()).collect();
    let keys: Vec<_> = read.iter().map(|customer| customer.email.as_deref().map(Email::folded)).collect();
    sqlx::query!(
        "INSERT INTO staged_customers AS mine (walk, stripe_customer_external_id, email_key, body, read_ticket)
         SELECT $1, id, email_key, body, $5 FROM unnest($2::text[], $3::text[], $4::jsonb[]) AS t (id, email_key, body)
         ON CONFLICT (walk, stripe_customer_external_id) DO UPDATE SET
             email_key = excluded.email_key, body = excluded.body, read_ticket = excluded.read_ticket
         WHERE mine.read_ticket < excluded.read_ticket",
        walk.as_uuid(),
        &ids,
        &keys as &[Option<String>],
        &bodies(read)?,
        ticket.get(),
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn stage_subscriptions(
    db: &mut PgConnection,
    walk: WalkId,
    read: &[ListedSubscription],
    ticket: Ticket,
) -> Result<(), Error> {
    let ids: Vec<_> = read.iter().map(|listed| listed.without_products().id.to_string()).collect();
    sqlx::query!(
        "INSERT INTO staged_subscriptions AS mine (walk, stripe_subscription_external_id, body, read_ticket)
         SELECT $1, id, body, $4 FROM unnest($2::text[], $3::jsonb[]) AS t (id, body)
         ON CONFLICT (walk, stripe_subscription_external_id) DO UPDATE SET
             body = excluded.body, read_ticket = excluded.read_ticket
         WHERE mine.read_ticket < excluded.read_ticket",
        walk.as_uuid(),
        &ids,
        &bodies(read)?,
        ticket.get(),
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn stage_products(
    db: &mut PgConnection,
    walk: WalkId,
    read: &[StripeProduct],
    ticket: Ticket,
) -> Result<(), Error> {
    let ids: Vec<_> = read.iter().map(|product| product.id.to_string()).collect();
    sqlx::query!(
        "INSERT INTO staged_products AS mine (walk, stripe_product_external_id, body, read_ticket)
         SELECT $1, id, body, $4 FROM unnest($2::text[], $3::jsonb[]) AS t (id, body)
         ON CONFLICT (walk, stripe_product_external_id) DO UPDATE SET
             body = excluded.body, read_ticket = excluded.read_ticket
         WHERE mine.read_ticket < excluded.read_ticket",
        walk.as_uuid(),
        &ids,
        &bodies(read)?,
        ticket.get(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets what a list said before it is read from its beginning: what is gone must not stay.
async fn unstage(db: &mut PgConnection, walk: WalkId, phase: WalkPhase) -> Result<(), Error> {
    let walk = walk.as_uuid();
    match phase {
        WalkPhase::Customers | WalkPhase::Search | WalkPhase::Owner => {
            sqlx::query!("DELETE FROM staged_customers WHERE walk = $1", walk).execute(db).await?;
        }
        WalkPhase::Subscriptions => {
            sqlx::query!("DELETE FROM staged_subscriptions WHERE walk = $1", walk).execute(db).await?;
        }
        WalkPhase::Products => {
            sqlx::query!("DELETE FROM staged_products WHERE walk = $1", walk).execute(db).await?;
        }
        WalkPhase::Walked => {}
    }
    Ok(())
}

fn bodies(read: &[impl Serialize]) -> Result<Vec<serde_json::Value>, Error> {
    read.iter().map(|one| serde_json::to_value(one).map_err(|_| unreadable("staged_subscriptions", "body"))).collect()
}
