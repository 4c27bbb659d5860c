//! A batch of replays while everything around it is killed, interrupted, and done twice: still exact.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Ending, World};
use serde_json::Value;
use stack::deadline;

use crate::runs_batch::crowd::{
    assert_onboarded_once, batch, document, failed, id, listed, replay, wait_for, wait_until,
};

/// Waits until that many items of the batch are settled.
fn wait_for_settled(world: &World, name: &str, count: u64) -> Result<()> {
    let settled = |shown: &Value| {
        let of = |field: &str| shown["counts"][field].as_u64().unwrap_or_default();
        of("completed") + of("failed") + of("not_failed")
    };
    wait_until(world, name, &format!("{count} to be settled"), |shown| settled(shown) >= count).map(drop)
}

#[test]
fn a_killed_worker_loses_no_run_and_starts_none_twice() -> Result<()> {
    let world = World::named("batch-kills").start()?;
    let sold = failed(&world, 30)?;
    replay(&world, &["--rate", "4", "--name", "kills", "--no-wait"])?.exits(0)?;
    for settled in [1, 8, 16] {
        wait_for_settled(&world, "kills", settled)?;
        world.kill_worker()?;
        world.start_worker(&[])?;
    }
    let ended = world.run("replay-batch-kills").result()?;
    assert_eq!(ended["counts"]["completed"], 30, "{}", ended["counts"]);
    assert_onboarded_once(&world, &sold)
}

/// The first command is interrupted, the second is killed, the third is another operator's: all three
/// have planned the same runs.
#[test]
fn whoever_leaves_or_comes_late_changes_nothing() -> Result<()> {
    let world = World::named("batch-operators").start()?;
    let sold = failed(&world, 30)?;
    let command = |name: &str, rate: &str| {
        let flags = ["runs", "replay", "--failed", "--yes", "--operator", name, "--name", name, "--rate", rate];
        world.tenantry_at_work(&flags)
    };
    let ann = command("ann", "2")?;
    ann.wait_until_it_says("replaying: ")?;
    let bob = command("bob", "2")?;
    bob.wait_until_it_says("replaying: ")?;
    ann.interrupt()?;
    let left = ann.ended()?.exits(1)?;
    for words in [
        "was left before its end",
        "it goes on",
        "runs batch show replay-batch-ann",
        "runs batch stop replay-batch-ann",
    ] {
        ensure!(left.stderr.contains(words), "{words} is not in:\n{}", left.stderr);
    }
    // Its drop is SIGKILL.
    drop(bob);
    let carol = command("carol", "3")?.ended()?;
    // The last may have found nothing left.
    let found_some = !carol.stdout.contains("no failed runs fit");
    let names = ["ann", "bob", "carol"].into_iter().filter(|name| *name != "carol" || found_some);
    let mut completed = 0;
    for name in names {
        let shown = wait_until(&world, name, "the batch to end", |shown| shown["status"] == "completed")?;
        let of = |field: &str| shown["counts"][field].as_u64().unwrap_or_default();
        ensure!(of("completed") + of("not_failed") == of("items"), "{name}: {}", shown["counts"]);
        completed += of("completed");
    }
    ensure!(completed == 30, "{completed} were completed by somebody: {}", carol.everything());
    assert_onboarded_once(&world, &sold)
}

#[test]
fn who_was_slower_is_told() -> Result<()> {
    let world = World::named("batch-slower").start()?;
    let sold = failed(&world, 2)?;
    // Both have planned; one waits for a worker until the other's is done.
    world.stop_worker()?;
    let flags = |name| ["runs", "replay", "--failed", "--yes", "--name", name];
    let one = world.tenantry_at_work(&flags("one"))?;
    one.wait_until_it_says("no worker answers")?;
    let other = world.tenantry_at_work(&flags("other"))?;
    other.wait_until_it_says("no worker answers")?;
    world.start_worker(&[])?;
    let (one, other) = (one.ended()?, other.ended()?);
    assert_onboarded_once(&world, &sold)?;
    let told = [&one, &other].into_iter().filter(|said| said.stdout.contains("somebody else was faster")).count();
    ensure!(told >= 1, "{}\n{}", one.everything(), other.everything());
    Ok(())
}

#[test]
fn a_stop_that_comes_before_the_start_starts_nothing() -> Result<()> {
    let world = World::named("batch-early").start()?;
    let sold = failed(&world, 3)?;
    world.stop_worker()?;
    replay(&world, &["--name", "early", "--no-wait"])?.exits(0)?;
    batch(&world, &["stop", "early"])?;
    let silent = world.tenantry(&["runs", "batch", "show", "early"])?.exits(1)?;
    ensure!(silent.stderr.contains("no worker says"), "{}", silent.stderr);
    world.start_worker(&[])?;
    let ended = world.run("replay-batch-early").result()?;
    assert_eq!((&ended["counts"]["not_started"], &ended["stopping"]), (&3.into(), &true.into()), "{ended}");
    ensure!(listed(&world, "Failed")? == 3 && listed(&world, "Completed")? == 0, "something was started");
    world.tenantry(&["runs", "batch", "resume", "early", "--yes"])?.exits(0)?;
    assert_onboarded_once(&world, &sold)
}

#[test]
fn what_was_decided_since_a_stop_is_not_undone_by_a_resume() -> Result<()> {
    let world = World::named("batch-since").start()?;
    let sold = failed(&world, 3)?;
    world.stop_worker()?;
    replay(&world, &["--name", "since", "--no-wait"])?.exits(0)?;
    batch(&world, &["stop", "since"])?;
    world.start_worker(&[])?;
    world.run("replay-batch-since").result()?;
    let left = world.tenantry(&["runs", "why", "replay-batch-since"])?.exits(0)?.stdout;
    ensure!(left.contains("3 of its runs") && left.contains("tenantry runs batch resume since"), "{left}");
    // A person corrects one, wrongly; the batch must not come with the input from before.
    let corrected = id(&sold[0]);
    let set = ["runs", "replay", &corrected, "--set", "stripe_subscription_id=sub_1Lost", "--yes", "--wait"];
    world.tenantry(&set)?.exits(1)?;
    let resumed = world.tenantry(&["runs", "batch", "resume", "since", "--yes", "--output", "json"])?.exits(0)?;
    let counts = &document(&resumed.stdout)?["batch"]["counts"];
    assert_eq!((&counts["completed"], &counts["not_failed"]), (&2.into(), &1.into()), "{counts}");
    ensure!(world.run(&corrected).failure()?.1.contains("sub_1Lost"), "it was started again with the old input");
    wait_for(&world, "Completed", 2)
}

#[test]
fn a_run_that_a_person_ends_meanwhile_is_told_as_such() -> Result<()> {
    let world = World::named("batch-ended").start()?;
    let sold = failed(&world, 2)?;
    let held = world.stripe.hold_all("GET", "/v1/subscriptions/*")?;
    let command = world.tenantry_at_work(&["runs", "replay", "--failed", "--yes", "--name", "ended"])?;
    world.stripe.wait_until_held(&held)?;
    wait_for(&world, "Running", 2)?;
    world.run(&id(&sold[0])).terminate()?;
    world.run(&id(&sold[1])).cancel()?;
    world.stripe.release(&held)?;
    let said = command.ended()?.exits(1)?;
    ensure!(said.stdout.contains("2 failed again"), "{}", said.stdout);
    for words in ["a person terminated it", "a person cancelled it"] {
        ensure!(said.stdout.contains(words), "{words} is not in:\n{}", said.stdout);
    }
    Ok(())
}

/// At one a second, enough to be ended before its end however slow the machine is.
const MANY: usize = 25;

/// What it has started goes on, what it has not is resumed.
#[test]
fn a_batch_that_is_ended_by_force_is_resumed() -> Result<()> {
    for end in ["terminate", "cancel"] {
        let name = format!("batch-{end}");
        let world = World::named(&name).start()?;
        let sold = failed(&world, MANY)?;
        replay(&world, &["--rate", "1", "--name", &name, "--no-wait"])?.exits(0)?;
        wait_for_settled(&world, &name, 1)?;
        let run = world.run(&format!("replay-batch-{name}"));
        match end {
            "terminate" => run.terminate()?,
            _ => run.cancel()?,
        }
        let shown = wait_until(&world, &name, "the batch to end", |shown| shown["status"] != "running")?;
        ensure!(shown["counts"]["not_started"].as_u64() > Some(0), "{shown}");
        let resume = ["runs", "batch", "resume", &name, "--yes", "--rate", "50", "--output", "json"];
        // With exit code 1 where one that was started before is not done yet.
        let resumed = world.tenantry(&resume)?.exits_with_one_of(&[0, 1])?;
        assert_eq!(document(&resumed.stdout)?["batch"]["counts"]["items"], MANY);
        wait_for(&world, "Completed", MANY)?;
        world.run(&id(&sold[0])).ending(Duration::from_secs(60))?;
        assert_onboarded_once(&world, &sold)?;
    }
    Ok(())
}

/// While no worker runs, both come to be: the next second, for which the batch waits, and its end.
#[test]
fn a_batch_that_is_cancelled_as_its_timer_fires_ends() -> Result<()> {
    let world = World::named("batch-both").start()?;
    let sold = failed(&world, MANY)?;
    replay(&world, &["--rate", "1", "--name", "both", "--no-wait"])?.exits(0)?;
    wait_for_settled(&world, "both", 1)?;
    world.stop_worker()?;
    let run = world.run("replay-batch-both");
    run.cancel()?;
    deadline::poll_every("the next second", Duration::from_secs(60), Duration::from_millis(200), || {
        // Only the one that limits the wait for an item is left.
        let (started, fired) =
            (run.count_events("EVENT_TYPE_TIMER_STARTED")?, run.count_events("EVENT_TYPE_TIMER_FIRED")?);
        Ok((started == fired + 1).then_some(()))
    })?;
    world.start_worker(&[])?;
    assert_eq!(run.ending(Duration::from_secs(60))?, Ending::Cancelled);
    let shown = wait_until(&world, "both", "the batch to end", |shown| shown["status"] == "cancelled")?;
    ensure!(shown["counts"]["not_started"].as_u64() > Some(0), "{shown}");
    world.tenantry(&["runs", "batch", "resume", "both", "--yes", "--rate", "50"])?.exits_with_one_of(&[0, 1])?;
    assert_onboarded_once(&world, &sold)
}
