//! The endpoint's secret was rolled, and the shim knows the old one alone.

use std::cell::RefCell;

use anyhow::{Context, Result, ensure};
use e2e::{Shim, World};
use stack::ports;

use super::alerts::{Scrape, wait_until_it_fires};
use super::desk::Desk;

pub(crate) const HEADING: &str = "Signatures fail";

#[test]
pub(crate) fn a_rolled_secret_stands_beside_the_old_one() -> Result<()> {
    let world = World::named("ops-signatures").start()?;
    let admin = format!("127.0.0.1:{}", ports::free()?);
    let line = world.line(None)?;
    let shim = RefCell::new(Some(world.start_shim_on(&line, &[("ADMIN_ADDR", &admin)])?));
    let rest = Scrape::of(&world, shim.borrow().as_ref())?;
    let new = world.stripe.roll_secret(&line.snapshot.id, 0)?;
    world.stripe.customer("ann@example.com")?;
    wait_until_it_fires("SignaturesFail", rest, &world, shim.borrow().as_ref())?;

    let secrets = format!("{},{new}", line.snapshot.secret);
    let restart = || {
        shim.borrow_mut().take().map(Shim::stop).context("no shim runs")??;
        let settings = [("ADMIN_ADDR", admin.as_str()), ("STRIPE_WEBHOOK_SECRET", &secrets)];
        *shim.borrow_mut() = Some(world.start_shim_on(&line, &settings)?);
        Ok(())
    };
    let mut desk = Desk::open(&world, HEADING, &[("127.0.0.1:9465", &admin)])?
        .stand_in("sudo systemctl restart tenantry-webhook", restart);
    let looked = desk.next_command()?;
    ensure!(looked.stdout.contains("reason=\"signature_no_match\""), "{looked:?}");
    ensure!(world.events_and_receipts()?.0 == 0, "an event was taken");
    desk.next_block()?;
    // What was refused is sent again.
    world.wait_until_settled()?;
    let over = desk.next_block()?;
    ensure!(over[1].stdout.contains("customer.created"), "{over:?}");
    desk.done()
}
