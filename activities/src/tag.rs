//! Telling Stripe whose a subscription or a customer is.
//!
//! Each attempt looks first: what is tagged already is not written again, and a tag that names
//! another tenant of ours is never replaced.

use domain::ids::TenantId;
use domain::refusal::Refusal;
use domain::steps::{CustomerOf, SubscriptionOf};
use domain::stripe::tagged_tenant;
use store::Store;
use stripe_gateway::{CustomerTags, Stripe};
use temporalio_sdk::activities::ActivityContext;

use crate::Error;
use crate::next_key::NextKey;
use crate::resolve::existing;

/// Puts `tenant_id` on the subscription's metadata.
pub(crate) async fn subscription(
    store: &Store,
    stripe: &Stripe,
    of: &SubscriptionOf,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    if is_to_be_tagged(store, stripe, of).await? {
        write_tag(stripe, of, NextKey::of(ctx).await).await?;
    }
    Ok(())
}

/// The same, in a run that tags many.
pub(crate) async fn one_of_many(
    store: &Store,
    stripe: &Stripe,
    of: &SubscriptionOf,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    if is_to_be_tagged(store, stripe, of).await? {
        write_tag(stripe, of, NextKey::for_object(ctx, of.stripe_subscription_id.as_str()).await).await?;
    }
    Ok(())
}

async fn is_to_be_tagged(store: &Store, stripe: &Stripe, of: &SubscriptionOf) -> Result<bool, Error> {
    let found = stripe.subscription(&of.stripe_subscription_id).await?;
    let tag = tagged_tenant(&found.metadata);
    if let Some(tenant) = another(store, tag, of.tenant_id).await? {
        return Err(Refusal::SubscriptionOfAnotherTenant { subscription: found.id, tenant }.into());
    }
    Ok(tag != Some(of.tenant_id))
}

async fn write_tag(stripe: &Stripe, of: &SubscriptionOf, key: NextKey<'_>) -> Result<(), Error> {
    let tagged = stripe.tag_subscription(&of.stripe_subscription_id, of.tenant_id, &key.key()).await;
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
