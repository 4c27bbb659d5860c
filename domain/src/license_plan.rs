//! What a change of licences has to do at Stripe, decided from one read of the subscription.
//!
//! Each write looks first, with the functions below: at the target there is nothing left to do,
//! at the number it was decided on it acts, at any other somebody else was faster.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::looks::*;

use crate::change_license::{ChangeLicenseInput, ChangeLicenseResult, Effective, Outcome};
use crate::ids::{PriceId, StripeCustomerId, StripeSubscriptionId, SubscriptionItemId, SubscriptionScheduleId};
use crate::license::{LicenseRules, Seats, Status, canonical};
use crate::refusal::Refusal;
use crate::stripe::{StripeSubscription, SubscriptionInShort, SubscriptionSchedule};
use crate::words::LicenseCount;

/// A number that Stripe will take over by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The number.
    pub quantity: LicenseCount,
    /// When, in Unix seconds.
    pub at: i64,
}

/// A schedule that we made, or that says nothing and may be taken over: our own first call
/// leaves one like that, before the second marks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurSchedule {
    /// Its id.
    pub id: SubscriptionScheduleId,
    /// The number that it brings; none where it has brought it, or was never told one.
    #[serde(default)]
    pub waiting: Option<Waiting>,
}

/// A subscription whose number of licences can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licensed {
    /// The item that counts.
    pub item: SubscriptionItemId,
    /// Its price, which a schedule knows it by.
    pub price: PriceId,
    /// How many licences it has.
    pub quantity: LicenseCount,
    /// Whether nothing is paid yet.
    pub is_trialing: bool,
    /// When what is paid for ends, in Unix seconds.
    pub period_end: i64,
    /// The schedule that it is under.
    pub schedule: Option<OurSchedule>,
}

impl Licensed {
    /// What a read found, or why its licences cannot be changed.
    pub fn of(subscription: &StripeSubscription, rules: &LicenseRules) -> Result<Self, Refusal> {
        Self::under(subscription, rules, None)
    }

    /// The same, where a schedule that says nothing yet is known to be ours. A price in tiers is
    /// fine: tiers decide what a seat costs, and the quantity still counts seats. Packages do not.
    fn under(
        subscription: &StripeSubscription,
        rules: &LicenseRules,
        known: Option<&SubscriptionScheduleId>,
    ) -> Result<Self, Refusal> {
        let id = &subscription.id;
        if !rules.is_live(subscription.status) {
            return Err(Refusal::NotLive { subscription: id.clone(), status: subscription.status });
        }
        let seats = rules.seats(&subscription.license_items());
        let quantity = seats.count(id)?;
        let Seats::Counted { item, price, .. } = seats else { return Err(Refusal::AmbiguousItem(id.clone())) };
        let Some(line) = subscription.items.iter().find(|line| line.id == item) else {
            return Err(Refusal::AmbiguousItem(id.clone()));
        };
        if line.price.is_packaged {
            return Err(Refusal::NotPerSeat { subscription: id.clone(), price });
        }
        if subscription.cancel_at.is_some() || subscription.cancel_at_period_end {
            return Err(Refusal::SetToCancel(id.clone()));
        }
        let is_trialing = subscription.status == Status::Trialing;
        let schedule = our_schedule(subscription, rules, known)?;
        Ok(Self { item, price, quantity, is_trialing, period_end: line.current_period_end, schedule })
    }
}

fn our_schedule(
    subscription: &StripeSubscription,
    rules: &LicenseRules,
    known: Option<&SubscriptionScheduleId>,
) -> Result<Option<OurSchedule>, Refusal> {
    let Some(schedule) = &subscription.schedule else { return Ok(None) };
    let is_known = known == Some(&schedule.id) && schedule.phases == 1;
    let is_ours = schedule.is_ours() && schedule.is_as_written();
    if !is_ours && !is_known && !schedule.changes_nothing(&subscription.items) {
        return Err(Refusal::ForeignSchedule { subscription: subscription.id.clone(), schedule: schedule.id.clone() });
    }
    Ok(Some(OurSchedule { id: schedule.id.clone(), waiting: waiting(schedule, rules) }))
}

fn waiting(schedule: &SubscriptionSchedule, rules: &LicenseRules) -> Option<Waiting> {
    let phase = schedule.next_phase.as_ref()?;
    Some(Waiting { quantity: rules.seats_of(phase)?, at: phase.start })
}

/// The subscription whose licences a customer's are, of all that Stripe lists.
pub fn counting_subscription<'a>(
    customer: &StripeCustomerId,
    listed: &'a [SubscriptionInShort],
    rules: &LicenseRules,
) -> Result<&'a StripeSubscriptionId, Refusal> {
    let licenses: Vec<_> = listed.iter().filter(|one| !one.is_add_on).collect();
    if let Some(one) = canonical(&licenses, rules, |one| (one.status, one.created, &one.id)) {
        return Ok(&one.id);
    }
    let has_add_on = listed.iter().any(|one| one.is_add_on && rules.is_live(one.status));
    Err(match has_add_on {
        true => Refusal::OnlyAddOns(customer.clone()),
        false => Refusal::NoLiveSubscription(customer.clone()),
    })
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: that many it has, and nothing waits.
    Nothing,
    /// Take back the number that waits.
    Release,
    /// Set the number now.
    Set,
    /// Have the number set when the period ends.
    Schedule,
}

/// What a change of licences has to do, fixed by its first read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicensePlan {
    /// Who pays.
    pub stripe_customer_id: StripeCustomerId,
    /// What is changed.
    pub stripe_subscription_id: StripeSubscriptionId,
    /// How many licences it had when this was decided.
    pub from: LicenseCount,
    /// How many it shall have.
    pub to: LicenseCount,
    /// When what is paid for ends, in Unix seconds.
    pub period_end: i64,
    /// The schedule that it was under.
    #[serde(default)]
    pub schedule: Option<OurSchedule>,
    /// What to do.
    pub action: Action,
}

impl LicensePlan {
    /// The plan for this input, or why there is none.
    pub fn of(
        input: &ChangeLicenseInput,
        subscription: &StripeSubscription,
        rules: &LicenseRules,
    ) -> Result<Self, Refusal> {
        let found = Licensed::of(subscription, rules)?;
        let to = input.quantity.into();
        // What is at the target already is done, whatever it was decided on: an earlier run may have
        // got there after all.
        let is_there = found.quantity == to;
        let from = input.from.filter(|_| !is_there).unwrap_or(found.quantity);
        decided_on(subscription, from, found.quantity)?;
        let waits = found.schedule.as_ref().is_some_and(|schedule| schedule.waiting.is_some());
        let action = match (input.effective, to > from) {
            // What was decided on another number knows nothing of what waits on this one.
            (_, _) if to == from && waits && input.from.is_none_or(|from| from == found.quantity) => Action::Release,
            (_, _) if to == from => Action::Nothing,
            (Some(Effective::Now), _) | (None, true) => Action::Set,
            (Some(Effective::PeriodEnd), _) | (None, false) => Action::Schedule,
        };
        Ok(Self {
            stripe_customer_id: subscription.customer.clone(),
            stripe_subscription_id: subscription.id.clone(),
            from,
            to,
            period_end: found.period_end,
            schedule: found.schedule,
            action,
        })
    }

    /// The number that waited when this was decided.
    pub fn waiting(&self) -> Option<Waiting> {
        self.schedule.as_ref()?.waiting
    }

    /// Whether what Stripe has is what was asked for.
    pub fn check(&self, now: &LicenseNow) -> Result<(), Refusal> {
        let (has, waits) = (now.quantity, now.waiting.map(|waiting| waiting.quantity));
        let is_reached = match self.action {
            Action::Nothing => has == Some(self.from),
            Action::Release => has == Some(self.from) && waits.is_none(),
            Action::Set => has == Some(self.to),
            // The period may have ended meanwhile.
            Action::Schedule => has == Some(self.to) || has == Some(self.from) && waits == Some(self.to),
        };
        if is_reached {
            return Ok(());
        }
        Err(Refusal::NotReached { subscription: self.stripe_subscription_id.clone(), to: self.to, now: *now })
    }

    /// The schedule that would still undo the number that is there: the one that the run put the
    /// subscription under, in whose way it is in either case, or the one that waited before.
    pub fn left_over(
        &self,
        now: &LicenseNow,
        attached: Option<SubscriptionScheduleId>,
    ) -> Option<SubscriptionScheduleId> {
        let waited = || self.schedule.as_ref().filter(|_| now.waiting.is_some()).map(|schedule| schedule.id.clone());
        match self.action {
            Action::Set | Action::Schedule if now.quantity == Some(self.to) => attached.or_else(waited),
            Action::Nothing | Action::Release | Action::Set | Action::Schedule => None,
        }
    }

    /// What is to be said of a number that waits again, but for another day.
    pub fn moved(&self, now: &LicenseNow) -> Option<String> {
        let (was, is) = self.waiting().zip(now.waiting)?;
        let has_moved = self.action == Action::Set && was.quantity == is.quantity && was.at != is.at;
        has_moved.then(|| format!("it was to come on {}, and now waits until {}", day(was.at), day(is.at)))
    }

    /// What it came to at that moment, given what Stripe has.
    pub fn result(&self, now: &LicenseNow, at: i64) -> ChangeLicenseResult {
        let (outcome, effective_at) = match (self.action, now.waiting) {
            (Action::Nothing | Action::Release, _) => (Outcome::Unchanged, None),
            (Action::Schedule, Some(waiting)) if now.quantity != Some(self.to) => {
                (Outcome::Scheduled, Some(waiting.at))
            }
            (Action::Set | Action::Schedule, _) => (Outcome::Changed, Some(at)),
        };
        let was_taken_back = outcome != Outcome::Scheduled && self.action != Action::Nothing;
        let taken_back = self.waiting().map(|waiting| waiting.quantity).filter(|_| was_taken_back);
        ChangeLicenseResult { outcome, from: self.from, to: self.to, effective_at, taken_back }
    }
}

fn decided_on(subscription: &StripeSubscription, from: LicenseCount, found: LicenseCount) -> Result<(), Refusal> {
    if from == found {
        return Ok(());
    }
    Err(Refusal::ChangedMeanwhile { subscription: subscription.id.clone(), from, found })
}

/// What Stripe has of a tenant's licences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseNow {
    /// How many; none where that cannot be told.
    #[serde(default)]
    pub quantity: Option<LicenseCount>,
    /// What waits.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// The subscription's state.
    pub status: Status,
}

impl LicenseNow {
    /// What a read found.
    pub fn of(subscription: &StripeSubscription, rules: &LicenseRules) -> Self {
        let quantity = rules.seats(&subscription.license_items()).count(&subscription.id).ok();
        let waiting = subscription.schedule.as_ref().and_then(|schedule| waiting(schedule, rules));
        Self {
            quantity,
            waiting: waiting.filter(|waiting| Some(waiting.quantity) != quantity),
            status: subscription.status,
        }
    }
}

impl fmt::Display for LicenseNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quantity {
            Some(quantity) => write!(f, "{quantity} licences")?,
            None => f.write_str("no number of licences that can be told")?,
        }
        match self.waiting {
            Some(Waiting { quantity, at }) => write!(f, " and {quantity} from {} on", day(at)),
            None => Ok(()),
        }
    }
}

/// A moment's day, as people write it.
pub fn day(unix_seconds: i64) -> String {
    chrono::DateTime::from_timestamp(unix_seconds, 0)
        .map(|moment| moment.format("%Y-%m-%d").to_string())
        .unwrap_or_default()
}

mod looks;
#[cfg(test)]
mod tests;
