//! Everything that explains a tenant's licence count: how it came about and what holds now.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::EventStatus;
use domain::ids::TenantId;
use domain::license::{Derived, LicenseSubscription, Seats, derive};

use crate::{Error, EventFilter, EventRow, Store, SubscriptionView, TenantView, Whose};

/// More open events of one tenant than a person reads.
const OPEN_EVENTS_MAX: u32 = 20;

/// A tenant's count, told from the beginning.
#[derive(Clone, Debug)]
pub struct LicenseStory {
    /// The tenant as it is.
    pub tenant: TenantView,
    /// Every change of its count, oldest first.
    pub changes: Vec<StoryChange>,
    /// The types of the events that the changes name, as far as the events are still here.
    pub event_types: BTreeMap<String, String>,
    /// What its rows say of the count.
    pub derived: Derived,
    /// Events of it that are parked, pending or failed, newest first.
    pub open_events: Vec<EventRow>,
}

/// One change.
#[derive(Clone, Debug)]
pub struct StoryChange {
    /// Before; none is no limit.
    pub from_count: Option<i32>,
    /// After.
    pub to_count: i32,
    /// See [`domain::audit::Cause`].
    pub cause: String,
    /// The subscription whose quantity it is.
    pub subscription: Option<String>,
    /// The events that asked for it.
    pub event_ids: Vec<String>,
    /// The workflow that did it.
    pub workflow_id: String,
    /// And its run.
    pub run_id: String,
    /// When.
    pub changed_at: DateTime<Utc>,
}

impl Store {
    /// The story, or none if there is no such tenant.
    pub async fn license_story(&self, whose: &Whose) -> Result<Option<LicenseStory>, Error> {
        let Some(tenant) = self.show(whose).await? else { return Ok(None) };
        let changes = self.changes_of(tenant.tenant.into()).await?;
        let licences: Vec<_> = tenant.subscriptions.iter().filter(|it| !it.is_add_on).map(read).collect();
        let licences = licences.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Some(LicenseStory {
            event_types: self.types_of(&changes).await?,
            derived: derive(&licences, &self.rules),
            open_events: self.open_events_of(&tenant).await?,
            tenant,
            changes,
        }))
    }

    async fn changes_of(&self, tenant: TenantId) -> Result<Vec<StoryChange>, Error> {
        let query = sqlx::query_as!(
            StoryChange,
            "SELECT from_count, to_count, cause, stripe_subscription_external_id AS subscription, event_ids,
                    workflow_id, run_id, changed_at
             FROM license_changes WHERE tenant = $1 ORDER BY license_change_id",
            tenant.as_uuid(),
        );
        Ok(query.fetch_all(&self.pool).await?)
    }

    async fn types_of(&self, changes: &[StoryChange]) -> Result<BTreeMap<String, String>, Error> {
        let ids: Vec<String> = changes.iter().flat_map(|change| change.event_ids.clone()).collect();
        let query = sqlx::query!(
            "SELECT stripe_event_id, event_type FROM stripe_webhook_events WHERE stripe_event_id = ANY($1)",
            &ids,
        );
        let rows = query.fetch_all(&self.pool).await?.into_iter();
        Ok(rows.map(|row| (row.stripe_event_id, row.event_type)).collect())
    }

    async fn open_events_of(&self, tenant: &TenantView) -> Result<Vec<EventRow>, Error> {
        // A tenant without a customer has no subscription, so no event is about it.
        let Some(customer) = tenant.stripe_customer_id.as_deref().and_then(|id| id.parse().ok()) else {
            return Ok(Vec::new());
        };
        let statuses = vec![EventStatus::Parked, EventStatus::Pending, EventStatus::Failed];
        let filter = EventFilter { statuses, customer: Some(customer), ..EventFilter::default() };
        self.events(&filter, OPEN_EVENTS_MAX).await
    }
}

fn read(view: &SubscriptionView) -> Result<LicenseSubscription, Error> {
    Ok(LicenseSubscription {
        id: view.id.parse().map_err(|_| unreadable("stripe_subscription_external_id"))?,
        status: view.status.parse().map_err(|_| unreadable("status"))?,
        created: view.stripe_created_at.timestamp(),
        seats: seats(view)?,
    })
}

fn seats(view: &SubscriptionView) -> Result<Seats, Error> {
    let (Some(item), Some(price)) = (&view.item, &view.price) else { return Ok(Seats::Ambiguous) };
    let item = item.parse().map_err(|_| unreadable("stripe_subscription_item_id"))?;
    let price = price.parse().map_err(|_| unreadable("stripe_price_id"))?;
    let quantity = view.quantity.map(|quantity| i64::from(quantity).try_into()).transpose();
    Ok(match quantity.map_err(|_| unreadable("quantity"))? {
        Some(quantity) => Seats::Counted { item, price, quantity },
        None => Seats::Metered { item, price },
    })
}

fn unreadable(column: &'static str) -> Error {
    Error::Unreadable { table: "stripe_subscriptions", column }
}
