//! `tenantry license set` on a terminal: what is shown before anything happens, and what an answer
//! does.

use anyhow::Result;
use e2e::{Person, Tenant, World};

use super::{Desk, has};

/// Who wants to set a tenant's licences, up to the question.
fn asked(world: &World, tenant: &Tenant, more: &[&str]) -> Result<Person> {
    let person = world.person(&[&["license", "set", &tenant.purchase.customer][..], more].concat())?;
    person.wait_for("Change it? [y/N]")?;
    Ok(person)
}

#[test]
fn what_it_costs_is_shown_and_a_no_changes_nothing() -> Result<()> {
    let world = World::named("licenses-no").start()?;
    let tenant = &world.tenant_with(10)?;
    let person = asked(&world, tenant, &["15"])?;
    assert_eq!(world.license_requests(tenant)?.len(), 0);
    let (screen, code) = person.answers("")?;
    has(&screen, &["licences      10 -> 15, now", "billed now", "next bill     150.00 USD", "nothing was changed"])?;
    assert_eq!(code, Some(0));
    assert_eq!(world.license_requests(tenant)?.len(), 0);
    world.assert_licenses(tenant, 10, None)
}

#[test]
fn a_yes_changes_what_was_shown() -> Result<()> {
    let world = World::named("licenses-yes").start()?;
    let tenant = &world.tenant_with(10)?;
    let person = asked(&world, tenant, &["15", "--wait", "--requested-by", "ann"])?;
    let (screen, code) = person.answers("y")?;
    has(&screen, &["licences  10 -> 15"])?;
    assert_eq!(code, Some(0), "{screen}");
    world.assert_licenses(tenant, 15, None)?;
    assert_eq!(world.license_requests(tenant)?, ["changed 10 15 ann"]);
    Ok(())
}

#[test]
fn what_changed_while_the_question_stood_is_not_overridden() -> Result<()> {
    let world = World::named("licenses-slow").start()?;
    let tenant = &world.tenant_with(10)?;
    let person = asked(&world, tenant, &["15", "--wait"])?;
    world.stripe.set_quantity(&tenant.purchase.subscription, 12)?;
    let (screen, code) = person.answers("y")?;
    has(&screen, &["ConflictError", "it has 12 licences"])?;
    assert_eq!(code, Some(1), "{screen}");
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (12, None));
    assert_eq!(Desk { world: &world, tenant }.history()?[0][2], "failed");
    Ok(())
}
