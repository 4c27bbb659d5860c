//! Everything that explains a tenant's licence count: how it came about and what holds now.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::EventStatus;
use domain::ids::TenantId;
use domain::license::{Derived, derive};
use sqlx::PgConnection;

use crate::event_views::{events, twins};
use crate::license_count::license_subscriptions;
use crate::show::view;
use crate::{Error, EventFilter, EventRow, Store, TenantView, Twin, Whose};

/// More open events of one tenant than a person reads.
const OPEN_EVENTS_MAX: u32 = 20;

/// A tenant's count, told from the beginning.
#[derive(Clone, Debug)]
pub struct LicenseStory {
    /// The tenant as it is.
    pub tenant: TenantView,
    /// Every change of its count, oldest first.
    pub changes: Vec<StoryChange>,
    /// The events that the changes name, as far as they are still here.
    pub told: BTreeMap<String, ToldEvent>,
    /// What its rows say of the count.
    pub derived: Derived,
    /// Events of it that wait for something, newest first.
    pub open_events: Vec<EventRow>,
}

/// An event that a change names.
#[derive(Clone, Debug)]
pub struct ToldEvent {
    /// As Stripe names it.
    pub event_type: String,
    /// `snapshot` or `thin`.
    pub kind: String,
    /// The events here that tell of the same change.
    pub twins: Vec<Twin>,
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
    /// The story as it was at one moment, or none if there is no such tenant.
    pub async fn license_story(&self, whose: &Whose) -> Result<Option<LicenseStory>, Error> {
        let Some(id) = self.find(whose).await? else { return Ok(None) };
        let mut tx = self.at_one_moment().await?;
        let Some(tenant) = view(&mut tx, id).await? else { return Ok(None) };
        let changes = changes_of(&mut tx, id).await?;
        Ok(Some(LicenseStory {
            told: told(&mut tx, &changes).await?,
            derived: derive(&license_subscriptions(&mut tx, id).await?, &self.rules),
            open_events: open_events_of(&mut tx, &tenant).await?,
            tenant,
            changes,
        }))
    }
}

async fn changes_of(db: &mut PgConnection, tenant: TenantId) -> Result<Vec<StoryChange>, Error> {
    let query = sqlx::query_as!(
        StoryChange,
        "SELECT from_count, to_count, cause, stripe_subscription_external_id AS subscription, event_ids,
                workflow_id, run_id, changed_at
         FROM license_changes WHERE tenant = $1 ORDER BY license_change_id",
        tenant.as_uuid(),
    );
    Ok(query.fetch_all(db).await?)
}

async fn told(db: &mut PgConnection, changes: &[StoryChange]) -> Result<BTreeMap<String, ToldEvent>, Error> {
    let ids: Vec<String> = changes.iter().flat_map(|change| change.event_ids.clone()).collect();
    let query = sqlx::query!(
        "SELECT stripe_event_id, event_type, kind FROM stripe_webhook_events WHERE stripe_event_id = ANY($1)",
        &ids,
    );
    let rows = query.fetch_all(&mut *db).await?.into_iter();
    let event = |event_type, kind| ToldEvent { event_type, kind, twins: Vec::new() };
    let mut told: BTreeMap<String, ToldEvent> =
        rows.map(|row| (row.stripe_event_id, event(row.event_type, row.kind))).collect();
    for twin in twins(db, &ids).await? {
        if let Some(event) = told.get_mut(&twin.of) {
            event.twins.push(twin);
        }
    }
    Ok(told)
}

async fn open_events_of(db: &mut PgConnection, tenant: &TenantView) -> Result<Vec<EventRow>, Error> {
    // A tenant without a customer has no subscription, so no event is about it.
    let Some(customer) = tenant.stripe_customer_id.as_deref().and_then(|id| id.parse().ok()) else {
        return Ok(Vec::new());
    };
    let filter = EventFilter { statuses: EventStatus::OPEN.into(), customer: Some(customer), ..EventFilter::default() };
    events(db, &filter, OPEN_EVENTS_MAX).await
}
