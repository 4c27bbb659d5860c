//! What became of a child, as its batch tells it.

use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use domain::ids::TenantId;
use domain::replay_batch::Outcome;
use temporalio_workflow::common::error::IncomingError;
use temporalio_workflow::{
    ChildWorkflowExecutionError, ChildWorkflowStartError, StartChildWorkflowExecutionFailedCause,
};

const CANCELLED: &str = "a person cancelled it; what was done stays";
const TERMINATED: &str = "a person terminated it; what was done stays";

/// Of one that the server did not start.
pub(super) fn not_started(error: &ChildWorkflowStartError) -> Outcome {
    let there_is_one = StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists;
    if matches!(error, ChildWorkflowStartError::StartFailed { cause, .. } if *cause == there_is_one) {
        return Outcome::NotFailed;
    }
    Outcome::failed(RunError::new(FailureKind::ConflictError, error.to_string()))
}

/// Of one that ended. A result that this build cannot read is a result.
pub(super) fn ended(ended: Result<TenantId, ChildWorkflowExecutionError>) -> Outcome {
    match ended {
        Ok(tenant) => Outcome::Completed { tenant_id: Some(tenant) },
        Err(ChildWorkflowExecutionError::Serialization(_)) => Outcome::Completed { tenant_id: None },
        Err(error) => Outcome::failed(failure(&error)),
    }
}

/// The type and the words that the run gave, or how a person ended it.
fn failure(error: &ChildWorkflowExecutionError) -> RunError {
    match error.cause() {
        Some(IncomingError::Application(failure)) => RunError {
            kind: failure.type_name().unwrap_or(FailureKind::ConflictError.as_str()).to_owned(),
            message: failure.source_error().to_string(),
        },
        Some(IncomingError::Cancelled(_)) => RunError::new(FailureKind::Cancelled, CANCELLED),
        Some(IncomingError::Terminated(_)) => RunError::new(FailureKind::Cancelled, TERMINATED),
        Some(_) | None => RunError::new(FailureKind::Exhausted, error.to_string()),
    }
}
