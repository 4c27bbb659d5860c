//! What an import makes of what was staged, tenant by tenant.

use std::sync::Arc;

use domain::audit::{Cause, Origin};
use domain::failure::{Classify, Retry};
use domain::license::Derived;
use domain::steps::{self, FollowUp, FollowUps, Imported, Judged, SubscriptionOf, WalkOf};
use store::{Import, Store};
use stripe_gateway::Stripe;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::error::fail;
use crate::next_key::NextKey;
use crate::{Error, origin, tag};

/// The steps of an import of customers.
pub struct ImportActivities {
    store: Store,
    stripe: Stripe,
}

impl ImportActivities {
    /// The steps over these.
    pub fn new(store: Store, stripe: Stripe) -> Self {
        Self { store, stripe }
    }
}

#[activities]
impl ImportActivities {
    /// See [`domain::steps::ImportSteps::judge_tenants`].
    #[activity(definition = steps::JudgeTenants)]
    pub async fn judge_tenants(self: Arc<Self>, ctx: ActivityContext, of: WalkOf) -> Result<Judged, ActivityError> {
        self.store.judge_tenants(of.walk).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ImportSteps::import_tenants`].
    #[activity(definition = steps::ImportTenants)]
    pub async fn import_tenants(self: Arc<Self>, ctx: ActivityContext, of: WalkOf) -> Result<Imported, ActivityError> {
        self.store.import_tenants(of.walk, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ImportSteps::list_follow_ups`].
    #[activity(definition = steps::ListFollowUps)]
    pub async fn list_follow_ups(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: WalkOf,
    ) -> Result<FollowUps, ActivityError> {
        self.store.follow_ups(of.walk).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ImportSteps::tag_imported`].
    #[activity(definition = steps::TagImported)]
    pub async fn tag_imported(self: Arc<Self>, ctx: ActivityContext, of: FollowUp) -> Result<(), ActivityError> {
        let tagged = tag_listed(&self.store, &self.stripe, &of, &ctx).await;
        or_fail_the_tenant(&self.store, &of, tagged).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ImportSteps::read_imported`].
    #[activity(definition = steps::ReadImported)]
    pub async fn read_imported(self: Arc<Self>, ctx: ActivityContext, of: FollowUp) -> Result<(), ActivityError> {
        let read = read(&self.store, &self.stripe, &of, &origin(&ctx)).await;
        or_fail_the_tenant(&self.store, &of, read).await.map_err(|error| fail(&ctx, error))
    }
}

/// What no repetition mends ends this tenant's import, and no other's.
async fn or_fail_the_tenant(store: &Store, of: &FollowUp, done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if error.retry() == Retry::Never => {
            Ok(store.note_follow_up_failed(of, &format!("{}: {error}", error.kind())).await?)
        }
        done => done,
    }
}

/// One write, without a look before it: the list has said that no other tenant of ours is named
/// there. What Stripe answers is no read, but where it differs from the list one is asked for.
/// Where the list is old, Stripe is looked at like everywhere else.
async fn tag_listed(store: &Store, stripe: &Stripe, of: &FollowUp, ctx: &ActivityContext) -> Result<(), Error> {
    if store.is_old(of.walk).await? {
        let FollowUp { tenant_id, stripe_subscription_id, .. } = of.clone();
        tag::one_of_many(store, stripe, &SubscriptionOf { tenant_id, stripe_subscription_id }, ctx).await?;
        return Ok(store.note_tagged(of, true).await?);
    }
    let key = NextKey::for_object(ctx, of.stripe_subscription_id.as_str()).await;
    let tagged = stripe.tag_listed_subscription(&of.stripe_subscription_id, of.tenant_id, &key.key()).await;
    let answered = key.settle(tagged).await?;
    let staged = store.staged_subscription(of).await?;
    let is_news = staged.is_none_or(|staged| !staged.says_the_same_as(&answered));
    Ok(store.note_tagged(of, is_news).await?)
}

/// A fresh read, under a ticket of its own.
async fn read(store: &Store, stripe: &Stripe, of: &FollowUp, origin: &Origin) -> Result<(), Error> {
    let ticket = store.ticket().await?;
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let import = Import { tenant: of.tenant_id, subscription: &subscription, ticket };
    // The rows are written all the same; only the canonical subscription can withhold the count.
    if let Derived::Withheld(refusal) = store.import_because(&import, Cause::SubscriptionImport, origin).await? {
        return Err(refusal.into());
    }
    Ok(store.note_read_again(of).await?)
}
