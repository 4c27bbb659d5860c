//! `tenantry license set` on a terminal: what is shown before anything happens, and what an answer
//! does.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Tenant, World};
use stack::{binaries, deadline};

use super::{Desk, has};

/// Runs a command on a terminal of its own; what is typed comes in by a pipe.
const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// A person at a terminal.
struct Person<'a> {
    world: &'a World,
    screen: PathBuf,
    shell: Child,
}

impl<'a> Person<'a> {
    fn at(world: &'a World, tenant: &Tenant, more: &[&str]) -> Result<Self> {
        let screen = world.folder().join(format!("screen-{}", stack::unique::number()));
        let mut python = Command::new("python3");
        stack::command::isolate(&mut python);
        python.args(["-c", TERMINAL]).arg(binaries::binary("tenantry")?);
        python.args(["license", "set", &tenant.purchase.customer]).args(more);
        python.envs(world.environment()).current_dir(world.folder());
        python.stdin(Stdio::piped()).stdout(File::create(&screen)?);
        Ok(Self { world, screen, shell: python.spawn()? })
    }

    /// All that stands on the screen.
    fn screen(&self) -> String {
        std::fs::read(&self.screen).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    fn wait_for_the_question(&self) -> Result<()> {
        deadline::poll("the question", Duration::from_secs(60), || {
            Ok(self.screen().contains("Change it? [y/N]").then_some(()))
        })
    }

    /// Answers; then all that was on the screen, and how the command exited.
    fn answers(mut self, word: &str) -> Result<(String, Option<i32>)> {
        let mut keyboard = self.shell.stdin.take().context("a keyboard")?;
        writeln!(keyboard, "{word}")?;
        let exit = self.shell.wait()?;
        drop(keyboard);
        Ok((self.screen(), exit.code()))
    }

    /// The runs that there are by now.
    fn runs(&self, tenant: &Tenant) -> Result<usize> {
        Ok(self.world.license_requests(tenant)?.len())
    }
}

#[test]
fn what_it_costs_is_shown_and_a_no_changes_nothing() -> Result<()> {
    let world = World::named("licenses-no").start()?;
    let tenant = &world.tenant_with(10)?;
    let person = Person::at(&world, tenant, &["15"])?;
    person.wait_for_the_question()?;
    assert_eq!(person.runs(tenant)?, 0);
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
    let person = Person::at(&world, tenant, &["15", "--wait", "--requested-by", "ann"])?;
    person.wait_for_the_question()?;
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
    let person = Person::at(&world, tenant, &["15", "--wait"])?;
    person.wait_for_the_question()?;
    world.stripe.set_quantity(&tenant.purchase.subscription, 12)?;
    let (screen, code) = person.answers("y")?;
    has(&screen, &["ConflictError", "it has 12 licences"])?;
    assert_eq!(code, Some(1), "{screen}");
    assert_eq!(world.stripe.licenses(&tenant.purchase.subscription)?, (12, None));
    assert_eq!(Desk { world: &world, tenant }.history()?[0][2], "failed");
    Ok(())
}
