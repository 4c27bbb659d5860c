//! The look before each write of a change of licences.

use super::{Licensed, Waiting, decided_on};
use crate::ids::SubscriptionScheduleId;
use crate::license::LicenseRules;
use crate::refusal::Refusal;
use crate::stripe::StripeSubscription;
use crate::words::LicenseCount;

/// A change that somebody decided on.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// The number that it was decided on.
    pub from: LicenseCount,
    /// The number that there shall be.
    pub to: LicenseCount,
}

/// What a step that writes has to do after its look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look<D, A> {
    /// Nothing: it is so.
    Done(D),
    /// This.
    Act(A),
}

/// Before the number is set now.
pub fn look_to_set(
    subscription: &StripeSubscription,
    rules: &LicenseRules,
    decided: Decided,
) -> Result<Look<(), Licensed>, Refusal> {
    if has(subscription, rules)? == decided.to {
        return Ok(Look::Done(()));
    }
    let found = Licensed::of(subscription, rules)?;
    decided_on(subscription, decided.from, found.quantity)?;
    match &found.schedule {
        // Whatever waited was taken back before; this came meanwhile, and would undo the number.
        Some(schedule) => {
            Err(Refusal::ForeignSchedule { subscription: subscription.id.clone(), schedule: schedule.id.clone() })
        }
        None => Ok(Look::Act(found)),
    }
}

/// Before a schedule of ours is released.
pub fn look_to_release(
    subscription: &StripeSubscription,
    rules: &LicenseRules,
    from: LicenseCount,
    schedule: &SubscriptionScheduleId,
) -> Result<Look<(), ()>, Refusal> {
    let Some(found) = &subscription.schedule else { return Ok(Look::Done(())) };
    is_still(subscription, Some(&found.id), schedule)?;
    decided_on(subscription, from, has(subscription, rules)?)?;
    Ok(Look::Act(()))
}

/// Before a subscription is put under a schedule. Answers the one that it is under.
pub fn look_to_attach(
    subscription: &StripeSubscription,
    rules: &LicenseRules,
    from: LicenseCount,
) -> Result<Look<SubscriptionScheduleId, ()>, Refusal> {
    let found = Licensed::of(subscription, rules)?;
    decided_on(subscription, from, found.quantity)?;
    Ok(match found.schedule {
        Some(schedule) => Look::Done(schedule.id),
        None => Look::Act(()),
    })
}

/// Before a schedule is told the number that is to come.
pub fn look_to_write(
    subscription: &StripeSubscription,
    rules: &LicenseRules,
    decided: Decided,
    schedule: &SubscriptionScheduleId,
) -> Result<Look<(), Licensed>, Refusal> {
    // The period may have ended since an answer was lost.
    if has(subscription, rules)? == decided.to {
        return Ok(Look::Done(()));
    }
    let found = Licensed::under(subscription, rules, Some(schedule))?;
    is_still(subscription, found.schedule.as_ref().map(|found| &found.id), schedule)?;
    decided_on(subscription, decided.from, found.quantity)?;
    let waiting = found.schedule.as_ref().and_then(|schedule| schedule.waiting);
    if waiting == Some(Waiting { quantity: decided.to, at: found.period_end }) {
        return Ok(Look::Done(()));
    }
    // The current phase is written too, and what it says holds at once.
    let current = subscription.schedule.as_ref().and_then(|schedule| rules.seats_of(schedule.current_phase.as_ref()?));
    if current != Some(found.quantity) {
        return Err(Refusal::ScheduleDiffers(schedule.clone()));
    }
    Ok(Look::Act(found))
}

fn has(subscription: &StripeSubscription, rules: &LicenseRules) -> Result<LicenseCount, Refusal> {
    rules.seats(&subscription.license_items()).count(&subscription.id)
}

fn is_still(
    subscription: &StripeSubscription,
    found: Option<&SubscriptionScheduleId>,
    expected: &SubscriptionScheduleId,
) -> Result<(), Refusal> {
    if found == Some(expected) {
        return Ok(());
    }
    Err(Refusal::ScheduleChanged { subscription: subscription.id.clone(), schedule: expected.clone() })
}
