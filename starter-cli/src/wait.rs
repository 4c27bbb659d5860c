//! Waiting for a run to end, and saying meanwhile where it stands.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::time::Duration;

use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{Client, WorkflowHandle};
use temporalio_common::HasWorkflowDefinition;
use temporalio_common::error::IncomingError;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::run::Run;
use crate::temporal::TemporalConfig;

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// A query waits for a worker, perhaps for long.
const ONE_LOOK: Duration = Duration::from_secs(3);

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended<R> {
    /// With a result.
    Completed(R),
    /// Without.
    Badly {
        /// `failed`, `cancelled`, …
        status: &'static str,
        /// What ended it.
        error: RunError,
    },
}

impl<R> Ended<R> {
    /// In the words of the Temporal UI.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Badly { status, .. } => status,
        }
    }

    fn badly(status: &'static str, error: RunError) -> Self {
        Self::Badly { status, error }
    }
}

/// How the run ended; an error if that cannot be told, or not within `limit`. Meanwhile it says
/// where the run stands, as `standing` finds it.
pub(crate) async fn until_ended<W: HasWorkflowDefinition>(
    handle: &WorkflowHandle<Client, W>,
    temporal: &TemporalConfig,
    limit: Option<Duration>,
    standing: impl AsyncFn() -> Option<&'static str>,
) -> Result<Ended<W::Output>, Failure> {
    tokio::select! {
        ended = handle.get_result(Default::default()) => outcome(ended, temporal),
        limit = sleep(limit) => Err(still_running(handle, temporal, limit)),
        never = show_progress(standing) => match never {},
    }
}

/// Shows the run, waits for its end as [`until_ended`] does, and notes on it how it ended. Who ends
/// the wait early still has the run's id.
pub(crate) async fn show_until_ended<W: HasWorkflowDefinition>(
    run: &mut Run,
    handle: &WorkflowHandle<Client, W>,
    temporal: &TemporalConfig,
    (timeout, output): (Option<u32>, Output),
    standing: impl AsyncFn() -> Option<&'static str>,
) -> Result<Ended<W::Output>, Failure> {
    if output == Output::Text {
        output.print(run);
    }
    let limit = timeout.map(|secs| Duration::from_secs(secs.into()));
    let ended = until_ended(handle, temporal, limit, standing).await.inspect_err(|_| {
        if output == Output::Json {
            output.print(run);
        }
    })?;
    run.status = ended.status();
    Ok(ended)
}

/// How a run ended, in our words.
pub(crate) fn outcome<R>(
    ended: Result<R, WorkflowGetResultError>,
    temporal: &TemporalConfig,
) -> Result<Ended<R>, Failure> {
    let error = match ended {
        Ok(result) => return Ok(Ended::Completed(result)),
        Err(WorkflowGetResultError::Rpc(status) | WorkflowGetResultError::NotFound(status)) => {
            return Err(temporal.answered(&status));
        }
        Err(error) => error,
    };
    Ok(match &error {
        WorkflowGetResultError::Failed(error) => Ended::badly("failed", failure(error)),
        WorkflowGetResultError::Cancelled { .. } => Ended::badly(
            "cancelled",
            RunError::new(FailureKind::Cancelled, "a person cancelled it; what was done stays"),
        ),
        WorkflowGetResultError::Terminated { .. } => {
            let what = "a person terminated it; what was done stays";
            Ended::badly("terminated", RunError::new(FailureKind::Cancelled, what))
        }
        WorkflowGetResultError::TimedOut => {
            Ended::badly("timed_out", RunError::new(FailureKind::Exhausted, "it ran out of time; what was done stays"))
        }
        // Not how our workflow ends, or not what this build can read.
        WorkflowGetResultError::ContinuedAsNew
        | WorkflowGetResultError::PayloadConversion(_)
        | WorkflowGetResultError::NotFound(_)
        | WorkflowGetResultError::Rpc(_)
        | WorkflowGetResultError::Other(_) => return Err(unreadable(&error)),
        _ => return Err(unreadable(&error)),
    })
}

fn unreadable(error: &WorkflowGetResultError) -> Failure {
    Failure::new(Exit::Failed, error.to_string(), "look at the run in the Temporal UI")
}

/// The type and the words that the workflow gave.
fn failure(error: &IncomingError) -> RunError {
    let kind = if let IncomingError::Application(failure) = error { failure.type_name() } else { None };
    let kind = kind.unwrap_or("unknown");
    RunError { kind: kind.to_owned(), message: error.failure().message.clone() }
}

fn still_running<W: HasWorkflowDefinition>(
    handle: &WorkflowHandle<Client, W>,
    temporal: &TemporalConfig,
    limit: Duration,
) -> Failure {
    let (id, run) = (&handle.info().workflow_id, handle.run_id().unwrap_or_default());
    let message = format!("{id} still runs after {} seconds; it goes on", limit.as_secs());
    Failure::new(Exit::Failed, message, follow(temporal, id, run))
}

/// The command that shows a run until it ends.
pub(crate) fn follow(temporal: &TemporalConfig, workflow_id: &str, run_id: &str) -> String {
    temporal.command(&format!("workflow show --follow -w {workflow_id} -r {run_id}"))
}

async fn sleep(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

/// One line per step on stderr, for a person; a program waits in silence.
async fn show_progress(standing: impl AsyncFn() -> Option<&'static str>) -> Infallible {
    if !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    eprintln!("waiting (Ctrl-C leaves it running)");
    let mut shown = "";
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let stands = tokio::time::timeout(ONE_LOOK, standing()).await.ok().flatten().unwrap_or("no worker answers");
        if stands != shown {
            eprintln!("  {stands}");
            shown = stands;
        }
    }
}

/// Where a run stands between two of its steps.
pub(crate) const BETWEEN_STEPS: &str = "between two steps";
