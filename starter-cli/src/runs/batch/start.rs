//! Starting a batch, or going on with one.

use std::time::Instant;

use chrono::Utc;
use domain::names::bulk_task_queue;
use domain::replay_batch::{BatchName, INPUT_BYTES_MAX, ITEMS_MAX, Item, Items, ItemsError, ReplayBatchInput};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};
use tokio::signal::unix::Signal;
use uuid::Uuid;
use workflows::ReplayBatch;

use super::follow;
use super::plan::failed_runs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::run::{Run, not_started};
use crate::temporal::TemporalConfig;

/// What a batch is called that nobody gave a name: when it was begun, and a little of chance for
/// two in a second.
pub(crate) fn name() -> BatchName {
    let chance = Uuid::new_v4().simple().to_string();
    let name = format!("{}-{}", Utc::now().format("%Y%m%d-%H%M%S"), &chance[..4]);
    name.parse().unwrap_or_else(|error| unreachable!("{name}: {error}"))
}

/// The runs as one plan.
pub(crate) fn items(all: Vec<Item>) -> Result<Items, Failure> {
    let count = all.len();
    all.try_into().map_err(|error| match error {
        ItemsError::TooMany => {
            let message = format!("{} fit, and one batch starts at most {ITEMS_MAX}", failed_runs(count));
            fewer(message, ITEMS_MAX)
        }
        ItemsError::None | ItemsError::WithoutId | ItemsError::Contradicting => {
            Failure::new(Exit::Failed, error.to_string(), "run the same command again")
        }
    })
}

/// The server would refuse a payload of more, and say less.
pub(crate) fn refuse_too_large(input: &ReplayBatchInput) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(input).map(|json| json.len()).unwrap_or(usize::MAX);
    if bytes <= INPUT_BYTES_MAX {
        return Ok(());
    }
    let count = input.items.iter().count();
    let message =
        format!("the inputs of {} have {bytes} bytes, and one batch takes {INPUT_BYTES_MAX}", failed_runs(count));
    Err(fewer(message, count * INPUT_BYTES_MAX / bytes.max(1) * 9 / 10))
}

fn fewer(message: String, limit: usize) -> Failure {
    let next = format!("take the newest with --limit {}, and run it again for the others", limit.max(1));
    Failure::new(Exit::Usage, message, next)
}

/// Whether the name may have been used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It is new.
    Anew,
    /// It goes on with the batch of that name.
    Again,
}

/// Starts it; Ctrl-C belongs to the batch from then on, and says how to look at it.
pub(crate) async fn start(
    client: &Client,
    temporal: &TemporalConfig,
    (name, named): (&BatchName, Named),
    input: ReplayBatchInput,
    output: Output,
) -> Result<(Run, Signal), Failure> {
    let reuse = match named {
        Named::Anew => WorkflowIdReusePolicy::RejectDuplicate,
        Named::Again => WorkflowIdReusePolicy::AllowDuplicate,
    };
    let options = WorkflowStartOptions::new(bulk_task_queue(&temporal.task_queue), name.workflow_id())
        .id_reuse_policy(reuse)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .static_summary(input.summary())
        .build();
    let mut interrupts = follow::interrupts(&name.workflow_id())?;
    let progress = Progress::on_stderr(output);
    progress.say(&format!("starting {}", name.workflow_id()), Instant::now());
    let started = tokio::select! {
        started = client.start_workflow(ReplayBatch::run, input.into(), options) => Some(started),
        _ = interrupts.recv() => None,
    };
    progress.end();
    match started {
        Some(Ok(handle)) => Ok((Run::started(&handle, temporal), interrupts)),
        Some(Err(WorkflowStartError::AlreadyStarted { .. })) => Err(taken(name)),
        Some(Err(error)) => Err(not_started(&error, temporal)),
        None => Err(follow::left_unanswered(&name.workflow_id())),
    }
}

fn taken(name: &BatchName) -> Failure {
    let message = format!("there is a batch {name} already; nothing was started");
    Failure::new(Exit::Refused, message, format!("tenantry runs batch show {name}"))
}
