//! `tenantry runs replay` on a terminal: the plan, the question, and what an answer does.

use anyhow::{Result, ensure};
use e2e::{Person, World};
use serde_json::json;

use crate::runs_batch::crowd::{assert_onboarded_once, batch, document, failed, id, listed, replay};

/// Who wants to start again all that failed, up to the question.
fn asked(world: &World, more: &[&str]) -> Result<Person> {
    let person = world.person(&[&["runs", "replay", "--failed"][..], more].concat())?;
    person.wait_for("Start them again? [y/N]")?;
    Ok(person)
}

fn has(screen: &str, words: &[&str]) -> Result<()> {
    words.iter().try_for_each(|word| {
        ensure!(screen.contains(word), "{word} is not on the screen:\n{screen}");
        Ok(())
    })
}

fn nothing_was_started(world: &World, of: usize) -> Result<()> {
    assert_eq!((listed(world, "Failed")?, listed(world, "Completed")?, listed(world, "Running")?), (of, 0, 0));
    assert_eq!(batch(world, &["list"])?["batches"], json!([]));
    Ok(())
}

#[test]
fn all_that_failed_is_started_on_a_yes_only() -> Result<()> {
    let world = World::named("asked-many").start()?;
    let sold = failed(&world, 3)?;
    for answer in ["", "n", "yep"] {
        let (screen, code) = asked(&world, &[])?.answers(answer)?;
        has(
            &screen,
            &["3 failed runs would be started again", "StripeNotFound", &id(&sold[0]), "nothing was started"],
        )?;
        assert_eq!(code, Some(0), "{screen}");
        nothing_was_started(&world, 3)?;
    }
    // By SIGINT, as a shell expects it.
    let (screen, code) = asked(&world, &[])?.interrupts()?;
    assert_eq!(code, Some(256 - 2), "{screen}");
    nothing_was_started(&world, 3)?;

    let (screen, code) = asked(&world, &["--name", "agreed"])?.answers("y")?;
    has(&screen, &["replay-batch-agreed", "3 completed"])?;
    assert_eq!(code, Some(0), "{screen}");
    assert_onboarded_once(&world, &sold)
}

/// The server does not answer, so nobody knows whether it has started the batch.
#[test]
fn whoever_leaves_while_it_is_started_is_told_where_to_look() -> Result<()> {
    let world = World::named("asked-start").private_temporal().start()?;
    let sold = failed(&world, 2)?;
    let mut person = asked(&world, &["--name", "unsure"])?;
    world.temporal.process().signal("STOP")?;
    person.types("y")?;
    person.wait_for("starting replay-batch-unsure")?;
    let (screen, code) = person.interrupts()?;
    world.temporal.process().signal("CONT")?;
    has(&screen, &["was left while it was being started; it may run or not", "runs batch show replay-batch-unsure"])?;
    assert_eq!(code, Some(1), "{screen}");
    // It is as safe to type it again as ever. Exit code 4 where the first batch was faster.
    replay(&world, &[])?.exits_with_one_of(&[0, 4])?;
    assert_onboarded_once(&world, &sold)
}

#[test]
fn what_somebody_else_started_while_the_question_stood_is_left_alone() -> Result<()> {
    let world = World::named("asked-late").start()?;
    let sold = failed(&world, 2)?;
    let person = asked(&world, &["--name", "late"])?;
    let before = id(&sold[0]);
    world.tenantry(&["runs", "replay", &before, "--wait"])?.exits(0)?;
    let (screen, code) = person.answers("yes")?;
    has(&screen, &["1 completed", "1 run or done already"])?;
    assert_eq!(code, Some(0), "{screen}");
    let shown = batch(&world, &["show", "late"])?;
    let outcome = |id: &str| {
        let items = shown["items"].as_array().into_iter().flatten();
        items.filter(|item| item["workflow_id"] == id).map(|item| item["outcome"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((outcome(&before), outcome(&id(&sold[1]))), (vec![json!("not_failed")], vec![json!("completed")]));
    assert_onboarded_once(&world, &sold)
}

#[test]
fn a_correction_is_shown_and_made_on_a_yes_only() -> Result<()> {
    let world = World::named("asked-one").start()?;
    let sold = failed(&world, 1)?;
    let workflow_id = id(&sold[0]);
    let asked = || -> Result<Person> {
        let person =
            world.person(&["runs", "replay", &workflow_id, "--set", "client_name=Another Company", "--wait"])?;
        person.wait_for("Start it again like this? [y/N]")?;
        Ok(person)
    };
    let (screen, code) = asked()?.answers("no")?;
    has(&screen, &["client_name: Ann's Company -> Another Company", "nothing was started"])?;
    assert_eq!(code, Some(0), "{screen}");
    nothing_was_started(&world, 1)?;

    let (screen, code) = asked()?.answers("y")?;
    assert_eq!(code, Some(0), "{screen}");
    let shown = world.tenantry(&["runs", "show", &workflow_id, "--output", "json"])?.exits(0)?;
    assert_eq!(document(&shown.stdout)?["input"]["client_name"], "Another Company", "{}", shown.stdout);
    assert_onboarded_once(&world, &sold)
}
