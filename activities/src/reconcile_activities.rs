//! The steps of a reconciliation, as Temporal calls them.

use std::sync::Arc;

use domain::steps;
use domain::walk::WalkId;
use store::Store;
use stripe_gateway::Stripe;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::error::fail;
use crate::{reconcile, reconcile_events};

/// The steps of a reconciliation.
pub struct ReconcileActivities {
    store: Store,
    stripe: Stripe,
    /// How long a settled event is kept.
    retention_days: u16,
}

impl ReconcileActivities {
    /// The steps over these. Settled events older than so many days are deleted.
    pub fn new(store: Store, stripe: Stripe, retention_days: u16) -> Self {
        Self { store, stripe, retention_days }
    }

    async fn prune(&self, walk: WalkId) -> Result<steps::Pruned, store::Error> {
        let events = self.store.prune_events(walk, self.retention_days).await?;
        self.store.prune_walks().await?;
        Ok(steps::Pruned { events, more: events > 0 })
    }
}

#[activities]
impl ReconcileActivities {
    /// See [`domain::steps::ReconcileSteps::read_alone`].
    #[activity(definition = steps::ReadAlone)]
    pub async fn read_alone(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::DriftOf,
    ) -> Result<steps::Left, ActivityError> {
        reconcile::read_alone(&self.store, &self.stripe, &of).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ReconcileSteps::compare_subscriptions`].
    #[activity(definition = steps::CompareSubscriptions)]
    pub async fn compare_subscriptions(
        self: Arc<Self>,
        ctx: ActivityContext,
        page: steps::SubscriptionsAfter,
    ) -> Result<steps::NextSubscriptions, ActivityError> {
        let compared = self.store.compare_subscriptions(&page.of, page.after.as_ref()).await;
        compared.map(|after| steps::NextSubscriptions { after }).map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ReconcileSteps::compare_counts`].
    #[activity(definition = steps::CompareCounts)]
    pub async fn compare_counts(
        self: Arc<Self>,
        ctx: ActivityContext,
        page: steps::CountsAfter,
    ) -> Result<steps::NextCounts, ActivityError> {
        let compared = self.store.compare_counts(&page.of, page.after).await;
        compared.map(|after| steps::NextCounts { after }).map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ReconcileSteps::weigh_drift`].
    #[activity(definition = steps::WeighDrift)]
    pub async fn weigh_drift(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::DriftOf,
    ) -> Result<steps::Weighed, ActivityError> {
        self.store.weigh_drift(of.walk).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ReconcileSteps::repair_drift`].
    #[activity(definition = steps::RepairDrift)]
    pub async fn repair_drift(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::DriftOf,
    ) -> Result<steps::Left, ActivityError> {
        reconcile::repair(&self.store, &self.stripe, &of, &ctx).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ReconcileSteps::walk_events`].
    #[activity(definition = steps::WalkEvents)]
    pub async fn walk_events(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::DriftOf,
    ) -> Result<steps::WalkedEvents, ActivityError> {
        reconcile_events::walk(&self.store, &self.stripe, of.walk).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ReconcileSteps::prune_events`].
    #[activity(definition = steps::PruneEvents)]
    pub async fn prune_events(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::DriftOf,
    ) -> Result<steps::Pruned, ActivityError> {
        self.prune(of.walk).await.map_err(|error| fail(&ctx, error))
    }
}
