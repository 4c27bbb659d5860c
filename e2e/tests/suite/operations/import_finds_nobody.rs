//! A tenant from before whose customer has another e-mail at Stripe.

use anyhow::{Result, ensure};
use e2e::World;

use super::desk::Desk;

pub(crate) const HEADING: &str = "An import finds no customer";

#[test]
pub(crate) fn a_customer_with_another_email_is_taken_over_by_hand() -> Result<()> {
    let world = World::named("ops-import").start()?;
    let tenant = format!("33333333-3333-4333-8333-{:012}", stack::unique::number());
    world.rows(&format!(
        "INSERT INTO tenants (tenant, client_name, email) VALUES ('{tenant}', 'A', 'old@example.com')"
    ))?;
    let customer = world.stripe.old_customer("new@example.com")?;
    let subscription = world.stripe.subscription(&customer, &world.stripe.price()?, 7)?;

    let examples = [("190f0b43-fe35-5e35-ba10-4f73c2b88e4d", tenant.as_str()), ("sub_1MowQVLkdIwHu7ix", &subscription)];
    let mut desk = Desk::open(&world, HEADING, &examples)?;
    desk.next_block()?;
    desk.next_command()?;
    let over = desk.next_block()?;
    ensure!(over[2].stdout.contains(&customer), "{over:?}");
    world.wait_for_count(&customer, 7)?;
    desk.done()
}
