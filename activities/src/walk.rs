//! STUB until imp's.

use std::sync::Arc;

use domain::steps;
use domain::walk::{WalkId, WalkPhase};
use store::Store;
use stripe_gateway::Stripe;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::error::fail;
use crate::{Error, origin};

/// stub
pub struct WalkActivities {
    store: Store,
    stripe: Stripe,
}

impl WalkActivities {
    /// stub
    pub fn new(store: Store, stripe: Stripe) -> Self {
        Self { store, stripe }
    }

    async fn stage(&self, walk: WalkId) -> Result<steps::Staged, Error> {
        let customer = self.store.stub_customer(walk).await?;
        let ticket = self.store.ticket().await?;
        for id in self.stripe.stub_subscriptions(customer.as_deref()).await? {
            let read = self.stripe.subscription(&id).await?;
            self.store.stage_alone(walk, &read, ticket).await?;
        }
        Ok(steps::Staged { phase: WalkPhase::Walked, pages: 1, rows: 1, done: true })
    }
}

#[activities]
impl WalkActivities {
    #[activity(definition = steps::OpenWalk)]
    pub async fn open_walk(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::NewWalk,
    ) -> Result<steps::OpenedWalk, ActivityError> {
        let walk = self.store.stub_open(of.tenant_id, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))?;
        let staged = steps::Staged { phase: WalkPhase::Subscriptions, pages: 0, rows: 0, done: false };
        Ok(steps::OpenedWalk { walk, resumed: false, started_at: 0, staged })
    }

    #[activity(definition = steps::StagePage)]
    pub async fn stage_page(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::WalkOf,
    ) -> Result<steps::Staged, ActivityError> {
        self.stage(of.walk).await.map_err(|error| fail(&ctx, error))
    }

    #[activity(definition = steps::CloseWalk)]
    pub async fn close_walk(self: Arc<Self>, ctx: ActivityContext, of: steps::WalkOf) -> Result<(), ActivityError> {
        self.store.stub_close(of.walk).await.map_err(|error| fail(&ctx, error))
    }
}
