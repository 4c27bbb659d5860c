//! Taking one subscription over for a tenant that exists.

use std::sync::Arc;

use domain::identity::Claims;
use domain::refusal::Refusal;
use domain::steps::{self, ResolvedImport, SubscriptionOf};
use store::Store;
use stripe_gateway::Stripe;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::error::fail;
use crate::resolve::{claim_of_customer, claim_of_subscription};
use crate::{Error, origin};

/// The steps of one subscription's import.
pub struct ImportSubscriptionActivities {
    store: Store,
    stripe: Stripe,
}

impl ImportSubscriptionActivities {
    /// The steps over these.
    pub fn new(store: Store, stripe: Stripe) -> Self {
        Self { store, stripe }
    }
}

#[activities]
impl ImportSubscriptionActivities {
    /// See [`domain::steps::ImportSubscriptionSteps::resolve_import`].
    #[activity(definition = steps::ResolveImport)]
    pub async fn resolve_import(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: SubscriptionOf,
    ) -> Result<ResolvedImport, ActivityError> {
        resolve(&self.store, &self.stripe, &of).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::ImportSubscriptionSteps::settle_import`].
    #[activity(definition = steps::SettleImport)]
    pub async fn settle_import(
        self: Arc<Self>,
        ctx: ActivityContext,
        import: steps::ImportToSettle,
    ) -> Result<steps::SettledImport, ActivityError> {
        self.store.settle_import(&import, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))
    }
}

/// Refuses what could not be the tenant's, before anything is written.
async fn resolve(store: &Store, stripe: &Stripe, of: &SubscriptionOf) -> Result<ResolvedImport, Error> {
    if of.tenant_id == store.master() {
        return Err(Refusal::PurchaseOfMaster(of.tenant_id).into());
    }
    let standing = store.standing_of(of.tenant_id).await?;
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let customer = stripe.customer(&subscription.customer).await?;
    let claims = Claims {
        given: Some(of.tenant_id),
        made: None,
        customer: claim_of_customer(store, Some(&customer)).await?,
        subscription: claim_of_subscription(store, Some(&subscription)).await?,
    };
    claims.nobody_else_than(of.tenant_id)?;
    match standing.customer {
        Some(owner) if owner != customer.id => {
            Err(Refusal::TenantOfAnotherCustomer { tenant: of.tenant_id, owner, customer: customer.id }.into())
        }
        Some(_) | None => Ok(ResolvedImport {
            stripe_customer_id: customer.id,
            email: customer.email,
            name: customer.name,
            licensed_user_count: standing.licensed_user_count,
        }),
    }
}
