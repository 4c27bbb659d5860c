//! Bringing a subscription's rows up to what Stripe says because events said that it changed.
//!
//! The events themselves say nothing that is used here: their order, age, number and shape do
//! not matter.

use domain::audit::Origin;
use domain::create_tenant::CreateTenantInput;
use domain::ids::StripeCustomerId;
use domain::names::metadata;
use domain::steps::{EventsOf, SyncedSubscription};
use domain::stripe::{StripeCustomer, StripeSubscription};
use domain::sync_subscription::Handled;
use store::{Parking, Store, Sync, Synced};
use stripe_gateway::Stripe;

use crate::Error;

/// Reads the subscription once for all these events, under a ticket taken before the request,
/// and writes it. Where its customer has no tenant the events are parked.
pub async fn sync(store: &Store, stripe: &Stripe, of: &EventsOf, origin: &Origin) -> Result<SyncedSubscription, Error> {
    let ticket = store.ticket().await?;
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let sync = Sync { subscription: &subscription, ticket, events: &of.event_ids };
    let mut synced = store.sync_subscription(&sync, origin).await?;
    if synced == Synced::NoTenant {
        let purchase = stranded(store, stripe, &subscription).await?;
        let reason = reason(&subscription.customer, &purchase);
        let parking = Parking { reason: &reason, purchase: purchase.as_ref().ok() };
        synced = store.sync_or_park(&sync, &parking, origin).await?;
    }
    Ok(match synced {
        Synced::Written(tenant, handled) => {
            SyncedSubscription { tenant_id: Some(tenant), handled: Handled { reads: 1, ..handled } }
        }
        Synced::NoTenant => {
            let parked = of.event_ids.len();
            SyncedSubscription { tenant_id: None, handled: Handled { reads: 1, parked, ..Handled::default() } }
        }
    })
}

/// The onboarding that the store would start for this purchase, from what Stripe holds, or why
/// there is none to start.
async fn stranded(
    store: &Store,
    stripe: &Stripe,
    subscription: &StripeSubscription,
) -> Result<Result<CreateTenantInput, &'static str>, Error> {
    if subscription.sold(store.rules()).makes_a_tenant(store.rules()).is_err() {
        return Ok(Err("its subscription makes no tenant as it is"));
    }
    match stripe.customer(&subscription.customer).await {
        Ok(customer) => Ok(onboarding(&customer, subscription)),
        Err(stripe_gateway::Error::NotFound { .. } | stripe_gateway::Error::Forbidden(_)) => {
            Ok(Err("the customer is gone at Stripe"))
        }
        Err(error) => Err(error.into()),
    }
}

fn onboarding(customer: &StripeCustomer, subscription: &StripeSubscription) -> Result<CreateTenantInput, &'static str> {
    let is_pending = customer.metadata.get(metadata::PENDING_TENANT).is_some_and(|value| value != "false");
    if !is_pending {
        return Err("the store did not mark the customer with metadata.pending_tenant");
    }
    let email = customer.email.clone().and_then(|email| email.try_into().ok());
    let named = subscription.metadata.get(metadata::CLIENT_NAME).or(customer.name.as_ref());
    let client_name = named.cloned().and_then(|name| name.try_into().ok());
    Ok(CreateTenantInput {
        email: email.ok_or("the customer has no e-mail at Stripe")?,
        client_name: client_name
            .ok_or("neither metadata.client_name of the subscription nor the customer has a name")?,
        stripe_customer_id: Some(customer.id.clone()),
        stripe_subscription_id: Some(subscription.id.clone()),
        initial_license_count: None,
        checkout_session_id: None,
        tenant_id: None,
    })
}

/// What stands on a parked event, for a person.
fn reason(customer: &StripeCustomerId, purchase: &Result<CreateTenantInput, &'static str>) -> String {
    match purchase {
        Ok(_) => format!("{customer} has no tenant yet; its onboarding is started here if the store does not"),
        Err(why) => format!("{customer} has no tenant yet, and no onboarding is started for it from here: {why}"),
    }
}
