//! One onboarding failed, because the store named something wrong; another, because of what was
//! at Stripe.

use anyhow::{Result, ensure};
use e2e::World;
use serde_json::json;

use super::alerts::{Scrape, wait_until_it_fires};
use super::desk::Desk;

pub(crate) const HEADING: &str = "An onboarding failed";

#[test]
pub(crate) fn a_failed_onboarding_is_corrected_or_started_again() -> Result<()> {
    let world = World::named("ops-failed").start()?;
    let rest = Scrape::of(&world, None)?;
    let (misnamed, ambiguous) = (world.stripe.buy(10)?, world.stripe.buy(5)?);
    let mut call = World::call_of_the_store(&misnamed);
    call["stripe_subscription_id"] = json!("sub_1Lost");
    world.start_with(&format!("create-tenant-{}", misnamed.customer), &call.to_string())?.failure()?;
    let item = [("subscription", ambiguous.subscription.as_str()), ("price", &world.stripe.price()?)];
    let extra = world.stripe.make("/subscription_items", &item)?;
    world.onboard(&ambiguous)?.failure()?;
    wait_until_it_fires("OnboardingFailed", rest, &world, None)?;
    super::wait_until_listed(&world, 2)?;

    let examples = [
        ("cus_QXg1oyoEfW2bZ3", misnamed.customer.as_str()),
        ("sub_1MowQVLkdIwHu7ix", &misnamed.subscription),
        ("cus_NffrFeUfNV2Hib", &ambiguous.customer),
    ];
    let mut desk = Desk::open(&world, HEADING, &examples)?;
    let looked = desk.next_block()?;
    ensure!(looked.len() == 3, "{looked:?}");
    ensure!(
        looked[0].stdout.contains(&misnamed.customer) && looked[0].stdout.contains("AmbiguousSubscription"),
        "{looked:?}"
    );
    ensure!(looked[1].stdout.contains("sub_1Lost"), "{looked:?}");
    desk.next_command()?;
    world.stripe.delete(&format!("/subscription_items/{extra}"))?;
    desk.next_command()?;
    desk.next_block()?;
    for purchase in [&misnamed, &ambiguous] {
        let row =
            format!("SELECT tenant FROM stripe_customers WHERE stripe_customer_external_id = '{}'", purchase.customer);
        world.assert_onboarded(purchase, &world.value(&row)?)?;
    }
    desk.done()
}
