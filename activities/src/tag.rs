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
    let found = stripe.subscription(&of.stripe_subscription_id).await?;
    let tag = tagged_tenant(&found.metadata);
    if tag == Some(of.tenant_id) {
        return Ok(());
    }
    if let Some(tenant) = another(store, tag, of.tenant_id).await? {
        return Err(Refusal::SubscriptionOfAnotherTenant { subscription: found.id, tenant }.into());
    }
    let key = NextKey::for_object(ctx, found.id.as_str()).await;
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
