//! The key that the worker has opens nothing any more.

use anyhow::{Result, ensure};
use e2e::{SECRET_KEY, World};
use stack::ports;

use super::alerts::{Scrape, wait_until_it_fires};
use super::desk::Desk;

pub(crate) const HEADING: &str = "A key was rolled";

const OLD: &str = "sk_test_rolledQ7fV2mXw9LzR4";

#[test]
pub(crate) fn a_new_key_ends_the_waiting() -> Result<()> {
    let world = World::named("ops-key").without_worker()?;
    let admin = format!("127.0.0.1:{}", ports::free()?);
    world.start_worker(&[("STRIPE_SECRET_KEY", OLD), ("ADMIN_ADDR", &admin)])?;
    let rest = Scrape::of(&world, None)?;
    let purchase = world.stripe.buy(10)?;
    world.stripe.expire_key(OLD)?;
    let run = world.onboard(&purchase)?;
    wait_until_it_fires("StripeKeyRefused", rest, &world, None)?;

    let restart = || {
        world.stop_worker()?;
        world.start_worker(&[("STRIPE_SECRET_KEY", SECRET_KEY), ("ADMIN_ADDR", &admin)])
    };
    let examples = [("127.0.0.1:9464", admin.as_str()), ("cus_QXg1oyoEfW2bZ3", &purchase.customer)];
    let mut desk = Desk::open(&world, HEADING, &examples)?.stand_in("sudo systemctl restart tenantry-worker", restart);
    desk.set("STRIPE_SECRET_KEY", OLD);
    let looked = desk.next_block()?;
    ensure!(looked[0].stdout.contains("red      Stripe "), "{looked:?}");
    desk.set("STRIPE_SECRET_KEY", SECRET_KEY);
    desk.next_block()?;
    let over = desk.next_block()?;
    ensure!(over[1].everything().contains("completed"), "{over:?}");
    ensure!(run.result()?["licensed_user_count"] == 10);
    desk.done()
}
