//! Writing what Stripe said about a subscription, unless a later read has been here.

use domain::audit::{Cause, Origin};
use domain::ids::{StripeSubscriptionId, TenantId};
use domain::license::{Derived, Seats};
use domain::names::metadata;
use domain::record::WaitingChange;
use domain::refusal::Refusal;
use domain::stripe::{Metadata, StripePrice, StripeProduct, StripeSubscription, SubscriptionItem};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::license_count::Why;
use crate::{Error, Store, customers, events, license_count};

/// When a read of Stripe began, in the order of all reads. A row is overwritten only by a
/// later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) i64);

impl Ticket {
    /// As the tables store it.
    pub(crate) fn get(self) -> i64 {
        self.0
    }

    /// As a table has it.
    pub(crate) fn stored(ticket: i64) -> Self {
        Self(ticket)
    }
}

/// One subscription, as it was read under a ticket taken before the request went out.
#[derive(Debug)]
pub struct Import<'a> {
    /// Whose it is.
    pub tenant: TenantId,
    /// What Stripe said.
    pub subscription: &'a StripeSubscription,
    /// Taken before Stripe was asked.
    pub ticket: Ticket,
}

impl Store {
    /// The next ticket. Take it before the request goes out.
    pub async fn ticket(&self) -> Result<Ticket, Error> {
        let query = sqlx::query_scalar!("SELECT nextval('read_tickets') AS \"ticket!\"");
        Ok(Ticket(query.fetch_one(&self.pool).await?))
    }

    /// Writes product, price, subscription and the count that follows, in one transaction.
    pub async fn import_subscription(&self, import: &Import<'_>, origin: &Origin) -> Result<(), Error> {
        self.import_because(import, Cause::SubscriptionImport, origin).await.map(drop)
    }

    /// The same, for a cause of the caller's own. Answers what follows for the count.
    pub async fn import_because(&self, import: &Import<'_>, cause: Cause, origin: &Origin) -> Result<Derived, Error> {
        let mut tx = self.pool.begin().await?;
        events::lock_customer(&mut tx, &import.subscription.customer).await?;
        let why = Why { cause, origin, events: &[] };
        let derived = self.write(&mut tx, import, &why).await?;
        tx.commit().await?;
        Ok(derived)
    }

    /// Writes everything that follows from the read. The caller holds the customer's lock.
    pub(crate) async fn write(
        &self,
        db: &mut PgConnection,
        import: &Import<'_>,
        why: &Why<'_>,
    ) -> Result<Derived, Error> {
        license_count::lock_tenant(db, import.tenant).await?;
        let customer = self.customer_row(db, import).await?;
        refuse_other_tenants(db, import).await?;
        let item = self.write_catalogue(db, import).await?;
        write_subscription(db, import, customer, item, self.rules.waiting_change(import.subscription)).await?;
        events::release_parked(db, &import.subscription.customer, why.events).await?;
        license_count::apply(db, import.tenant, &self.rules, why).await
    }

    /// The tenant's row of the subscription's customer, claimed now if nobody has it.
    async fn customer_row(&self, db: &mut PgConnection, import: &Import<'_>) -> Result<Uuid, Error> {
        let customer = &import.subscription.customer;
        customers::claim(db, import.tenant, customer, self.master).await?;
        let row = sqlx::query!(
            "SELECT tenant, stripe_customer_id FROM stripe_customers WHERE stripe_customer_external_id = $1",
            customer.as_str()
        );
        let Some(row) = row.fetch_optional(&mut *db).await? else {
            return Err(customers::refuse_second(db, import.tenant, customer).await?.into());
        };
        let tenant = TenantId::from(row.tenant);
        if tenant != import.tenant {
            return Err(Refusal::CustomerOfAnotherTenant { customer: customer.clone(), tenant }.into());
        }
        Ok(row.stripe_customer_id)
    }

    /// Writes the products and prices of all items, and picks the one that counts licences.
    async fn write_catalogue<'a>(&self, db: &mut PgConnection, import: &Import<'a>) -> Result<LicenseItem<'a>, Error> {
        let counting = match self.rules.seats(&import.subscription.license_items()) {
            Seats::Counted { item, .. } | Seats::Metered { item, .. } => Some(item),
            Seats::Ambiguous => None,
        };
        let mut picked = LicenseItem::Unknown { period: import.subscription.items.first() };
        for (item, ticket) in catalogue(std::slice::from_ref(import)) {
            let price = self.write_item(db, item, ticket).await?;
            if counting.as_ref() == Some(&item.id) {
                picked = LicenseItem::Known { item, price };
            }
        }
        Ok(picked)
    }

    /// Writes the products and prices of several subscriptions that one transaction writes, before
    /// any of the subscriptions does it for its own.
    pub(crate) async fn write_catalogues(&self, db: &mut PgConnection, imports: &[Import<'_>]) -> Result<(), Error> {
        for (item, ticket) in catalogue(imports) {
            self.write_item(db, item, ticket).await?;
        }
        Ok(())
    }

    async fn write_item(&self, db: &mut PgConnection, item: &SubscriptionItem, ticket: Ticket) -> Result<Uuid, Error> {
        let product = write_product(db, self.master, &item.price.product, ticket).await?;
        write_price(db, self.master, product, &item.price, ticket).await
    }
}

/// All items, always in the same order, so that two transactions cannot wait for each other.
fn catalogue<'a>(imports: &[Import<'a>]) -> Vec<(&'a SubscriptionItem, Ticket)> {
    let items_of = |import: &Import<'a>| {
        let ticket = import.ticket;
        import.subscription.items.iter().map(move |item| (item, ticket))
    };
    let mut items: Vec<_> = imports.iter().flat_map(items_of).collect();
    let place = |item: &'a SubscriptionItem| (&item.price.product.id, &item.price.id);
    items.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)));
    items
}

/// The item that counts licences, and the row of its price.
enum LicenseItem<'a> {
    Known {
        item: &'a SubscriptionItem,
        price: Uuid,
    },
    /// It cannot be told; the periods of the first item still say something.
    Unknown {
        period: Option<&'a SubscriptionItem>,
    },
}

impl LicenseItem<'_> {
    fn period(&self) -> Option<&SubscriptionItem> {
        match self {
            Self::Known { item, .. } => Some(item),
            Self::Unknown { period } => *period,
        }
    }

    fn known(&self) -> Option<(&SubscriptionItem, Uuid)> {
        match self {
            Self::Known { item, price } => Some((item, *price)),
            Self::Unknown { .. } => None,
        }
    }
}

async fn refuse_other_tenants(db: &mut PgConnection, import: &Import<'_>) -> Result<(), Error> {
    let id: &StripeSubscriptionId = &import.subscription.id;
    let query = sqlx::query_scalar!(
        "SELECT tenant FROM stripe_subscriptions WHERE stripe_subscription_external_id = $1 AND tenant <> $2",
        id.as_str(),
        import.tenant.as_uuid(),
    );
    match query.fetch_optional(db).await? {
        Some(tenant) => {
            Err(Refusal::SubscriptionOfAnotherTenant { subscription: id.clone(), tenant: tenant.into() }.into())
        }
        None => Ok(()),
    }
}

async fn write_product(
    db: &mut PgConnection,
    master: TenantId,
    product: &StripeProduct,
    ticket: Ticket,
) -> Result<Uuid, Error> {
    if let Some(known) = known_product(db, master, product, ticket).await? {
        return Ok(known);
    }
    sqlx::query!(
        "INSERT INTO stripe_products AS mine
             (tenant, stripe_product_external_id, name, description, product_type, is_active, metadata, read_ticket)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant, stripe_product_external_id) DO UPDATE SET
             name = excluded.name, description = excluded.description, product_type = excluded.product_type,
             is_active = excluded.is_active, metadata = excluded.metadata, read_ticket = excluded.read_ticket,
             updated_at = now()
         WHERE mine.read_ticket < excluded.read_ticket",
        master.as_uuid(),
        product.id.as_str(),
        product.name,
        product.description,
        product_type(&product.metadata),
        product.is_active,
        Json(&product.metadata) as _,
        ticket.0,
    )
    .execute(&mut *db)
    .await?;
    let query = sqlx::query_scalar!(
        "SELECT stripe_product_id FROM stripe_products WHERE tenant = $1 AND stripe_product_external_id = $2",
        master.as_uuid(),
        product.id.as_str(),
    );
    Ok(query.fetch_one(db).await?)
}

/// The product's row, if it says what this read says or more. Most writes find it so, and those
/// must not wait for each other: an upsert would lock the row that all of them share.
async fn known_product(
    db: &mut PgConnection,
    master: TenantId,
    product: &StripeProduct,
    ticket: Ticket,
) -> Result<Option<Uuid>, Error> {
    let query = sqlx::query_scalar!(
        "SELECT stripe_product_id FROM stripe_products
         WHERE tenant = $1 AND stripe_product_external_id = $2 AND read_ticket >= $3",
        master.as_uuid(),
        product.id.as_str(),
        ticket.0,
    );
    Ok(query.fetch_optional(db).await?)
}

/// The price's row, likewise.
async fn known_price(
    db: &mut PgConnection,
    master: TenantId,
    price: &StripePrice,
    ticket: Ticket,
) -> Result<Option<Uuid>, Error> {
    let query = sqlx::query_scalar!(
        "SELECT stripe_price_id FROM stripe_prices
         WHERE tenant = $1 AND stripe_price_external_id = $2 AND read_ticket >= $3",
        master.as_uuid(),
        price.id.as_str(),
        ticket.0,
    );
    Ok(query.fetch_optional(db).await?)
}

/// `license`, unless the product says that it is sold on top of one.
fn product_type(tags: &Metadata) -> &'static str {
    if tags.contains_key(metadata::ADDON_KEY) { "addon" } else { "license" }
}

async fn write_price(
    db: &mut PgConnection,
    master: TenantId,
    product: Uuid,
    price: &StripePrice,
    ticket: Ticket,
) -> Result<Uuid, Error> {
    if let Some(known) = known_price(db, master, price, ticket).await? {
        return Ok(known);
    }
    sqlx::query!(
        "INSERT INTO stripe_prices AS mine
             (tenant, stripe_price_external_id, stripe_product_id, unit_amount, currency,
              recurring_interval, recurring_interval_count, is_active, metadata, read_ticket)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (tenant, stripe_price_external_id) DO UPDATE SET
             stripe_product_id = excluded.stripe_product_id, unit_amount = excluded.unit_amount,
             currency = excluded.currency, recurring_interval = excluded.recurring_interval,
             recurring_interval_count = excluded.recurring_interval_count, is_active = excluded.is_active,
             metadata = excluded.metadata, read_ticket = excluded.read_ticket, updated_at = now()
         WHERE mine.read_ticket < excluded.read_ticket",
        master.as_uuid(),
        price.id.as_str(),
        product,
        price.unit_amount,
        price.currency,
        price.recurring_interval,
        price.recurring_interval_count,
        price.is_active,
        Json(&price.metadata) as _,
        ticket.0,
    )
    .execute(&mut *db)
    .await?;
    let query = sqlx::query_scalar!(
        "SELECT stripe_price_id FROM stripe_prices WHERE tenant = $1 AND stripe_price_external_id = $2",
        master.as_uuid(),
        price.id.as_str(),
    );
    Ok(query.fetch_one(db).await?)
}

async fn write_subscription(
    db: &mut PgConnection,
    import: &Import<'_>,
    customer: Uuid,
    item: LicenseItem<'_>,
    waiting: Option<WaitingChange<'_>>,
) -> Result<(), Error> {
    let (subscription, period, known) = (import.subscription, item.period(), item.known());
    sqlx::query!(
        "INSERT INTO stripe_subscriptions AS mine
             (tenant, stripe_subscription_external_id, stripe_customer_id, stripe_subscription_item_id, stripe_price_id,
              quantity, status, billing_interval, current_period_start, current_period_end, cancel_at,
              cancel_at_period_end, canceled_at, metadata, stripe_created_at, read_ticket,
              stripe_schedule_external_id, scheduled_quantity, scheduled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9::bigint), to_timestamp($10::bigint),
                 to_timestamp($11::bigint), $12, to_timestamp($13::bigint), $14, to_timestamp($15::bigint), $16,
                 $17, $18, to_timestamp($19::bigint))
         ON CONFLICT (tenant, stripe_subscription_external_id) DO UPDATE SET
             stripe_customer_id = excluded.stripe_customer_id,
             stripe_subscription_item_id = excluded.stripe_subscription_item_id,
             stripe_price_id = excluded.stripe_price_id, quantity = excluded.quantity, status = excluded.status,
             billing_interval = excluded.billing_interval, current_period_start = excluded.current_period_start,
             current_period_end = excluded.current_period_end, cancel_at = excluded.cancel_at,
             cancel_at_period_end = excluded.cancel_at_period_end, canceled_at = excluded.canceled_at,
             metadata = excluded.metadata, stripe_created_at = excluded.stripe_created_at,
             read_ticket = excluded.read_ticket,
             stripe_schedule_external_id = excluded.stripe_schedule_external_id,
             scheduled_quantity = excluded.scheduled_quantity, scheduled_at = excluded.scheduled_at,
             updated_at = now()
         WHERE mine.read_ticket < excluded.read_ticket",
        import.tenant.as_uuid(),
        subscription.id.as_str(),
        customer,
        known.map(|(item, _)| item.id.as_str()),
        known.map(|(_, price)| price),
        known.and_then(|(item, _)| item.quantity).map(|quantity| quantity.get()),
        subscription.status.as_str(),
        known.and_then(|(item, _)| item.price.recurring_interval.as_deref()),
        period.map(|item| item.current_period_start),
        period.map(|item| item.current_period_end),
        subscription.cancel_at,
        subscription.cancel_at_period_end,
        subscription.canceled_at,
        Json(&subscription.metadata) as _,
        subscription.created,
        import.ticket.0,
        waiting.as_ref().map(|change| change.schedule.as_str()),
        waiting.as_ref().map(|change| change.quantity.get()),
        waiting.as_ref().map(|change| change.at),
    )
    .execute(db)
    .await?;
    Ok(())
}
