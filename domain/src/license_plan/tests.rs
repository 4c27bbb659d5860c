use super::*;
use crate::failure::{Classify, FailureKind};
use crate::names::metadata;
use crate::stripe::{Phase, StripePrice, StripeProduct, SubscriptionItem, TENANTRY_VALUE};

const PERIOD_END: i64 = 2000;

fn rules() -> LicenseRules {
    LicenseRules { live: LicenseRules::LIVE_BY_DEFAULT.into(), prices: Default::default() }
}

fn count(number: i64) -> LicenseCount {
    number.try_into().expect("a count")
}

fn price() -> StripePrice {
    let product = StripeProduct {
        id: "prod_1".parse().expect("an id"),
        name: "Seats".to_owned(),
        description: None,
        is_active: true,
        metadata: Default::default(),
    };
    StripePrice {
        id: "price_1".parse().expect("an id"),
        product,
        is_active: true,
        unit_amount: Some(1000),
        is_packaged: false,
        currency: "usd".to_owned(),
        recurring_interval: Some("month".to_owned()),
        recurring_interval_count: Some(1),
        metadata: Default::default(),
    }
}

fn with(quantity: i64) -> StripeSubscription {
    let item = SubscriptionItem {
        id: "si_1".parse().expect("an id"),
        price: price(),
        quantity: Some(count(quantity)),
        current_period_start: 1000,
        current_period_end: PERIOD_END,
    };
    StripeSubscription {
        id: "sub_1".parse().expect("an id"),
        customer: "cus_1".parse().expect("an id"),
        status: Status::Active,
        items: vec![item],
        created: 1,
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        schedule: None,
        metadata: Default::default(),
    }
}

/// Under a schedule of two phases, or of one.
fn under(id: &str, subscription: StripeSubscription, next: Option<i64>, is_ours: bool) -> StripeSubscription {
    let phase = |start, quantity| Phase { start, items: vec![(price().id, Some(quantity))] };
    let now = subscription.items[0].quantity.expect("a quantity");
    let mark = (metadata::TENANTRY.to_owned(), TENANTRY_VALUE.to_owned());
    let schedule = SubscriptionSchedule {
        id: id.parse().expect("an id"),
        current_phase: Some(phase(1000, now)),
        next_phase: next.map(|quantity| phase(PERIOD_END, count(quantity))),
        phases_to_come: usize::from(next.is_some()),
        phases: 1 + usize::from(next.is_some()),
        releases: true,
        metadata: is_ours.then_some(mark).into_iter().collect(),
    };
    StripeSubscription { schedule: Some(schedule), ..subscription }
}

fn ours(quantity: i64, next: i64) -> StripeSubscription {
    under("sub_sched_1", with(quantity), Some(next), true)
}

fn bare(quantity: i64) -> StripeSubscription {
    under("sub_sched_1", with(quantity), None, false)
}

fn foreign(quantity: i64, next: i64) -> StripeSubscription {
    under("sub_sched_2", with(quantity), Some(next), false)
}

fn asking(quantity: i64, effective: Option<Effective>) -> ChangeLicenseInput {
    let tenant_id = uuid::Uuid::from_u128(1).into();
    let quantity = quantity.try_into().expect("a quantity");
    ChangeLicenseInput { tenant_id, quantity, from: None, effective, requested_by: None }
}

#[test]
fn the_direction_decides_unless_the_input_does() {
    use Effective::{Now, PeriodEnd};
    let check = |subscription: &StripeSubscription, quantity, effective, expected| {
        let plan = LicensePlan::of(&asking(quantity, effective), subscription, &rules());
        assert_eq!(plan.map(|plan| plan.action), Ok(expected), "to {quantity}, {effective:?}");
    };
    for (quantity, effective, expected) in [
        (15, None, Action::Set),
        (6, None, Action::Schedule),
        (6, Some(Now), Action::Set),
        (15, Some(PeriodEnd), Action::Schedule),
        (10, None, Action::Nothing),
        (10, Some(Now), Action::Nothing),
        (10, Some(PeriodEnd), Action::Nothing),
    ] {
        check(&with(10), quantity, effective, expected);
        // A schedule that brings nothing is in nobody's way.
        check(&bare(10), quantity, effective, expected);
    }
    for effective in [None, Some(Now), Some(PeriodEnd)] {
        check(&ours(10, 6), 10, effective, Action::Release);
    }
}

#[test]
fn what_waits_is_known_before_it_is_taken_back() {
    let plan = LicensePlan::of(&asking(15, None), &ours(10, 6), &rules()).expect("a plan");
    assert_eq!(plan.waiting(), Some(Waiting { quantity: count(6), at: PERIOD_END }));
    assert_eq!((plan.from, plan.to, plan.period_end), (count(10), count(15), PERIOD_END));
    let result = plan.result(&LicenseNow::of(&with(15), &rules()), 1234);
    assert_eq!(
        (result.outcome, result.effective_at, result.taken_back),
        (Outcome::Changed, Some(1234), Some(count(6)))
    );
}

#[test]
fn what_it_was_decided_on_matters_only_until_the_target_is_reached() {
    let from_ten = ChangeLicenseInput { from: Some(count(10)), ..asking(15, None) };
    let action =
        |now| LicensePlan::of(&from_ten, &with(now), &rules()).map(|plan| plan.action).map_err(|why| why.kind());
    assert_eq!(action(10), Ok(Action::Set));
    assert_eq!(action(15), Ok(Action::Nothing));
    assert_eq!(action(12), Err(FailureKind::ConflictError));
    // A decrease that waits on the target was decided after it, and stays.
    let over = |input: &ChangeLicenseInput| LicensePlan::of(input, &ours(15, 8), &rules()).map(|plan| plan.action);
    assert_eq!(over(&from_ten), Ok(Action::Nothing));
    assert_eq!(over(&ChangeLicenseInput { from: Some(count(15)), ..from_ten }), Ok(Action::Release));
}

#[test]
fn what_would_undo_the_number_is_left_over() {
    let attached = || Some("sub_sched_9".parse().expect("an id"));
    let check =
        |quantity, before: &StripeSubscription, attached, after: &StripeSubscription, expected: Option<&str>| {
            let plan = LicensePlan::of(&asking(quantity, None), before, &rules()).expect("a plan");
            let found = plan.left_over(&LicenseNow::of(after, &rules()), attached);
            assert_eq!(found.as_ref().map(|id| id.as_str()), expected, "{plan:?}, {after:?}");
        };
    // Somebody else set the number, over what waited.
    check(15, &ours(10, 6), None, &ours(15, 6), Some("sub_sched_1"));
    check(6, &ours(10, 4), None, &ours(6, 4), Some("sub_sched_1"));
    // It came when what waited was put back, or nearly.
    check(15, &ours(10, 6), attached(), &ours(15, 6), Some("sub_sched_9"));
    check(15, &ours(10, 6), attached(), &bare(15), Some("sub_sched_9"));
    check(6, &with(10), attached(), &bare(6), Some("sub_sched_9"));
    // What is as it was asked for stays so.
    check(6, &with(10), attached(), &ours(10, 6), None);
    check(15, &ours(10, 6), None, &with(15), None);
    check(15, &with(10), None, &foreign(15, 4), None);
    check(15, &ours(15, 6), None, &ours(15, 6), None);
}

#[test]
fn a_number_that_is_there_with_something_waiting_is_not_scheduled() {
    let plan = LicensePlan::of(&asking(6, None), &with(10), &rules()).expect("a plan");
    let outcome = |now: &StripeSubscription| plan.result(&LicenseNow::of(now, &rules()), 1234).outcome;
    assert_eq!(outcome(&ours(10, 6)), Outcome::Scheduled);
    assert_eq!(outcome(&with(6)), Outcome::Changed);
    assert_eq!(outcome(&foreign(6, 4)), Outcome::Changed);
}

#[test]
fn a_number_that_waits_for_another_day_says_so() {
    let plan = LicensePlan::of(&asking(15, None), &ours(10, 6), &rules()).expect("a plan");
    let now = LicenseNow::of(&ours(10, 6), &rules());
    assert_eq!(plan.moved(&now), None);
    let later = LicenseNow { waiting: Some(Waiting { quantity: count(6), at: 2_000_000 }), ..now };
    let said = "it was to come on 1970-01-01, and now waits until 1970-01-24";
    assert_eq!(plan.moved(&later).as_deref(), Some(said));
}

#[test]
fn a_schedule_of_ours_that_somebody_edited_is_theirs() {
    let check = |change: fn(&mut SubscriptionSchedule), expected: bool| {
        let mut subscription = ours(10, 6);
        subscription.schedule.iter_mut().for_each(change);
        assert_eq!(Licensed::of(&subscription, &rules()).is_ok(), expected, "{:?}", subscription.schedule);
    };
    check(|_| {}, true);
    // It has brought its number.
    check(|schedule| (schedule.next_phase, schedule.phases_to_come) = (None, 0), true);
    check(|schedule| schedule.phases_to_come = 2, false);
    check(|schedule| schedule.releases = false, false);
    check(
        |schedule| {
            let cheaper = "price_2".parse().expect("an id");
            schedule.next_phase.iter_mut().for_each(|phase| phase.items[0].0 = PriceId::clone(&cheaper));
        },
        false,
    );
}

#[test]
fn a_schedule_that_says_another_number_of_today_is_not_written() {
    let mut now = bare(10);
    let schedule = "sub_sched_1".parse().expect("an id");
    let write = |now: &StripeSubscription| {
        look_to_write(now, &rules(), Decided { from: count(10), to: count(6) }, &schedule).map(drop)
    };
    assert_eq!(write(&now), Ok(()));
    let phase = now.schedule.as_mut().and_then(|schedule| schedule.current_phase.as_mut()).expect("a phase");
    phase.items[0].1 = Some(count(9));
    assert_eq!(write(&now), Err(Refusal::ScheduleDiffers(schedule.clone())));
    now.schedule.iter_mut().for_each(|schedule| schedule.current_phase = None);
    assert_eq!(write(&now), Err(Refusal::ScheduleDiffers(schedule.clone())));
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let check = |subscription: StripeSubscription, expected: FailureKind| {
        let refused = LicensePlan::of(&asking(15, None), &subscription, &rules()).map(drop).map_err(|why| why.kind());
        assert_eq!(refused, Err(expected), "{subscription:?}");
    };
    check(StripeSubscription { status: Status::Unpaid, ..with(10) }, FailureKind::NotLicensable);
    check(StripeSubscription { cancel_at: Some(1), ..with(10) }, FailureKind::ConflictError);
    check(StripeSubscription { cancel_at_period_end: true, ..with(10) }, FailureKind::ConflictError);
    check(StripeSubscription { items: Vec::new(), ..with(10) }, FailureKind::AmbiguousSubscription);
    check(foreign(10, 6), FailureKind::ConflictError);
    let mut packaged = with(10);
    packaged.items[0].price.is_packaged = true;
    check(packaged, FailureKind::NotLicensable);
    let mut metered = with(10);
    metered.items[0].quantity = None;
    check(metered, FailureKind::NotLicensable);
}

#[test]
fn a_bare_schedule_is_one_that_changes_nothing() {
    let schedule = |change: fn(&mut SubscriptionSchedule)| {
        let mut subscription = bare(10);
        subscription.schedule.iter_mut().for_each(change);
        Licensed::of(&subscription, &rules()).is_ok()
    };
    assert!(schedule(|_| {}));
    assert!(!schedule(|schedule| schedule.releases = false));
    assert!(!schedule(|schedule| schedule.phases = 2));
    assert!(!schedule(|schedule| schedule.current_phase = None));
    assert!(!schedule(|schedule| schedule.metadata = [("made_by".to_owned(), "somebody".to_owned())].into()));
    assert!(!schedule(|schedule| {
        schedule.current_phase.iter_mut().for_each(|phase| phase.items[0].1 = Some(count(9)));
    }));
}

#[test]
fn of_several_subscriptions_the_live_licence_counts() {
    let customer: StripeCustomerId = "cus_1".parse().expect("an id");
    let listed = |id: &str, status, created, is_add_on| SubscriptionInShort {
        id: id.parse().expect("an id"),
        status,
        created,
        is_add_on,
    };
    let check = |all: &[SubscriptionInShort], expected: Result<&str, FailureKind>| {
        let found = counting_subscription(&customer, all, &rules()).map_err(|why| why.kind());
        assert_eq!(found.map(|id| id.as_str()), expected, "{all:?}");
    };
    let (old, new) = (listed("sub_a", Status::Active, 1, false), listed("sub_b", Status::Trialing, 9, false));
    let add_on = listed("sub_c", Status::Active, 10, true);
    check(&[new.clone(), old.clone(), add_on.clone()], Ok("sub_a"));
    check(&[new, add_on.clone()], Ok("sub_b"));
    check(&[listed("sub_d", Status::Unpaid, 1, false)], Err(FailureKind::NotLicensable));
    assert_eq!(counting_subscription(&customer, &[add_on], &rules()), Err(Refusal::OnlyAddOns(customer.clone())));
    assert_eq!(counting_subscription(&customer, &[], &rules()), Err(Refusal::NoLiveSubscription(customer.clone())));
}

/// Whether a step would act, or has nothing left to do; none where it refuses.
fn acts<D, A>(look: Result<Look<D, A>, Refusal>) -> Option<bool> {
    match look {
        Ok(Look::Act(_)) => Some(true),
        Ok(Look::Done(_)) => Some(false),
        Err(refusal) => {
            assert_eq!(refusal.kind(), FailureKind::ConflictError, "{refusal}");
            None
        }
    }
}

#[test]
fn each_write_acts_on_what_it_was_decided_on_and_on_nothing_else() {
    let (rules, schedule) = (rules(), "sub_sched_1".parse().expect("an id"));
    let ending = |quantity| StripeSubscription { cancel_at_period_end: true, ..with(quantity) };
    let set = |now: &StripeSubscription| acts(look_to_set(now, &rules, Decided { from: count(10), to: count(15) }));
    for (now, expected) in [
        (with(10), Some(true)),
        (with(15), Some(false)),
        (ending(15), Some(false)),
        (with(20), None),
        (ending(10), None),
        (ours(10, 6), None),
        (foreign(10, 6), None),
    ] {
        assert_eq!(set(&now), expected, "set, {now:?}");
    }
    let release = |now: &StripeSubscription| acts(look_to_release(now, &rules, count(10), &schedule));
    for (now, expected) in
        [(ours(10, 6), Some(true)), (with(10), Some(false)), (foreign(10, 6), None), (ours(12, 6), None)]
    {
        assert_eq!(release(&now), expected, "release, {now:?}");
    }
    let attach = |now: &StripeSubscription| acts(look_to_attach(now, &rules, count(10)));
    for (now, expected) in [
        (with(10), Some(true)),
        (bare(10), Some(false)),
        (ours(10, 6), Some(false)),
        (with(12), None),
        (foreign(10, 6), None),
        (ending(10), None),
    ] {
        assert_eq!(attach(&now), expected, "attach, {now:?}");
    }
    let write = |now: &StripeSubscription| {
        acts(look_to_write(now, &rules, Decided { from: count(10), to: count(6) }, &schedule))
    };
    for (now, expected) in [
        (bare(10), Some(true)),
        (ours(10, 4), Some(true)),
        (ours(10, 6), Some(false)),
        // The period ended, and Stripe brought the number.
        (with(6), Some(false)),
        (with(10), None),
        (bare(12), None),
        (foreign(10, 6), None),
    ] {
        assert_eq!(write(&now), expected, "write, {now:?}");
    }
}

#[test]
fn a_plan_is_reached_when_stripe_has_what_was_asked_for() {
    let check = |quantity, before: &StripeSubscription, after: &StripeSubscription, expected: bool| {
        let plan = LicensePlan::of(&asking(quantity, None), before, &rules()).expect("a plan");
        let reached = plan.check(&LicenseNow::of(after, &rules()));
        assert_eq!(reached.is_ok(), expected, "{plan:?}, {after:?}");
    };
    check(15, &with(10), &with(15), true);
    check(15, &with(10), &with(10), false);
    check(15, &with(10), &with(20), false);
    check(6, &with(10), &ours(10, 6), true);
    check(6, &with(10), &with(6), true);
    check(6, &with(10), &with(10), false);
    check(6, &with(10), &ours(10, 4), false);
    check(6, &with(10), &ours(12, 6), false);
    check(10, &ours(10, 6), &with(10), true);
    check(10, &ours(10, 6), &ours(10, 6), false);
    check(10, &with(10), &with(11), false);
}

#[test]
fn what_stripe_has_is_said_in_a_sentence() {
    let said = |subscription: &StripeSubscription| LicenseNow::of(subscription, &rules()).to_string();
    assert_eq!(said(&with(10)), "10 licences");
    assert_eq!(said(&ours(10, 6)), "10 licences and 6 from 1970-01-01 on");
    assert_eq!(said(&ours(6, 6)), "6 licences");
    assert_eq!(said(&StripeSubscription { items: Vec::new(), ..with(10) }), "no number of licences that can be told");
}
