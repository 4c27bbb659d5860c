//! Somebody wrote to the table by hand, and a change at Stripe was told to nobody.

use anyhow::{Context, Result, ensure};
use e2e::World;

use super::desk::Desk;

pub(crate) const HEADING: &str = "A tenant says the count is wrong";

#[test]
pub(crate) fn a_count_that_is_not_stripes_is_found_and_repaired() -> Result<()> {
    let world = World::named("ops-count").start()?;
    let purchase = world.stripe.buy(10)?;
    let tenant = world.onboard(&purchase)?.result()?["tenant_id"].clone();
    let tenant = tenant.as_str().context("a tenant")?;
    world.rows("UPDATE tenants SET licensed_user_count = 3 WHERE licensed_user_count = 10")?;
    world.stripe.set_quantity(&purchase.subscription, 12)?;

    let examples =
        [("cus_QXg1oyoEfW2bZ3", purchase.customer.as_str()), ("190f0b43-fe35-5e35-ba10-4f73c2b88e4d", tenant)];
    let mut desk = Desk::open(&world, HEADING, &examples)?;
    let looked = desk.next_block()?;
    ensure!(looked[2].stdout.contains("wrong_count"), "{looked:?}");
    desk.next_command()?;
    let over = desk.next_block()?;
    ensure!(over[1].stdout.contains("12"), "{over:?}");
    world.wait_for_count(&purchase.customer, 12)?;
    desk.done()
}
