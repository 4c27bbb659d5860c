//! Stripe answers nobody, and comes back.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::World;
use stack::deadline;

use super::alerts::{Scrape, wait_until_it_fires};
use super::desk::Desk;

pub(crate) const HEADING: &str = "Stripe was down for an hour";

/// A Temporal of its own, since one reconciliation runs at a time.
#[test]
pub(crate) fn an_outage_of_stripe_is_waited_out() -> Result<()> {
    let world = World::named("ops-outage").private_temporal().start()?;
    let rest = Scrape::of(&world, None)?;
    let purchases = (1..=4).map(|seats| world.stripe.buy(seats)).collect::<Result<Vec<_>>>()?;
    world.stripe.fault_every(1, "/v1/*", &["html_bad_gateway", "empty_gateway_timeout"])?;
    let runs = purchases.iter().map(|purchase| world.onboard(purchase)).collect::<Result<Vec<_>>>()?;
    wait_until_it_fires("StripeDown", rest, &world, None)?;

    let mut desk = Desk::open(&world, HEADING, &[("cus_QXg1oyoEfW2bZ3", &purchases[0].customer)])?;
    // What waits is stuck after a minute, and not before.
    let (limit, pause) = (Duration::from_secs(150), Duration::from_secs(1));
    deadline::poll_every("the onboardings to be stuck", limit, pause, || {
        let listed = world.tenantry(&["runs", "list", "--stuck"])?.exits(0)?.stdout;
        Ok(purchases.iter().all(|purchase| listed.contains(&purchase.customer)).then_some(()))
    })?;
    let looked = desk.next_block()?;
    ensure!(looked[0].stdout.contains("red      Stripe "), "{looked:?}");
    ensure!(purchases.iter().all(|purchase| looked[1].stdout.contains(&purchase.customer)), "{looked:?}");
    ensure!(looked[2].stdout.contains("resolvePurchase"), "{looked:?}");
    // For the last of them the outage has lasted a week.
    runs[3].end_the_week_of_the_step()?;
    ensure!(runs[3].failure()?.0 == "Exhausted");
    world.stripe.forget_faults()?;
    for run in &runs[..3] {
        run.result()?;
    }
    super::wait_until_listed(&world, 1)?;
    desk.next_command()?;
    ensure!(world.run(&runs[3].workflow_id).result()?["licensed_user_count"] == 4);
    let over = desk.next_block()?;
    ensure!(over[1].stdout.contains("no runs fit"), "{over:?}");
    desk.done()
}
