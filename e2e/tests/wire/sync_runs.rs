//! Runs of `syncSubscriptionWorkflow`, one of each kind of way that it takes.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Ending, Purchase, Run, Shim, World, subscription_event};
use stack::deadline;

use crate::histories::{Named, name};

const PATIENCE: Duration = Duration::from_secs(120);
/// Looking at a long history takes the server a while.
const PAUSE: Duration = Duration::from_millis(500);
/// Signals after which a run begins anew, and one more for the next run to settle.
const FLOOD: usize = 501;
const POSTERS: usize = 8;

/// A world's shim, and the runs that its deliveries lead to.
struct Post<'a> {
    world: &'a World,
    shim: Shim,
}

impl<'a> Post<'a> {
    /// What was delivered once is not handed over again while a test holds its read.
    fn open(world: &'a World) -> Result<Self> {
        Ok(Self { world, shim: world.start_shim(&[("EVENT_REDISPATCH_AFTER", "10m")])? })
    }

    fn deliver(&self, event: &str, subscription: &str) -> Result<()> {
        let answer = self.shim.deliver(&subscription_event(&format!("evt_{event}"), subscription))?;
        ensure!(answer.status == 200, "{event} is answered {}", answer.status);
        Ok(())
    }

    /// The latest run for a subscription, once it has so many signals.
    fn run(&self, subscription: &str, signals: usize) -> Result<Run> {
        let mut run = self.world.run(&format!("sync-subscription-{subscription}"));
        deadline::poll_every(&format!("{signals} signals"), PATIENCE, PAUSE, || {
            // Before the first signal there is no run.
            let events = run.events().unwrap_or_default();
            let found = events.iter().filter(|event| event["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED");
            Ok((found.count() >= signals).then_some(()))
        })?;
        run.run_id = run.describe()?["workflowExecutionInfo"]["execution"]["runId"].as_str().map(str::to_owned);
        Ok(run)
    }

    /// Has one event delivered, and holds the read that it leads to.
    fn hold_read(&self, event: &str, subscription: &str) -> Result<String> {
        // However often it is tried: a try is given up after six seconds.
        let hold = self.world.stripe.hold_all("GET", &format!("/v1/subscriptions/{subscription}"))?;
        self.deliver(event, subscription)?;
        self.world.stripe.wait_until_held(&hold)?;
        Ok(hold)
    }
}

/// One run of each kind of way, the long one left out.
pub(crate) fn runs(world: &World) -> Result<Named> {
    let post = Post::open(world)?;
    let purchase = onboarded(world)?;
    Ok([whole(&post, &purchase)?, again(&post)?, parked(&post)?, failed(&post)?, cancelled(&post)?].concat())
}

fn onboarded(world: &World) -> Result<Purchase> {
    let purchase = world.stripe.buy(10)?;
    world.onboard(&purchase)?.result()?;
    Ok(purchase)
}

fn whole(post: &Post<'_>, purchase: &Purchase) -> Result<Named> {
    post.deliver("whole", &purchase.subscription)?;
    let run = post.run(&purchase.subscription, 1)?;
    let handled = run.result()?;
    ensure!(handled["completed"] == 1 && handled["reads"] == 1, "{handled}");
    Ok(vec![name("whole", &run)])
}

/// News while a read was under way.
fn again(post: &Post<'_>) -> Result<Named> {
    let purchase = onboarded(post.world)?;
    let hold = post.hold_read("first", &purchase.subscription)?;
    post.deliver("news", &purchase.subscription)?;
    let run = post.run(&purchase.subscription, 2)?;
    post.world.stripe.release(&hold)?;
    let handled = run.result()?;
    ensure!(handled["completed"] == 2 && handled["reads"] == 2, "{handled}");
    Ok(vec![name("again", &run)])
}

fn parked(post: &Post<'_>) -> Result<Named> {
    let purchase = post.world.stripe.buy(10)?;
    post.deliver("parked", &purchase.subscription)?;
    let run = post.run(&purchase.subscription, 1)?;
    let handled = run.result()?;
    ensure!(handled["parked"] == 1, "{handled}");
    Ok(vec![name("parked", &run)])
}

/// Stripe does not know the subscription, and its event says so.
fn failed(post: &Post<'_>) -> Result<Named> {
    let lost = format!("sub_1Lost{}", post.world.task_queue().replace('-', ""));
    post.deliver("failed", &lost)?;
    let run = post.run(&lost, 1)?;
    let (kind, _) = run.failure()?;
    ensure!(kind == "StripeNotFound", "{kind}");
    Ok(vec![name("failed", &run)])
}

/// The read under way is waited for; what came meanwhile is left.
fn cancelled(post: &Post<'_>) -> Result<Named> {
    let purchase = onboarded(post.world)?;
    let hold = post.hold_read("cancelled", &purchase.subscription)?;
    post.deliver("left", &purchase.subscription)?;
    let run = post.run(&purchase.subscription, 2)?;
    run.cancel()?;
    post.world.stripe.release(&hold)?;
    let ending = run.ending(Duration::from_secs(60))?;
    ensure!(ending == Ending::Cancelled, "{ending:?}");
    Ok(vec![name("cancelled", &run)])
}

/// A run that so much came to while it read that it began anew, and the one that went on.
pub(crate) fn flooded(world: &World) -> Result<Named> {
    let post = Post::open(world)?;
    let purchase = onboarded(world)?;
    // Every attempt is held: one of them is given up after seconds, and the flood may take longer.
    let hold = world.stripe.hold_all("GET", &format!("/v1/subscriptions/{}", purchase.subscription))?;
    post.deliver("flood0", &purchase.subscription)?;
    world.stripe.wait_until_held(&hold)?;
    let first = post.run(&purchase.subscription, 1)?;
    thread::scope(|scope| {
        let share = |first: usize| (1 + first..FLOOD).step_by(POSTERS);
        let deliver = |n: usize| post.deliver(&format!("flood{n}"), &purchase.subscription);
        let posters: Vec<_> =
            (0..POSTERS).map(|first| scope.spawn(move || share(first).try_for_each(deliver))).collect();
        posters.into_iter().try_for_each(|poster| poster.join().expect("it does not panic"))
    })?;
    world.wait_until_dispatched("evt_flood", FLOOD)?;
    world.stripe.release(&hold)?;
    let next = successor(&first)?;
    let handled = next.result()?;
    ensure!(handled["completed"] == FLOOD, "{handled}");
    Ok(vec![name("flooded", &first), name("anew", &next)])
}

/// The run that an ended run has continued as.
fn successor(run: &Run) -> Result<Run> {
    let next = deadline::poll_every("the run to begin anew", PATIENCE, PAUSE, || {
        let events = run.events()?;
        let last = events.last().map(|event| &event["workflowExecutionContinuedAsNewEventAttributes"]);
        Ok(last.and_then(|last| last["newExecutionRunId"].as_str()).map(str::to_owned))
    })?;
    let mut run = run.clone();
    run.run_id = Some(next);
    Ok(run)
}
