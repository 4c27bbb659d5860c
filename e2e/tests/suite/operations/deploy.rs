//! A build comes whose workflow takes another way than the run that is under way.

use anyhow::{Result, ensure};
use e2e::World;
use serde_json::json;
use stack::workspace;

use super::alerts::{Scrape, wait_until_it_fires};
use super::desk::Desk;
use super::earlier_build;

pub(crate) const HEADING: &str = "A deploy changed a workflow";

#[test]
pub(crate) fn a_build_that_does_not_fit_is_taken_back() -> Result<()> {
    let world = World::named("ops-deploy").without_worker()?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    earlier_build::starts_a_timer(&world)?;
    world.start_worker(&[])?;
    let rest = Scrape::of(&world, None)?;
    wait_until_it_fires("WorkflowTaskFails", rest, &world, None)?;
    ensure!(world.worker_log().contains("TMPRL1100"), "the log does not say so");

    let back = || {
        world.stop_worker()?;
        earlier_build::completes(&world, &json!({"tenant_id": e2e::MASTER, "created": true}))
    };
    let mut desk =
        Desk::open(&world, HEADING, &[("cus_QXg1oyoEfW2bZ3", &purchase.customer), ("2026-11-22", "2026-01-01")])?
            .stand_in("sudo systemctl restart tenantry-worker", back);
    let looked = desk.next_block()?;
    ensure!(looked[0].stdout.contains("workflow task"), "{looked:?}");
    desk.move_to(&workspace::root());
    let misfits = desk.next_command()?;
    ensure!(misfits.everything().contains(&run.workflow_id), "{misfits:?}");
    desk.next_block()?;
    desk.next_block()?;
    ensure!(run.result()?["created"] == true);
    // A run that this build has begun fits.
    world.start_worker(&[])?;
    let held = world.stripe.hold_all("GET", "/v1/subscriptions/*")?;
    world.onboard(&world.stripe.buy(3)?)?;
    world.stripe.wait_until_held(&held)?;
    let fits = desk.next_command()?;
    ensure!(fits.stdout.contains("1 under way on"), "{fits:?}");
    let older = desk.next_command()?;
    ensure!(older.stdout.starts_with("Total: 0"), "{older:?}");
    desk.done()
}
