//! How a run ends badly: one type, one message, both where an operator looks for them.

use domain::create_tenant::RunError;
use domain::failure::{Classify, FailureKind, TRIED_AGAIN};
use domain::refusal::Refusal;
use temporalio_workflow::common::error::{ApplicationFailure, IncomingError};
use temporalio_workflow::{
    ActivityExecutionError, ChildWorkflowExecutionError, RetryState, WorkflowCancellationError, WorkflowTermination,
};

/// What ended a run.
pub(crate) enum Ending {
    /// A step failed for good, or the input did.
    Failed(RunError),
    /// A person cancelled it.
    Cancelled,
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(RunError::new(refusal.kind(), refusal.to_string()))
    }
}

/// Of a step that is tried for seven days.
const AFTER_A_WEEK: &str = "seven days of trying did not help; when what it waits for is back, start it again";
/// Of a step that must not be tried for longer.
const AFTER_A_DAY: &str = "twenty hours of trying did not help, and Stripe forgets after a day what was sent before; \
                           when what it waits for is back, start it again";

impl From<WorkflowCancellationError> for Ending {
    fn from(_: WorkflowCancellationError) -> Self {
        Self::Cancelled
    }
}

impl From<ActivityExecutionError> for Ending {
    fn from(error: ActivityExecutionError) -> Self {
        Self::of(error, AFTER_A_WEEK)
    }
}

impl Ending {
    /// What an operator reads of it; `cancelled` is what a cancel means for this workflow.
    pub(crate) fn told(&self, cancelled: &str) -> RunError {
        match self {
            Self::Failed(error) => error.clone(),
            Self::Cancelled => RunError::new(FailureKind::Cancelled, cancelled),
        }
    }

    /// That of a step that writes at Stripe what must not happen twice.
    pub(crate) fn of_a_write(error: ActivityExecutionError) -> Self {
        Self::of(error, AFTER_A_DAY)
    }

    /// Whether the step that ended may have taken effect without anybody knowing.
    pub(crate) fn is_of_no_answer(&self) -> bool {
        match self {
            Self::Failed(error) => error.kind == FailureKind::Exhausted.as_str(),
            Self::Cancelled => true,
        }
    }

    fn of(error: ActivityExecutionError, gave_up: &str) -> Self {
        if error.as_cancelled().is_some() {
            return Self::Cancelled;
        }
        let ActivityExecutionError::Failed(failed) = &error else { return Self::Failed(permanent(&error)) };
        let state = failed.retry_state();
        if state == RetryState::CancelRequested {
            // The step under way was waited for and failed; it would have been tried again.
            Self::Cancelled
        } else if state == RetryState::NonRetryableFailure {
            Self::Failed(permanent(&error))
        } else {
            Self::Failed(RunError::new(FailureKind::Exhausted, exhausted(&error, gave_up)))
        }
    }
}

impl From<ChildWorkflowExecutionError> for Ending {
    fn from(error: ChildWorkflowExecutionError) -> Self {
        match error.cause() {
            Some(IncomingError::Cancelled(_)) => Self::Cancelled,
            Some(IncomingError::Application(failure)) => Self::Failed(RunError {
                kind: failure.type_name().unwrap_or(FailureKind::ConflictError.as_str()).to_owned(),
                message: failure.source_error().to_string(),
            }),
            Some(_) | None => Self::Failed(RunError::new(FailureKind::Exhausted, error.to_string())),
        }
    }
}

/// The type and the words that the activity gave.
fn permanent(error: &ActivityExecutionError) -> RunError {
    let Some(IncomingError::Application(failure)) = error.cause() else {
        return RunError::new(FailureKind::ConflictError, error.to_string());
    };
    RunError {
        kind: failure.type_name().unwrap_or(FailureKind::ConflictError.as_str()).to_owned(),
        message: failure.source_error().to_string(),
    }
}

/// A timeout has the last attempt's failure as its cause, if an attempt had failed.
fn exhausted(error: &ActivityExecutionError, gave_up: &str) -> String {
    let cause = error.cause().map(IncomingError::failure);
    let last = cause.and_then(|failure| failure.cause.as_deref()).or(cause);
    let last = last.map(|failure| failure.message.as_str()).unwrap_or_default();
    format!("{gave_up} (last: {})", last.strip_suffix(TRIED_AGAIN).unwrap_or(last))
}

/// What came of a step that takes something back, in the words for a good and a bad end.
pub(crate) fn came_of(what: &str, (good, bad): (&str, &str), taken: Result<(), Ending>) -> String {
    match taken {
        Ok(()) => format!("{what} {good}"),
        Err(Ending::Failed(error)) => format!("{what} {bad} ({}: {})", error.kind, error.message),
        Err(Ending::Cancelled) => format!("{what} {bad} (cancelled)"),
    }
}

/// The failure that closes the run.
pub(crate) fn termination(ending: Ending) -> WorkflowTermination {
    match ending {
        Ending::Cancelled => WorkflowTermination::cancelled(),
        Ending::Failed(error) => {
            ApplicationFailure::builder(error.message).type_name(error.kind).non_retryable(true).build().into()
        }
    }
}
