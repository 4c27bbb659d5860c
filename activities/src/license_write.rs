//! The writes of a change of licences. Each attempt looks first and sends one request at most.

use domain::ids::StripeSubscriptionId;
use domain::license::LicenseRules;
use domain::license_plan::{Decided, Look, look_to_attach, look_to_release, look_to_set, look_to_write};
use domain::refusal::Refusal;
use domain::steps::{AttachedSchedule, QuantityToSet, ScheduleToAttach, ScheduleToRelease, ScheduleToWrite};
use domain::stripe::StripeSubscription;
use stripe_gateway::{ComingQuantity, Proration, Quantity, Stripe};
use temporalio_sdk::activities::ActivityContext;

use crate::Error;
use crate::next_key::NextKey;

/// Sets the number now.
pub(crate) async fn set(
    rules: &LicenseRules,
    stripe: &Stripe,
    of: &QuantityToSet,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let found = match look_to_set(&subscription, rules, Decided { from: of.from, to: of.to })? {
        Look::Done(()) => return Ok(()),
        Look::Act(found) => found,
    };
    let to = Quantity {
        subscription: &subscription.id,
        item: &found.item,
        quantity: of.to,
        proration: Proration::of(&found, of.to),
    };
    let key = NextKey::of(ctx).await;
    let set = stripe.set_quantity(&to, &key.key()).await;
    let set = key.settle(set).await.map_err(declined);
    let look = |now: &StripeSubscription| look_to_set(now, rules, Decided { from: of.from, to: of.to });
    or_look_again(set, stripe, &subscription.id, look).await
}

/// Stripe refuses what its look found fit where somebody was faster in between. Then what they
/// did is the answer, and not the words of the refusal.
async fn or_look_again<D, A>(
    written: Result<D, Error>,
    stripe: &Stripe,
    id: &StripeSubscriptionId,
    look: impl FnOnce(&StripeSubscription) -> Result<Look<D, A>, Refusal>,
) -> Result<D, Error> {
    let Err(error @ Error::Stripe(stripe_gateway::Error::Refused(_))) = written else { return written };
    let subscription = stripe.subscription(id).await?;
    match look(&subscription)? {
        Look::Done(done) => Ok(done),
        Look::Act(_) => Err(error),
    }
}

/// What the payer is to read, without the rest of the answer.
fn declined(error: Error) -> Error {
    let Error::Stripe(stripe_gateway::Error::Declined(answer)) = error else { return error };
    let code = answer.codes.last().cloned().unwrap_or_else(|| format!("HTTP {}", answer.status));
    Refusal::PaymentDeclined { code, message: answer.message.unwrap_or_default() }.into()
}

/// Releases the schedule.
pub(crate) async fn release(
    rules: &LicenseRules,
    stripe: &Stripe,
    of: &ScheduleToRelease,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    match look_to_release(&subscription, rules, of.from, &of.stripe_schedule_id)? {
        Look::Done(()) => Ok(()),
        Look::Act(()) => {
            let key = NextKey::of(ctx).await;
            let released = stripe.release_schedule(&of.stripe_schedule_id, &key.key()).await;
            let released = key.settle(released).await;
            let look = |now: &StripeSubscription| look_to_release(now, rules, of.from, &of.stripe_schedule_id);
            or_look_again(released, stripe, &subscription.id, look).await
        }
    }
}

/// Puts the subscription under a schedule, or finds the one that an earlier attempt put it under.
pub(crate) async fn attach(
    rules: &LicenseRules,
    stripe: &Stripe,
    of: &ScheduleToAttach,
    ctx: &ActivityContext,
) -> Result<AttachedSchedule, Error> {
    let subscription = stripe.subscription(&of.stripe_subscription_id).await?;
    let stripe_schedule_id = match look_to_attach(&subscription, rules, of.from)? {
        Look::Done(schedule) => schedule,
        Look::Act(()) => {
            let key = NextKey::of(ctx).await;
            let attached = stripe.attach_schedule(&of.stripe_subscription_id, &key.key()).await;
            let attached = key.settle(attached).await;
            let look = |now: &StripeSubscription| look_to_attach(now, rules, of.from);
            or_look_again(attached, stripe, &subscription.id, look).await?
        }
    };
    Ok(AttachedSchedule { stripe_schedule_id })
}

/// Tells the schedule the number that is to come.
pub(crate) async fn write(
    rules: &LicenseRules,
    stripe: &Stripe,
    of: &ScheduleToWrite,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    let (subscription, schedule) = stripe.subscription_and_schedule(&of.stripe_subscription_id).await?;
    let decided = Decided { from: of.from, to: of.to };
    let found = match look_to_write(&subscription, rules, decided, &of.stripe_schedule_id)? {
        Look::Done(()) => return Ok(()),
        Look::Act(found) => found,
    };
    let Some(schedule) = schedule else {
        let (subscription, schedule) = (subscription.id.clone(), of.stripe_schedule_id.clone());
        return Err(Refusal::ScheduleChanged { subscription, schedule }.into());
    };
    let coming = ComingQuantity { price: &found.price, quantity: of.to, at: found.period_end };
    let key = NextKey::of(ctx).await;
    let written = stripe.write_schedule(&of.stripe_schedule_id, &schedule, &coming, &key.key()).await;
    let written = key.settle(written).await;
    let look = |now: &StripeSubscription| look_to_write(now, rules, decided, &of.stripe_schedule_id);
    or_look_again(written, stripe, &of.stripe_subscription_id, look).await
}
