//! What stands there before anything happens.

use anyhow::{Result, ensure};
use e2e::World;

use super::desk::Desk;

pub(crate) const HEADING: &str = "Before the first night";

/// A Temporal of its own: retention and schedule are the whole server's.
#[test]
pub(crate) fn the_ground_is_laid_before_the_first_night() -> Result<()> {
    let world = World::named("ops-first").private_temporal().start()?;
    let before = world.tenantry(&["doctor"])?.exits(0)?.stdout;
    ensure!(before.contains("warning  retention") && before.contains("warning  reconciliation"), "{before}");
    let mut desk = Desk::open(&world, HEADING, &[])?;
    desk.next_command()?;
    desk.next_block()?;
    let after = desk.next_command()?.stdout;
    ensure!(after.contains("histories are kept for 30 days"), "{after}");
    ensure!(after.contains(" 0 red, 0 warning"), "{after}");
    desk.done()
}
