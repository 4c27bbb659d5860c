//! Looking at a purchase before anything is written: does it belong together, and whose is it?

use domain::create_tenant::CreateTenantInput;
use domain::identity::{Claim, Claims};
use domain::ids::{CheckoutSessionId, StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::refusal::Refusal;
use domain::steps::Purchase;
use domain::stripe::{StripeCustomer, StripeSubscription, tagged_tenant};
use store::Store;
use stripe_gateway::Stripe;

use crate::Error;

/// Reads what the input names, refuses what contradicts itself, and fixes the tenant's id.
pub(crate) async fn resolve(
    store: &Store,
    stripe: &Stripe,
    input: &CreateTenantInput,
    workflow_id: &str,
) -> Result<Purchase, Error> {
    let (customer, subscription) = read(stripe, input).await?;
    if let (Some(customer), Some(subscription)) = (&customer, &subscription) {
        subscription.sold(store.rules()).belongs_to(&customer.id)?;
    }
    let claims = Claims {
        given: input.tenant_id,
        made: store.tenant_made_by(workflow_id).await?,
        customer: claim_of_customer(store, customer.as_ref()).await?,
        subscription: claim_of_subscription(store, subscription.as_ref()).await?,
    };
    let tenant_id = claims.tenant(workflow_id)?;
    if tenant_id == store.master() {
        return Err(Refusal::PurchaseOfMaster(tenant_id).into());
    }
    let warnings = match &subscription {
        Some(subscription) => check_license(store, subscription, tenant_id).await?,
        None => Vec::new(),
    };
    Ok(Purchase {
        tenant_id,
        stripe_customer_id: customer.map(|customer| customer.id),
        stripe_subscription_id: subscription.map(|subscription| subscription.id),
        warnings,
    })
}

/// The customer and the subscription at Stripe, as far as the input leads to them.
async fn read(
    stripe: &Stripe,
    input: &CreateTenantInput,
) -> Result<(Option<StripeCustomer>, Option<StripeSubscription>), Error> {
    let (customer, subscription) = match &input.checkout_session_id {
        None => (input.stripe_customer_id.clone(), input.stripe_subscription_id.clone()),
        Some(session) => sold_by(stripe, session, input).await?,
    };
    let read_customer = async {
        match &customer {
            Some(id) => stripe.customer(id).await.map(Some),
            None => Ok(None),
        }
    };
    let read_subscription = async {
        match &subscription {
            Some(id) => stripe.subscription(id).await.map(Some),
            None => Ok(None),
        }
    };
    match futures::try_join!(read_customer, read_subscription)? {
        (None, Some(subscription)) => Ok((Some(stripe.customer(&subscription.customer).await?), Some(subscription))),
        both => Ok(both),
    }
}

/// Whom and what the session names, if it is paid and does not contradict the input.
async fn sold_by(
    stripe: &Stripe,
    id: &CheckoutSessionId,
    input: &CreateTenantInput,
) -> Result<(Option<StripeCustomerId>, Option<StripeSubscriptionId>), Error> {
    let session = stripe.checkout_session(id).await?;
    if !session.is_paid {
        return Err(Refusal::UnpaidSession(session.id).into());
    }
    if session.customer.is_none() || session.subscription.is_none() {
        return Err(Refusal::EmptySession(session.id).into());
    }
    let differs = |field| Refusal::SessionOfAnother { field, session: session.id.clone() };
    if input.stripe_customer_id.is_some() && input.stripe_customer_id != session.customer {
        return Err(differs("stripe_customer_id").into());
    }
    if input.stripe_subscription_id.is_some() && input.stripe_subscription_id != session.subscription {
        return Err(differs("stripe_subscription_id").into());
    }
    Ok((session.customer, session.subscription))
}

pub(crate) async fn claim_of_customer(
    store: &Store,
    customer: Option<&StripeCustomer>,
) -> Result<Option<Claim<StripeCustomerId>>, Error> {
    let Some(customer) = customer else { return Ok(None) };
    let row = store.tenant_of_customer(&customer.id).await?;
    let tag = existing(store, tagged_tenant(&customer.metadata)).await?;
    Ok(Some(Claim { id: customer.id.clone(), row, tag }))
}

pub(crate) async fn claim_of_subscription(
    store: &Store,
    subscription: Option<&StripeSubscription>,
) -> Result<Option<Claim<StripeSubscriptionId>>, Error> {
    let Some(subscription) = subscription else { return Ok(None) };
    let row = store.tenant_of_subscription(&subscription.id).await?;
    let tag = existing(store, tagged_tenant(&subscription.metadata)).await?;
    Ok(Some(Claim { id: subscription.id.clone(), row, tag }))
}

/// The tenant that a tag names, if there is such a tenant here.
pub(crate) async fn existing(store: &Store, tag: Option<TenantId>) -> Result<Option<TenantId>, Error> {
    match tag {
        Some(tenant) if store.tenant_exists(tenant).await? => Ok(Some(tenant)),
        Some(_) | None => Ok(None),
    }
}

/// A new tenant needs a subscription that carries licences now. A tenant that exists does
/// not: a replay must finish although the customer has cancelled meanwhile.
async fn check_license(
    store: &Store,
    subscription: &StripeSubscription,
    tenant: TenantId,
) -> Result<Vec<String>, Error> {
    match subscription.sold(store.rules()).makes_a_tenant(store.rules()) {
        Ok(()) => Ok(Vec::new()),
        Err(refusal) if store.tenant_exists(tenant).await? => Ok(vec![refusal.to_string()]),
        Err(refusal) => Err(refusal.into()),
    }
}
