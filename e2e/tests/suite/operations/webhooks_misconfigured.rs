//! No delivery finds its way here for a while.

use anyhow::{Result, ensure};
use e2e::World;
use serde_json::json;
use stack::ports;

use super::alerts::{Scrape, alert};
use super::desk::Desk;

pub(crate) const HEADING: &str = "Webhooks were misconfigured for a day";

#[test]
pub(crate) fn what_was_never_delivered_is_taken_in() -> Result<()> {
    let world = World::named("ops-unheard").private_temporal().start()?;
    let admin = format!("127.0.0.1:{}", ports::free()?);
    let line = world.line(None)?;
    let shim = world.start_shim_on(&line, &[("ADMIN_ADDR", &admin)])?;
    let first = Scrape::of(&world, Some(&shim))?;
    let (missed, untold) = (world.stripe.buy(10)?, world.stripe.buy(20)?);
    world.onboard(&missed)?.result()?;
    world.onboard(&untold)?.result()?;
    world.wait_until_settled()?;
    let busy = Scrape::of(&world, Some(&shim))?;
    // One change of which Stripe has an event, and one of which it made none.
    world.stripe.delivery_policy(&json!({"drop": {}}))?;
    world.stripe.set_quantity(&missed.subscription, 12)?;
    world.stripe.delivery_policy(&json!({"lose": {}}))?;
    world.stripe.set_quantity(&untold.subscription, 25)?;
    let silent = Scrape::of(&world, Some(&shim))?;
    let alert = alert("NothingDelivered")?;
    ensure!(!alert.fires(&first, &busy)? && alert.fires(&busy, &silent)?, "{alert:?}");

    let mut desk = Desk::open(&world, HEADING, &[("127.0.0.1:9465", &admin)])?;
    let looked = desk.next_block()?;
    ensure!(looked[2].stdout.contains(&untold.subscription), "{looked:?}");
    world.stripe.delivery_policy(&json!({"retry_ms": 300}))?;
    desk.next_command()?;
    world.wait_until_settled()?;
    desk.next_block()?;
    world.wait_for_count(&missed.customer, 12)?;
    world.wait_for_count(&untold.customer, 25)?;
    desk.done()
}
