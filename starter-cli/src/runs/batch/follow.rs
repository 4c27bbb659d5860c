//! Following a batch to its end. It is the worker's: Ctrl-C, or whatever else ends the command, leaves
//! it running.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use domain::replay_batch::{Counts, ReplayBatchResult, ReplayBatchState};
use temporalio_client::{Client, WorkflowHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use workflows::ReplayBatch;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::{self, Progress};
use crate::run::Run;
use crate::temporal::TemporalConfig;
use crate::wait::{self, Ended};

const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// A query waits for a worker, perhaps for long.
const ONE_LOOK: Duration = Duration::from_secs(3);

/// Ctrl-C, from now on and for good.
pub(crate) fn interrupts(workflow_id: &str) -> Result<Signal, Failure> {
    signal(SignalKind::interrupt()).map_err(|error| {
        let message = format!("cannot listen for Ctrl-C: {error}; {workflow_id} was not started");
        Failure::new(Exit::Failed, message, "run the same command again")
    })
}

/// How it ended, whichever run of its chain that was in.
pub(crate) async fn until_ended(
    (run, interrupts): (&Run, &mut Signal),
    client: &Client,
    temporal: &TemporalConfig,
    output: Output,
) -> Result<Ended<ReplayBatchResult>, Failure> {
    let chain = run.handle::<ReplayBatch>(client, temporal);
    let latest = client.get_workflow_handle::<ReplayBatch>(&run.workflow_id);
    let progress = Progress::on_stderr(output);
    let ended = tokio::select! {
        ended = chain.get_result(Default::default()) => wait::outcome(ended, temporal),
        _ = interrupts.recv() => Err(left(run)),
        never = show(&latest, &progress) => match never {},
    };
    progress.end();
    ended
}

async fn show(latest: &WorkflowHandle<Client, ReplayBatch>, progress: &Progress) -> Infallible {
    let mut first = None;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let asking = latest.query(ReplayBatch::state, (), Default::default());
        let answer = tokio::time::timeout(ONE_LOOK, asking).await;
        let now = Instant::now();
        match answer {
            Ok(Ok(state)) => {
                let settled = state.counts.settled();
                let (since, before) = *first.get_or_insert((now, settled));
                let took = now.duration_since(since);
                let text = sentence(&state, settled.saturating_sub(before), took);
                progress.count(settled as u64, state.counts.items as u64, text, now);
            }
            Ok(Err(_)) | Err(_) => progress.say("no worker answers; it goes on as soon as one runs", now),
        }
    }
}

/// `replaying: 120 of 600 runs, 3 failed again, 4.8 a second, 100 s left`.
fn sentence(state: &ReplayBatchState, new: usize, took: Duration) -> String {
    let Counts { items, failed, .. } = state.counts;
    let settled = state.counts.settled();
    let failed = if failed > 0 { format!(", {failed} failed again") } else { String::new() };
    let pace = progress::pace(new as u64, took, Some(items.saturating_sub(settled) as u64));
    let stopping = if state.stopping { ", stopping" } else { "" };
    format!("replaying: {settled} of {items} runs{failed}{pace}{stopping}")
}

/// It was left under way.
pub(crate) fn left(run: &Run) -> Failure {
    let message = format!("{} was left before its end (run {}); it goes on", run.workflow_id, run.run_id);
    Failure::new(Exit::Failed, message, look(&run.workflow_id))
}

/// It was left before the server had answered.
pub(crate) fn left_unanswered(workflow_id: &str) -> Failure {
    let message = format!("{workflow_id} was left while it was being started; it may run or not");
    Failure::new(Exit::Failed, message, look(workflow_id))
}

/// How to look at one that was left, and how to stop it.
pub(crate) fn look(workflow_id: &str) -> String {
    format!(
        "look at it with `tenantry runs batch show {workflow_id}`, stop it with `tenantry runs batch stop {workflow_id}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let counts = Counts { items: 600, completed: 117, failed: 3, running: 30, not_started: 450, not_failed: 0 };
        let state = ReplayBatchState { counts, stopping: true, ..ReplayBatchState::default() };
        let line = sentence(&state, 48, Duration::from_secs(10));
        assert_eq!(line, "replaying: 120 of 600 runs, 3 failed again, 4.8 a second, 2 min left, stopping");
    }
}
