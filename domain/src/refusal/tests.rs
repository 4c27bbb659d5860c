//! Every refusal, once: what a person reads of it.

use uuid::Uuid;

use super::*;

/// What a person can be told to do. The last clause of a text begins with one of these.
const ORDERS: [&str; 13] = [
    "choose",
    "correct",
    "keep",
    "leave out",
    "let the customer",
    "look at",
    "move",
    "name",
    "release",
    "sell",
    "start it",
    "take that back",
    "use",
];

/// The first is [`Refusal::Input`]; the match names the one after each, so that a new one has its place
/// here too before this compiles.
fn after(refusal: &Refusal) -> Option<Refusal> {
    let (tenant, other) = (TenantId::from(Uuid::from_u128(1)), TenantId::from(Uuid::from_u128(2)));
    let customer = || id::<StripeCustomerId>("cus_1");
    let owner = || id::<StripeCustomerId>("cus_2");
    let subscription = || id::<StripeSubscriptionId>("sub_1");
    let schedule = || id::<SubscriptionScheduleId>("sub_sched_1");
    let session = || id::<CheckoutSessionId>("cs_1");
    let (from, to) = (LicenseCount::ZERO, LicenseCount::ZERO);
    Some(match refusal {
        Refusal::Input(_) => Refusal::UnpaidSession(session()),
        Refusal::UnpaidSession(_) => Refusal::EmptySession(session()),
        Refusal::EmptySession(_) => Refusal::SessionOfAnother { field: "stripe_customer_id", session: session() },
        Refusal::SessionOfAnother { .. } => Refusal::CustomerOfAnotherTenant { customer: customer(), tenant },
        Refusal::CustomerOfAnotherTenant { .. } => {
            Refusal::SubscriptionOfAnotherTenant { subscription: subscription(), tenant }
        }
        Refusal::SubscriptionOfAnotherTenant { .. } => Refusal::SubscriptionOfAnotherCustomer {
            subscription: subscription(),
            owner: owner(),
            customer: customer(),
        },
        Refusal::SubscriptionOfAnotherCustomer { .. } => {
            Refusal::TenantOfAnotherCustomer { tenant, owner: owner(), customer: customer() }
        }
        Refusal::TenantOfAnotherCustomer { .. } => Refusal::TwoTenants { one: tenant, other },
        Refusal::TwoTenants { .. } => Refusal::MadeAnother { made: tenant, tenant: other },
        Refusal::MadeAnother { .. } => Refusal::NoSuchTenant(tenant),
        Refusal::NoSuchTenant(_) => Refusal::AnotherMaster(tenant),
        Refusal::AnotherMaster(_) => Refusal::NotMaster(tenant),
        Refusal::NotMaster(_) => Refusal::PurchaseOfMaster(tenant),
        Refusal::PurchaseOfMaster(_) => Refusal::DeletedCustomer(customer()),
        Refusal::DeletedCustomer(_) => Refusal::AmbiguousItem(subscription()),
        Refusal::AmbiguousItem(_) => Refusal::Metered(subscription()),
        Refusal::Metered(_) => Refusal::AddOn(subscription()),
        Refusal::AddOn(_) => Refusal::MassFall(MassFall { falling: 6, licensed: 100 }),
        Refusal::MassFall(_) => Refusal::LicensesOfMaster(tenant),
        Refusal::LicensesOfMaster(_) => Refusal::NoCustomer(tenant),
        Refusal::NoCustomer(_) => Refusal::NoLiveSubscription(customer()),
        Refusal::NoLiveSubscription(_) => Refusal::OnlyAddOns(customer()),
        Refusal::OnlyAddOns(_) => Refusal::NotPerSeat { subscription: subscription(), price: id::<PriceId>("price_1") },
        Refusal::NotPerSeat { .. } => Refusal::SetToCancel(subscription()),
        Refusal::SetToCancel(_) => Refusal::ForeignSchedule { subscription: subscription(), schedule: schedule() },
        Refusal::ForeignSchedule { .. } => Refusal::ScheduleDiffers(schedule()),
        Refusal::ScheduleDiffers(_) => Refusal::ScheduleChanged { subscription: subscription(), schedule: schedule() },
        Refusal::ScheduleChanged { .. } => Refusal::ChangedMeanwhile { subscription: subscription(), from, found: to },
        Refusal::ChangedMeanwhile { .. } => {
            let now = LicenseNow { quantity: Some(from), waiting: None, status: Status::Active };
            Refusal::NotReached { subscription: subscription(), to, now }
        }
        Refusal::NotReached { .. } => {
            let message = "Your card was declined.".to_owned();
            Refusal::PaymentDeclined { code: "card_declined".to_owned(), message }
        }
        Refusal::PaymentDeclined { .. } => Refusal::NotLive { subscription: subscription(), status: Status::Unpaid },
        Refusal::NotLive { .. } => return None,
    })
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn all() -> impl Iterator<Item = Refusal> {
    let first = Refusal::Input("email: expected an e-mail address".to_owned());
    std::iter::successors(Some(first), after)
}

#[test]
fn each_says_in_one_line_what_to_do() {
    for refusal in all() {
        let text = refusal.to_string();
        let last = text.rsplit("; ").next().unwrap_or_default();
        assert!(ORDERS.iter().any(|order| last.starts_with(order)), "{refusal:?} does not say what to do: {text}");
        assert!(!text.contains('\n') && !text.ends_with('.'), "{refusal:?} is not one clause after the other: {text}");
    }
}

#[test]
fn none_is_worth_another_try_by_itself() {
    assert!(all().all(|refusal| refusal.retry() == Retry::Never));
}
