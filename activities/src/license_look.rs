//! Looking at a tenant's licence subscription, before anything is written and after.

use domain::audit::{Cause, Origin};
use domain::change_license::ChangeLicenseInput;
use domain::ids::TenantId;
use domain::license_plan::{LicenseNow, LicensePlan, counting_subscription};
use domain::refusal::Refusal;
use domain::steps::SubscriptionOf;
use domain::stripe::{StripeSubscription, tagged_tenant};
use store::{Import, Store};
use stripe_gateway::Stripe;

use crate::Error;
use crate::resolve::existing;

/// Notes the request and decides what there is to do. Which subscription counts is asked of
/// Stripe, since the rows may be behind: the event of an earlier change may still be on its way.
pub(crate) async fn resolve(
    store: &Store,
    stripe: &Stripe,
    input: &ChangeLicenseInput,
    origin: &Origin,
) -> Result<LicensePlan, Error> {
    store.open_license_request(input, origin).await?;
    let customer = store.customer_of(input.tenant_id).await?.ok_or(Refusal::NoCustomer(input.tenant_id))?;
    let listed = stripe.subscriptions_of(&customer).await?;
    let id = counting_subscription(&customer, &listed, store.rules())?;
    let subscription = stripe.subscription(id).await?;
    refuse_other_tenants(store, &subscription, input.tenant_id).await?;
    let plan = LicensePlan::of(input, &subscription, store.rules())?;
    store.decide_license_request(&plan, origin).await?;
    Ok(plan)
}

/// What belongs to another tenant could not be written afterwards.
async fn refuse_other_tenants(
    store: &Store,
    subscription: &StripeSubscription,
    tenant_id: TenantId,
) -> Result<(), Error> {
    let row = store.tenant_of_subscription(&subscription.id).await?;
    let tag = existing(store, tagged_tenant(&subscription.metadata)).await?;
    match row.into_iter().chain(tag).find(|tenant| *tenant != tenant_id) {
        Some(tenant) => {
            Err(Refusal::SubscriptionOfAnotherTenant { subscription: subscription.id.clone(), tenant }.into())
        }
        None => Ok(()),
    }
}

/// Reads the subscription, under a ticket taken after every write was answered, and writes it.
pub(crate) async fn import(
    store: &Store,
    stripe: &Stripe,
    of: &SubscriptionOf,
    origin: &Origin,
) -> Result<LicenseNow, Error> {
    let ticket = store.ticket().await?;
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let import = Import { tenant: of.tenant_id, subscription: &subscription, ticket };
    store.import_because(&import, Cause::LicenseChange, origin).await?;
    Ok(LicenseNow::of(&subscription, store.rules()))
}
