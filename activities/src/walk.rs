//! Reading Stripe's lists by the page, and staging what they say.

use std::sync::Arc;

use domain::audit::Origin;
use domain::ids::StripeCustomerId;
use domain::steps::{self, NewWalk, OpenedWalk, Staged, WalkOf};
use domain::walk::{Page, WalkPhase};
use store::{Store, WalkPlace, WalkedTenant};
use stripe_gateway::Stripe;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::error::fail;
use crate::{Error, origin};

/// The steps of a walk.
pub struct WalkActivities {
    store: Store,
    stripe: Stripe,
}

impl WalkActivities {
    /// The steps over these.
    pub fn new(store: Store, stripe: Stripe) -> Self {
        Self { store, stripe }
    }
}

#[activities]
impl WalkActivities {
    /// See [`domain::steps::WalkSteps::open_walk`].
    #[activity(definition = steps::OpenWalk)]
    pub async fn open_walk(self: Arc<Self>, ctx: ActivityContext, new: NewWalk) -> Result<OpenedWalk, ActivityError> {
        let origin: Origin = origin(&ctx);
        self.store.open_walk(&new, &origin).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::WalkSteps::stage_page`].
    #[activity(definition = steps::StagePage)]
    pub async fn stage_page(self: Arc<Self>, ctx: ActivityContext, of: WalkOf) -> Result<Staged, ActivityError> {
        stage_page(&self.store, &self.stripe, of).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::WalkSteps::close_walk`].
    #[activity(definition = steps::CloseWalk)]
    pub async fn close_walk(self: Arc<Self>, ctx: ActivityContext, of: WalkOf) -> Result<(), ActivityError> {
        self.store.close_walk(of.walk).await.map_err(|error| fail(&ctx, error))
    }
}

/// Where there is nothing to ask Stripe for in a list, it goes on to the next at once.
async fn stage_page(store: &Store, stripe: &Stripe, of: WalkOf) -> Result<Staged, Error> {
    let mut place = store.walk_place(of.walk).await?;
    loop {
        if place.phase == WalkPhase::Walked {
            return Ok(store.staged(of.walk).await?);
        }
        let ticket = store.ticket().await?;
        match read(stripe, &place).await? {
            Read::Page(page) => return Ok(store.stage(of.walk, &place, Some(&page), ticket).await?),
            Read::Gone => return Ok(store.stage(of.walk, &place, None, ticket).await?),
            Read::Nothing => {
                store.skip_phase(of.walk, &place).await?;
                place = store.walk_place(of.walk).await?;
            }
        }
    }
}

/// What a request brought.
enum Read {
    Page(Page),
    /// What the page was to begin behind is gone.
    Gone,
    /// There was nothing to ask for.
    Nothing,
}

impl From<Option<Page>> for Read {
    fn from(page: Option<Page>) -> Self {
        page.map_or(Self::Gone, Self::Page)
    }
}

async fn read(stripe: &Stripe, place: &WalkPlace) -> Result<Read, Error> {
    let (cursor, size) = (place.cursor.as_deref(), place.page_size);
    Ok(match (place.phase, &place.of) {
        (WalkPhase::Customers, None) => stripe.customers(cursor, size).await?.into(),
        (WalkPhase::Customers, Some(tenant)) => stripe.customers_with_email(&tenant.email, cursor, size).await?.into(),
        (WalkPhase::Search, Some(tenant)) => Read::Page(stripe.customers_found(&tenant.email, cursor, size).await?),
        (WalkPhase::Owner, Some(tenant)) => owner(stripe, tenant).await?,
        // A tenant without a customer may have a subscription all the same: one that carries its id.
        (WalkPhase::Subscriptions, None | Some(WalkedTenant { customer: None, .. })) => {
            stripe.subscriptions(None, cursor, size).await?.into()
        }
        (WalkPhase::Subscriptions, Some(WalkedTenant { customer: Some(customer), .. })) => {
            subscriptions_of(stripe, customer, place).await?
        }
        (WalkPhase::Products, _) => stripe.products(cursor, size).await?.into(),
        (WalkPhase::Search | WalkPhase::Owner, None) | (WalkPhase::Walked, _) => Read::Nothing,
    })
}

/// The customer of the tenant's row, unless its e-mail led to it already.
async fn owner(stripe: &Stripe, tenant: &WalkedTenant) -> Result<Read, Error> {
    match &tenant.customer {
        Some(customer) if !tenant.is_staged => Ok(Read::Page(stripe.customer_alone(customer).await?)),
        Some(_) | None => Ok(Read::Nothing),
    }
}

async fn subscriptions_of(stripe: &Stripe, customer: &StripeCustomerId, place: &WalkPlace) -> Result<Read, Error> {
    Ok(stripe.subscriptions(Some(customer), place.cursor.as_deref(), place.page_size).await?.into())
}
