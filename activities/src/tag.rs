//! Telling Stripe whose a subscription or a customer is.
//!
//! Each attempt looks first: what is tagged already is not written again, and a tag that names
//! another tenant of ours is never replaced.

use domain::ids::TenantId;
use domain::refusal::Refusal;
use domain::steps::{CustomerOf, SubscriptionOf};
use domain::stripe::tagged_tenant;
use store::Store;
use stripe_gateway::{CustomerTags, IdempotencyKey, Stripe};
use temporalio_sdk::activities::ActivityContext;

use crate::resolve::existing;
use crate::{Error, origin};

/// Puts `tenant_id` on the subscription's metadata.
pub(crate) async fn subscription(
    store: &Store,
    stripe: &Stripe,
    of: &SubscriptionOf,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    let found = stripe.subscription(&of.stripe_subscription_id).await?;
    let tag = tagged_tenant(&found.metadata);
    if tag == Some(of.tenant_id) {
        return Ok(());
    }
    if let Some(tenant) = another(store, tag, of.tenant_id).await? {
        return Err(Refusal::SubscriptionOfAnotherTenant { subscription: found.id, tenant }.into());
    }
    let key = NextKey::of(ctx).await;
    let tagged = stripe.tag_subscription(&found.id, of.tenant_id, &key.key()).await;
    key.settle(tagged).await
}

/// Puts the tags of an onboarded customer on its metadata.
pub(crate) async fn customer(
    store: &Store,
    stripe: &Stripe,
    of: &CustomerOf,
    app_url: &str,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    let found = stripe.customer(&of.stripe_customer_id).await?;
    let tags = CustomerTags { tenant: of.tenant_id, app_url };
    if tags.are_on(&found) {
        return Ok(());
    }
    if let Some(tenant) = another(store, tagged_tenant(&found.metadata), of.tenant_id).await? {
        return Err(Refusal::CustomerOfAnotherTenant { customer: found.id, tenant }.into());
    }
    let key = NextKey::of(ctx).await;
    let tagged = stripe.tag_customer(&found.id, &tags, &key.key()).await;
    key.settle(tagged).await
}

/// The tenant that a tag names, if it is another one than ours and exists.
async fn another(store: &Store, tag: Option<TenantId>, ours: TenantId) -> Result<Option<TenantId>, Error> {
    Ok(existing(store, tag).await?.filter(|tenant| *tenant != ours))
}

/// The idempotency key of this step's one write. Its number is kept over attempts in the
/// heartbeat, which the server stores with a failed attempt and hands to the next.
struct NextKey<'a> {
    ctx: &'a ActivityContext,
    n: u32,
}

impl<'a> NextKey<'a> {
    async fn of(ctx: &'a ActivityContext) -> Self {
        let n = ctx.heartbeat_details().deserialize::<u32>().ok().flatten().unwrap_or(1);
        let key = Self { ctx, n };
        // An attempt that says nothing might make the server forget what the last one said.
        if n > 1 {
            key.remember(n).await;
        }
        key
    }

    fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new(&origin(self.ctx).run_id, &self.ctx.info().activity_type, self.n)
    }

    /// After an answered 5xx this key answers the same for a day: the next attempt, which
    /// looks first, takes the next one. After no answer the key is kept.
    async fn settle(self, written: Result<(), stripe_gateway::Error>) -> Result<(), Error> {
        if let Err(error) = &written
            && error.used_up_its_key()
        {
            self.remember(self.n + 1).await;
        }
        Ok(written?)
    }

    async fn remember(&self, n: u32) {
        // Forgotten, it costs one more answer of the used-up key, and nothing else.
        let _ = self.ctx.record_heartbeat(n).await;
    }
}
