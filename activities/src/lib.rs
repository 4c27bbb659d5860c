//! Each activity does one thing to the world, safely twice.
//!
//! An activity is a shell for Temporal around a function for us: the shell below takes the
//! context apart and puts errors through one door, the functions beside it do the work.
//! What it leaves out: the order of things (`workflows`), SQL (`store`), HTTP
//! (`stripe_gateway`), and every rule (`domain`).

#![expect(missing_docs, reason = "the macro names its constants after the documented functions")]

mod error;
mod import;
mod import_customers;
mod import_subscription;
mod license;
mod license_look;
mod license_write;
mod next_key;
mod reconcile;
mod reconcile_activities;
mod reconcile_events;
mod resolve;
pub mod sync;
mod tag;
mod walk;

use std::sync::Arc;

use domain::audit::Origin;
use domain::create_tenant::CreateTenantInput;
use domain::steps;
use domain::words::AppUrl;
pub use error::Error;
use error::fail;
pub use import_customers::ImportActivities;
pub use import_subscription::ImportSubscriptionActivities;
pub use license::LicenseActivities;
pub use reconcile_activities::ReconcileActivities;
use store::Store;
use stripe_gateway::Stripe;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
pub use walk::WalkActivities;

/// The steps of an onboarding.
pub struct TenantActivities {
    store: Store,
    stripe: Stripe,
    /// What `metadata.algapsa_url` of an onboarded customer says.
    app_url: AppUrl,
}

impl TenantActivities {
    /// The steps over these.
    pub fn new(store: Store, stripe: Stripe, app_url: AppUrl) -> Self {
        Self { store, stripe, app_url }
    }
}

#[activities]
impl TenantActivities {
    /// See [`domain::steps::TenantSteps::resolve_purchase`].
    #[activity(definition = steps::ResolvePurchase)]
    pub async fn resolve_purchase(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CreateTenantInput,
    ) -> Result<steps::Purchase, ActivityError> {
        resolve::resolve(&self.store, &self.stripe, &input, &origin(&ctx).workflow_id)
            .await
            .map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::TenantSteps::create_tenant`].
    #[activity(definition = steps::CreateTenant)]
    pub async fn create_tenant(
        self: Arc<Self>,
        ctx: ActivityContext,
        new: steps::NewTenant,
    ) -> Result<steps::CreatedTenant, ActivityError> {
        self.store.create_tenant(&new, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::TenantSteps::insert_stripe_customer`].
    #[activity(definition = steps::InsertStripeCustomer)]
    pub async fn insert_stripe_customer(
        self: Arc<Self>,
        ctx: ActivityContext,
        new: steps::NewStripeCustomer,
    ) -> Result<(), ActivityError> {
        self.store.complete_customer(&new).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::TenantSteps::import_subscription`].
    #[activity(definition = steps::ImportSubscription)]
    pub async fn import_subscription(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::SubscriptionOf,
    ) -> Result<steps::ImportedSubscription, ActivityError> {
        import::import(&self.store, &self.stripe, &of, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::TenantSteps::set_licensed_user_count`].
    #[activity(definition = steps::SetLicensedUserCount)]
    pub async fn set_licensed_user_count(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::LicenseCountOf,
    ) -> Result<steps::LicensedUserCount, ActivityError> {
        self.store.set_licensed_user_count(&of, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::TenantSteps::tag_subscription`].
    #[activity(definition = steps::TagSubscription)]
    pub async fn tag_subscription(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::SubscriptionOf,
    ) -> Result<(), ActivityError> {
        tag::subscription(&self.store, &self.stripe, &of, &ctx).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::TenantSteps::tag_customer`].
    #[activity(definition = steps::TagCustomer)]
    pub async fn tag_customer(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::CustomerOf,
    ) -> Result<(), ActivityError> {
        tag::customer(&self.store, &self.stripe, &of, self.app_url.as_str(), &ctx)
            .await
            .map_err(|error| fail(&ctx, error))
    }
}

/// The steps of a subscription's sync.
pub struct SyncActivities {
    store: Store,
    stripe: Stripe,
}

impl SyncActivities {
    /// The steps over these.
    pub fn new(store: Store, stripe: Stripe) -> Self {
        Self { store, stripe }
    }
}

#[activities]
impl SyncActivities {
    /// See [`domain::steps::SyncSteps::sync_subscription`].
    #[activity(definition = steps::SyncSubscription)]
    pub async fn sync_subscription(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::EventsOf,
    ) -> Result<steps::SyncedSubscription, ActivityError> {
        sync::sync(&self.store, &self.stripe, &of, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::SyncSteps::fail_events`].
    #[activity(definition = steps::FailEvents)]
    pub async fn fail_events(
        self: Arc<Self>,
        ctx: ActivityContext,
        failed: steps::FailedEvents,
    ) -> Result<(), ActivityError> {
        let failed = self.store.fail_events(&failed, &origin(&ctx)).await;
        failed.map_err(|error| fail(&ctx, error))
    }
}

/// The run that asked. An activity without a workflow has none, and none of ours is one.
fn origin(ctx: &ActivityContext) -> Origin {
    let info = ctx.info();
    Origin {
        workflow_id: info.workflow_id.clone().unwrap_or_default(),
        run_id: info.workflow_run_id.clone().unwrap_or_default(),
    }
}
