//! One wrong setting fails every onboarding of an evening.

use anyhow::{Result, ensure};
use e2e::World;

use super::alerts::{Scrape, wait_until_it_fires};
use super::desk::Desk;

pub(crate) const HEADING: &str = "600 onboardings failed at once";

#[test]
pub(crate) fn all_that_failed_are_started_in_one_go() -> Result<()> {
    let world = World::named("ops-many").setting("TEMPORAL_UI_URL", "http://127.0.0.1:8233").without_worker()?;
    world.start_worker(&[("LICENSE_PRICE_IDS", "price_1OfLastYear")])?;
    let rest = Scrape::of(&world, None)?;
    let purchases = (1..=20).map(|seats| world.stripe.buy(seats)).collect::<Result<Vec<_>>>()?;
    for purchase in &purchases {
        world.onboard(purchase)?.failure()?;
    }
    wait_until_it_fires("OnboardingFailed", rest, &world, None)?;
    super::wait_until_listed(&world, purchases.len())?;

    let batch = format!("outage-{}", world.task_queue());
    let mut desk =
        Desk::open(&world, HEADING, &[("cus_QXg1oyoEfW2bZ3", &purchases[0].customer), ("outage-1122", &batch)])?;
    let looked = desk.next_block()?;
    ensure!(purchases.iter().all(|purchase| looked[0].stdout.contains(&purchase.customer)), "{looked:?}");
    ensure!(looked[1].stdout.contains("LICENSE_PRICE_IDS"), "{looked:?}");
    world.stop_worker()?;
    world.start_worker(&[])?;
    desk.next_command()?;
    ensure!(world.tenants()? == 0, "the plan alone started something");
    desk.next_block()?;
    desk.next_command()?;
    let stopped = world.run(&format!("replay-batch-{batch}")).result()?;
    ensure!(world.tenants()? < purchases.len(), "it was over before it was stopped: {stopped}");
    desk.next_block()?;
    let over = desk.next_block()?;
    ensure!(!over[0].stdout.contains("create-tenant-"), "{over:?}");
    ensure!(world.tenants()? == purchases.len());
    desk.done()
}
