//! Looking at a tenant's licence subscription, before anything is written and after.

use domain::audit::{Cause, Origin};
use domain::change_license::ChangeLicenseInput;
use domain::license_plan::{LicenseNow, LicensePlan, counting_subscription};
use domain::refusal::Refusal;
use domain::steps::ChangedLicenses;
use store::{Import, Store};
use stripe_gateway::Stripe;

use crate::Error;

/// Notes the request and decides what there is to do. Which subscription counts is asked of
/// Stripe, since the rows may be behind: the event of an earlier change may still be on its way.
pub(crate) async fn resolve(
    store: &Store,
    stripe: &Stripe,
    input: &ChangeLicenseInput,
    origin: &Origin,
) -> Result<LicensePlan, Error> {
    let decided_on = store.open_license_request(input, origin).await?;
    let customer = store.customer_of(input.tenant_id).await?.ok_or(Refusal::NoCustomer(input.tenant_id))?;
    let listed = stripe.subscriptions_of(&customer).await?;
    let id = counting_subscription(&customer, &listed, store.rules())?;
    let subscription = stripe.subscription(id).await?;
    store.refuse_other_tenants(&subscription, input.tenant_id).await?;
    // An earlier attempt may have decided, and died before it could say so.
    let input = ChangeLicenseInput { from: input.from.or(decided_on), ..input.clone() };
    let plan = LicensePlan::of(&input, &subscription, store.rules())?;
    store.decide_license_request(&plan, origin).await?;
    Ok(plan)
}

/// Reads the subscription, under a ticket taken after every write was answered, and writes it. A
/// number that nobody asked for here was changed elsewhere, and its event is on its way.
pub(crate) async fn import(
    store: &Store,
    stripe: &Stripe,
    of: &ChangedLicenses,
    origin: &Origin,
) -> Result<LicenseNow, Error> {
    let ticket = store.ticket().await?;
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let import = Import { tenant: of.tenant_id, subscription: &subscription, ticket };
    let now = LicenseNow::of(&subscription, store.rules());
    let is_as_asked = of.to.is_none() || now.quantity == of.to;
    let cause = if is_as_asked { Cause::LicenseChange } else { Cause::SubscriptionImport };
    store.import_because(&import, cause, origin).await?;
    Ok(now)
}
