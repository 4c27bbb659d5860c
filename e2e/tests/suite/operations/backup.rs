//! A database that was lost comes back from a dump, and is old.

use anyhow::{Result, ensure};
use e2e::World;

use super::desk::Desk;

pub(crate) const HEADING: &str = "What to back up";

#[test]
pub(crate) fn a_restored_database_is_brought_up_to_date() -> Result<()> {
    let world = World::named("ops-backup").private_temporal().start()?;
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    let stop = || world.stop_worker().map(drop);
    let start = || world.start_worker(&[]);
    let mut desk = Desk::open(&world, HEADING, &[])?
        .stand_in("sudo systemctl stop tenantry-webhook tenantry-worker", stop)
        .stand_in("sudo systemctl start tenantry-worker tenantry-webhook", start);
    let dumped = desk.next_block()?;
    ensure!(dumped[1].stdout.contains("stripe_webhook_events"), "{dumped:?}");
    world.stripe.set_quantity(&purchase.subscription, 12)?;
    world.rows("DELETE FROM license_changes")?;
    world.rows("UPDATE tenants SET licensed_user_count = 12")?;
    desk.next_block()?;
    ensure!(world.value("SELECT count(*) FROM license_changes")? == "2", "the dump's change, and the comparison's");
    world.wait_for_count(&purchase.customer, 12)?;
    desk.done()
}
