//! Writing what an import found for each tenant, one transaction a tenant.

use std::collections::BTreeMap;

use domain::audit::{Cause, Origin};
use domain::failure::{Classify, Retry};
use domain::ids::{ProductId, StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::import_customers::Outcome;
use domain::license::Derived;
use domain::refusal::Refusal;
use domain::steps::Imported;
use domain::stripe::{StripeCustomer, StripeProduct, StripeSubscription, tagged_tenant};
use domain::walk::{ListedSubscription, WalkId};
use domain::words::Email;
use futures::future::try_join_all;
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};

use crate::error::unreadable;
use crate::license_count::{Why, lock_tenant};
use crate::{Error, Import, Store, Ticket, customers, events, import_progress, tenants};

/// Tenants that one step writes.
const AT_ONCE: i64 = 60;
/// Transactions at a time; the front needs connections too.
const LANES: usize = 3;
/// Where a customer came from, in `stripe_customers.metadata`.
const SOURCE: &str = "import";

/// A tenant whose customer was found.
struct Found {
    tenant: TenantId,
    customer: StripeCustomerId,
    judged: Outcome,
    dry_run: bool,
}

/// What a list said of one of its subscriptions.
struct Staged {
    subscription: ListedSubscription,
    /// Taken before the page was asked for.
    ticket: Ticket,
    /// Whether the tenant has a row of it.
    is_known: bool,
    is_add_on: bool,
}

/// What became of a tenant, and what is left to do for it.
struct Written {
    outcome: Outcome,
    reason: Option<String>,
    subscriptions: Vec<String>,
    untagged: Vec<String>,
    unread: Vec<String>,
}

impl Written {
    /// What was judged, and nothing else yet.
    fn of(found: &Found) -> Self {
        let (subscriptions, untagged, unread) = Default::default();
        Self { outcome: found.judged, reason: None, subscriptions, untagged, unread }
    }
}

/// What all tenants of a step are written with.
struct Writing<'a> {
    walk: WalkId,
    products: BTreeMap<ProductId, StripeProduct>,
    origin: &'a Origin,
}

impl Store {
    /// Writes the next tenants, each in a transaction of its own that also says what became of it.
    pub async fn import_tenants(&self, walk: WalkId, origin: &Origin) -> Result<Imported, Error> {
        let next = self.found(walk).await?;
        let writing = Writing { walk, products: self.staged_products(walk).await?, origin };
        let lanes = next.chunks(next.len().div_ceil(LANES).max(1));
        try_join_all(lanes.map(|lane| self.import_lane(&writing, lane))).await?;
        let progress = import_progress::of(&mut *self.pool.acquire().await?, walk).await?;
        Ok(Imported { done: next.is_empty(), progress })
    }

    async fn import_lane(&self, writing: &Writing<'_>, lane: &[Found]) -> Result<(), Error> {
        for found in lane {
            match self.import_tenant(writing, found).await {
                // Nothing of it was written, and no repetition mends it. The others have their turn.
                Err(error) if error.retry() == Retry::Never => {
                    self.refuse(writing.walk, found, error.to_string()).await?;
                }
                written => written?,
            }
        }
        Ok(())
    }

    async fn staged_products(&self, walk: WalkId) -> Result<BTreeMap<ProductId, StripeProduct>, Error> {
        let query = sqlx::query_scalar!(
            "SELECT body AS \"body: Json<StripeProduct>\" FROM staged_products WHERE walk = $1",
            walk.as_uuid(),
        );
        Ok(query.fetch_all(&self.pool).await?.into_iter().map(|body| (body.0.id.clone(), body.0)).collect())
    }

    async fn found(&self, walk: WalkId) -> Result<Vec<Found>, Error> {
        let rows = sqlx::query!(
            "SELECT tenant, judged, dry_run, stripe_customer_external_id AS \"customer!\" FROM import_outcomes
             WHERE walk = $1 AND outcome IS NULL ORDER BY tenant LIMIT $2",
            walk.as_uuid(),
            AT_ONCE,
        );
        let wrong = |column| unreadable("import_outcomes", column);
        let rows = rows.fetch_all(&self.pool).await?.into_iter().map(|row| {
            Ok(Found {
                tenant: row.tenant.into(),
                customer: row.customer.parse().map_err(|_| wrong("stripe_customer_external_id"))?,
                judged: row.judged.parse().map_err(|_| wrong("judged"))?,
                dry_run: row.dry_run,
            })
        });
        rows.collect()
    }

    async fn import_tenant(&self, writing: &Writing<'_>, found: &Found) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        events::lock_customer(&mut tx, &found.customer).await?;
        lock_tenant(&mut tx, found.tenant).await?;
        let written = match found.dry_run {
            true => self.tried(&mut tx, writing, found).await?,
            false => self.written(&mut tx, writing, found).await?,
        };
        settle(&mut tx, writing.walk, found, &written).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What would become of it: everything is written, and taken back.
    async fn tried(&self, db: &mut PgConnection, writing: &Writing<'_>, found: &Found) -> Result<Written, Error> {
        let mut trial = db.begin().await?;
        let written = self.written(&mut trial, writing, found).await?;
        trial.rollback().await?;
        Ok(Written { untagged: Vec::new(), unread: Vec::new(), ..written })
    }

    async fn written(&self, db: &mut PgConnection, writing: &Writing<'_>, found: &Found) -> Result<Written, Error> {
        let staged = staged(&mut *db, writing.walk, found).await?;
        let is_live = |one: &Staged| self.rules.is_live(one.subscription.without_products().status);
        let has_licence = staged.iter().any(|one| is_live(one) && !one.is_add_on);
        // Without a licence the customer is nobody's yet; rows that are there are kept up to date.
        let concerned: Vec<_> = staged.iter().filter(|one| one.is_known || has_licence && is_live(one)).collect();
        refuse_foreign_tags(db, found.tenant, &concerned).await?;
        let is_complete = has_row(db, found).await? && concerned.iter().all(|one| one.is_known);
        let mut written = Written {
            outcome: match (has_licence, is_complete) {
                (true, true) => Outcome::Already,
                (true, false) => Outcome::Imported,
                (false, _) => Outcome::NoLiveSubscription,
            },
            subscriptions: concerned.iter().map(|one| one.id().to_string()).collect(),
            ..Written::of(found)
        };
        written.unread = rows_that_no_list_has(db, writing.walk, found.tenant).await?;
        if has_licence {
            self.claim_staged(db, writing.walk, found).await?;
        }
        self.write_all(db, writing, found, &concerned, &mut written).await?;
        Ok(written)
    }

    async fn write_all(
        &self,
        db: &mut PgConnection,
        writing: &Writing<'_>,
        found: &Found,
        concerned: &[&Staged],
        written: &mut Written,
    ) -> Result<(), Error> {
        let mut whole = Vec::new();
        for one in concerned {
            if tagged_tenant(&one.subscription.without_products().metadata) != Some(found.tenant) {
                written.untagged.push(one.id().to_string());
            }
            match one.subscription.clone().with_products(|id| writing.products.get(id).cloned()) {
                Some(subscription) => whole.push((subscription, one.ticket)),
                None => written.unread.push(one.id().to_string()),
            }
        }
        let import = |(subscription, ticket)| Import { tenant: found.tenant, subscription, ticket };
        let imports: Vec<_> = whole.iter().map(|(subscription, ticket)| import((subscription, *ticket))).collect();
        if imports.len() > 1 {
            self.write_catalogues(db, &imports).await?;
        }
        let why = Why { cause: Cause::SubscriptionImport, origin: writing.origin, events: &[] };
        let mut last = None;
        for import in &imports {
            last = Some(self.write(db, import, &why).await?);
        }
        // Of several only the last derivation saw all rows.
        if let Some(Derived::Withheld(refusal)) = last {
            written.outcome = Outcome::Failed;
            written.reason = Some(refusal.to_string());
        }
        Ok(())
    }

    /// The customer is the tenant's from here on, with what the list said of it, and its events come.
    async fn claim_staged(&self, db: &mut PgConnection, walk: WalkId, found: &Found) -> Result<(), Error> {
        customers::claim(db, found.tenant, &found.customer, self.master).await?;
        match customers::tenant_of(&mut *db, &found.customer).await? {
            Some(owner) if owner == found.tenant => {}
            Some(tenant) => {
                return Err(Refusal::CustomerOfAnotherTenant { customer: found.customer.clone(), tenant }.into());
            }
            None => return Err(customers::refuse_second(db, found.tenant, &found.customer).await?.into()),
        }
        complete_customer(db, walk, found).await?;
        events::release_parked(db, &found.customer, &[]).await
    }

    async fn refuse(&self, walk: WalkId, found: &Found, why: String) -> Result<(), Error> {
        let written = Written { outcome: Outcome::Failed, reason: Some(why), ..Written::of(found) };
        settle(&mut *self.pool.acquire().await?, walk, found, &written).await
    }
}

/// Rows of subscriptions that live here and were in no list: they have ended, or are gone.
async fn rows_that_no_list_has(db: &mut PgConnection, walk: WalkId, tenant: TenantId) -> Result<Vec<String>, Error> {
    let query = sqlx::query_scalar!(
        "SELECT stripe_subscription_external_id FROM stripe_subscriptions mine
         WHERE tenant = $2 AND status NOT IN ('canceled', 'incomplete_expired') AND NOT EXISTS (
             SELECT FROM staged_subscriptions staged WHERE staged.walk = $1
               AND staged.stripe_subscription_external_id = mine.stripe_subscription_external_id)
         ORDER BY 1",
        walk.as_uuid(),
        tenant.as_uuid(),
    );
    Ok(query.fetch_all(db).await?)
}

impl Staged {
    fn id(&self) -> &StripeSubscriptionId {
        &self.subscription.without_products().id
    }
}

async fn staged(db: &mut PgConnection, walk: WalkId, found: &Found) -> Result<Vec<Staged>, Error> {
    let rows = sqlx::query!(
        "SELECT body AS \"body: Json<ListedSubscription>\", read_ticket, is_add_on AS \"is_add_on!\",
                EXISTS (SELECT FROM stripe_subscriptions mine
                        WHERE mine.stripe_subscription_external_id = staged.stripe_subscription_external_id)
                    AS \"is_known!\"
         FROM staged_subscriptions staged WHERE walk = $1 AND stripe_customer_external_id = $2
         ORDER BY stripe_subscription_external_id",
        walk.as_uuid(),
        found.customer.as_str(),
    );
    let rows = rows.fetch_all(db).await?.into_iter().map(|row| Staged {
        subscription: row.body.0,
        ticket: Ticket::stored(row.read_ticket),
        is_known: row.is_known,
        is_add_on: row.is_add_on,
    });
    Ok(rows.collect())
}

/// A tag never gives way to another tenant that exists.
async fn refuse_foreign_tags(db: &mut PgConnection, tenant: TenantId, concerned: &[&Staged]) -> Result<(), Error> {
    for one in concerned {
        let subscription: &StripeSubscription = one.subscription.without_products();
        if let Some(tag) = tagged_tenant(&subscription.metadata)
            && tag != tenant
            && tenants::exists(&mut *db, tag).await?
        {
            let subscription = subscription.id.clone();
            return Err(Refusal::SubscriptionOfAnotherTenant { subscription, tenant: tag }.into());
        }
    }
    Ok(())
}

async fn has_row(db: &mut PgConnection, found: &Found) -> Result<bool, Error> {
    let query = sqlx::query_scalar!(
        "SELECT EXISTS (SELECT FROM stripe_customers WHERE tenant = $1 AND stripe_customer_external_id = $2) AS \"is!\"",
        found.tenant.as_uuid(),
        found.customer.as_str(),
    );
    Ok(query.fetch_one(db).await?)
}

/// Fills in what the claim of the customer left open. What the row has is kept.
async fn complete_customer(db: &mut PgConnection, walk: WalkId, found: &Found) -> Result<(), Error> {
    let body = sqlx::query_scalar!(
        "SELECT body AS \"body: Json<StripeCustomer>\" FROM staged_customers
         WHERE walk = $1 AND stripe_customer_external_id = $2",
        walk.as_uuid(),
        found.customer.as_str(),
    );
    let Some(Json(customer)) = body.fetch_optional(&mut *db).await? else { return Ok(()) };
    sqlx::query!(
        "UPDATE stripe_customers SET
             email = coalesce(email, $3), name = coalesce(name, $4),
             metadata = jsonb_build_object('source', $5::text, 'created_at', now()) || metadata, updated_at = now()
         WHERE tenant = $1 AND stripe_customer_external_id = $2 AND (email IS NULL OR name IS NULL)",
        found.tenant.as_uuid(),
        found.customer.as_str(),
        customer.email.as_deref().map(Email::folded),
        customer.name,
        SOURCE,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn settle(db: &mut PgConnection, walk: WalkId, found: &Found, written: &Written) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE import_outcomes SET outcome = $3, reason = $4, stripe_subscription_external_ids = $5,
             untagged = $6, unread = $7, settled_at = now()
         WHERE walk = $1 AND tenant = $2 AND outcome IS NULL",
        walk.as_uuid(),
        found.tenant.as_uuid(),
        written.outcome.as_str(),
        written.reason,
        &written.subscriptions,
        &written.untagged,
        &written.unread,
    )
    .execute(db)
    .await?;
    Ok(())
}
