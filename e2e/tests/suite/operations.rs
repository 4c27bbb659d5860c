//! `docs/OPERATIONS.md`: each of its situations is made to happen, the commands of its section are
//! typed as they stand there, in their order, and what was wrong is mended at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::World;
use stack::deadline;

mod alerts;
mod alerts_fire;
mod backup;
mod count_is_wrong;
mod deploy;
mod desk;
mod earlier_build;
mod failed_at_once;
mod first_night;
mod import_finds_nobody;
mod key_rolled;
mod onboarding_failed;
mod page;
mod signatures_fail;
mod stripe_down;
mod webhooks_misconfigured;

/// The test of a section.
type Test = fn() -> Result<()>;

/// Every section, in the page's order, and its test.
const SECTIONS: [(&str, Test); 12] = [
    (first_night::HEADING, first_night::the_ground_is_laid_before_the_first_night),
    (onboarding_failed::HEADING, onboarding_failed::a_failed_onboarding_is_corrected_or_started_again),
    (stripe_down::HEADING, stripe_down::an_outage_of_stripe_is_waited_out),
    (webhooks_misconfigured::HEADING, webhooks_misconfigured::what_was_never_delivered_is_taken_in),
    (signatures_fail::HEADING, signatures_fail::a_rolled_secret_stands_beside_the_old_one),
    (import_finds_nobody::HEADING, import_finds_nobody::a_customer_with_another_email_is_taken_over_by_hand),
    (key_rolled::HEADING, key_rolled::a_new_key_ends_the_waiting),
    (deploy::HEADING, deploy::a_build_that_does_not_fit_is_taken_back),
    (count_is_wrong::HEADING, count_is_wrong::a_count_that_is_not_stripes_is_found_and_repaired),
    (failed_at_once::HEADING, failed_at_once::all_that_failed_are_started_in_one_go),
    (alerts::HEADING, alerts_fire::every_alert_fires_when_it_should),
    (backup::HEADING, backup::a_restored_database_is_brought_up_to_date),
];

/// Waits until the server lists that many failed runs, which it does a moment after they failed.
fn wait_until_listed(world: &World, count: usize) -> Result<()> {
    let (limit, pause) = (Duration::from_secs(60), Duration::from_millis(200));
    deadline::poll_every(&format!("{count} failed runs to be listed"), limit, pause, || {
        let said = world.tenantry(&["runs", "list", "--failed", "--output", "json"])?.exits(0)?;
        let listed: serde_json::Value = serde_json::from_str(&said.stdout)?;
        Ok((listed["runs"].as_array().map(Vec::len) == Some(count)).then_some(()))
    })
}

#[test]
fn every_section_of_the_page_has_its_test() -> Result<()> {
    let tested: Vec<_> = SECTIONS.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let headings: Vec<_> = page::sections()?.into_iter().map(|section| section.heading).collect();
    assert_eq!(headings, tested);
    Ok(())
}

#[test]
fn no_command_is_skipped_but_for_those_with_a_reason() -> Result<()> {
    let sections = page::sections()?;
    let typed: BTreeSet<&str> =
        sections.iter().flat_map(|section| section.blocks.iter().flatten()).map(|one| one.command.as_str()).collect();
    for (command, reason) in desk::NOT_HERE {
        ensure!(typed.contains(command), "nobody types {command}, which cannot be run because {reason}");
    }
    // Whatever is fenced otherwise is no command: nothing hides from the tests there.
    for section in &sections {
        let fences = section.text.matches("\n```").count() / 2;
        let known = ["sh", "yaml", "ini", "rust"].map(|language| page::fenced(&section.text, language).len());
        ensure!(fences == known.iter().sum::<usize>(), "{} has a block of another kind", section.heading);
    }
    Ok(())
}

#[test]
fn an_alert_leads_to_a_section_that_is_there() -> Result<()> {
    let sections = page::sections()?;
    let anchor = |heading: &str| format!("#{}", heading.to_lowercase().replace(' ', "-"));
    let anchors: BTreeSet<String> = sections.iter().map(|section| anchor(&section.heading)).collect();
    let text = &page::section_of(alerts::HEADING)?.text;
    let named: Vec<&str> = text.split("page: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    ensure!(named.len() > 5, "the alerts lead nowhere");
    for page in named {
        ensure!(anchors.contains(page), "no section {page}");
    }
    // And a section that shows as an alert names one that is there.
    let alerts: BTreeSet<String> = alerts::alerts()?.into_iter().map(|alert| alert.name).collect();
    for section in &sections {
        for name in section.text.split("alert `").skip(1).filter_map(|rest| rest.split('`').next()) {
            ensure!(alerts.contains(name), "{} names the alert {name}, which is not there", section.heading);
        }
    }
    Ok(())
}
