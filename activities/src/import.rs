//! Bringing a subscription's rows up to what Stripe says now.

use domain::audit::Origin;
use domain::steps::{ImportedSubscription, SubscriptionOf};
use store::{Import, Store};
use stripe_gateway::Stripe;

use crate::Error;

/// Reads the subscription, under a ticket taken before the request, and writes it.
pub(crate) async fn import(
    store: &Store,
    stripe: &Stripe,
    of: &SubscriptionOf,
    origin: &Origin,
) -> Result<ImportedSubscription, Error> {
    let ticket = store.ticket().await?;
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let import = Import { tenant: of.tenant_id, subscription: &subscription, ticket };
    store.import_subscription(&import, origin).await?;
    Ok(ImportedSubscription { status: subscription.status })
}
