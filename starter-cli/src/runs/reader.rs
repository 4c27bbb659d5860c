//! A history's events, taken up one after the other.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use temporalio_common::protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

use super::history::{History, Outcome, Step};
use super::wire::{FailedWith, first, moment, text};

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) history: History,
    /// Where each step stands, by the event that began it.
    steps: HashMap<i64, usize>,
}

impl Reader {
    /// One event more.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of the server's sixty kinds of events these tell what happened"
    )]
    pub(super) fn take(&mut self, event: HistoryEvent) {
        let at = moment(event.event_time);
        let about = text(event.user_metadata.as_ref().and_then(|told| told.summary.as_ref()));
        let Some(attributes) = event.attributes else { return };
        match attributes {
            Attributes::WorkflowExecutionStartedEventAttributes(told) => {
                self.history.input = first(told.input.as_ref());
                self.history.goes_on_from = filled(told.continued_execution_run_id);
            }
            Attributes::ActivityTaskScheduledEventAttributes(told) => {
                let name = told.activity_type.map(|of| of.name).unwrap_or_default();
                self.begin(event.event_id, Step { activity_id: Some(told.activity_id), ..Step::new(name, about, at) });
            }
            Attributes::ActivityTaskStartedEventAttributes(told) => {
                self.start(told.scheduled_event_id, at, told.attempt, told.last_failure.as_ref());
            }
            Attributes::ActivityTaskCompletedEventAttributes(told) => {
                self.end(told.scheduled_event_id, at, Outcome::Done, None);
            }
            Attributes::ActivityTaskFailedEventAttributes(told) => {
                self.end(told.scheduled_event_id, at, Outcome::Failed, told.failure.as_ref());
            }
            Attributes::ActivityTaskTimedOutEventAttributes(told) => {
                self.end(told.scheduled_event_id, at, Outcome::TimedOut, told.failure.as_ref());
            }
            Attributes::ActivityTaskCanceledEventAttributes(told) => {
                self.end(told.scheduled_event_id, at, Outcome::Cancelled, None);
            }
            Attributes::WorkflowExecutionCompletedEventAttributes(told) => {
                self.history.result = first(told.result.as_ref());
            }
            Attributes::WorkflowExecutionFailedEventAttributes(told) => {
                self.history.failure = told.failure.as_ref().map(FailedWith::of);
            }
            Attributes::WorkflowExecutionCancelRequestedEventAttributes(told) => {
                self.history.reason = filled(told.cause);
            }
            Attributes::WorkflowExecutionTerminatedEventAttributes(told) => self.history.reason = filled(told.reason),
            Attributes::WorkflowTaskFailedEventAttributes(told) => {
                let failed_with = undecided(told.cause(), told.failure.as_ref());
                self.undecided(failed_with, at);
            }
            Attributes::WorkflowTaskTimedOutEventAttributes(_) => {
                let message = "the worker that took it did not answer".to_owned();
                self.undecided(FailedWith { kind: None, message }, at);
            }
            Attributes::WorkflowTaskCompletedEventAttributes(_) => {
                (self.history.undecided, self.history.undecided_since) = (None, None);
            }
            other => self.take_of_child(event.event_id, at, other),
        }
    }

    /// A run that this one started is a step too.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of the server's sixty kinds of events these tell what happened"
    )]
    fn take_of_child(&mut self, event_id: i64, at: Option<DateTime<Utc>>, attributes: Attributes) {
        match attributes {
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(told) => {
                let name = told.workflow_type.map(|of| of.name).unwrap_or_default();
                self.begin(event_id, Step::new(name, Some(told.workflow_id), at));
            }
            Attributes::StartChildWorkflowExecutionFailedEventAttributes(told) => {
                self.end(told.initiated_event_id, at, Outcome::Failed, None);
            }
            Attributes::ChildWorkflowExecutionStartedEventAttributes(told) => {
                self.start(told.initiated_event_id, at, 1, None);
            }
            Attributes::ChildWorkflowExecutionCompletedEventAttributes(told) => {
                self.end(told.initiated_event_id, at, Outcome::Done, None);
            }
            Attributes::ChildWorkflowExecutionFailedEventAttributes(told) => {
                self.end(told.initiated_event_id, at, Outcome::Failed, told.failure.as_ref());
            }
            Attributes::ChildWorkflowExecutionCanceledEventAttributes(told) => {
                self.end(told.initiated_event_id, at, Outcome::Cancelled, None);
            }
            Attributes::ChildWorkflowExecutionTimedOutEventAttributes(told) => {
                self.end(told.initiated_event_id, at, Outcome::TimedOut, None);
            }
            Attributes::ChildWorkflowExecutionTerminatedEventAttributes(told) => {
                self.end(told.initiated_event_id, at, Outcome::Cancelled, None);
            }
            _ => {}
        }
    }

    fn undecided(&mut self, failed_with: FailedWith, at: Option<DateTime<Utc>>) {
        self.history.undecided = Some(failed_with);
        self.history.undecided_since = self.history.undecided_since.or(at);
    }

    fn begin(&mut self, event: i64, step: Step) {
        self.steps.insert(event, self.history.steps.len());
        self.history.steps.push(step);
    }

    fn start(&mut self, step: i64, at: Option<DateTime<Utc>>, attempt: i32, before: Option<&Failure>) {
        let Some(step) = self.step(step) else { return };
        step.started_at = at;
        step.tries = attempt;
        step.outcome = Outcome::Running;
        step.last_error = before.map(FailedWith::of);
    }

    fn end(&mut self, step: i64, at: Option<DateTime<Utc>>, outcome: Outcome, failure: Option<&Failure>) {
        let Some(step) = self.step(step) else { return };
        step.ended_at = at;
        step.outcome = outcome;
        if let Some(failure) = failure {
            step.last_error = Some(FailedWith::of(failure));
        }
    }

    fn step(&mut self, event: i64) -> Option<&mut Step> {
        self.history.steps.get_mut(*self.steps.get(&event)?)
    }
}

impl Step {
    fn new(name: String, about: Option<String>, scheduled_at: Option<DateTime<Utc>>) -> Self {
        Self {
            name,
            about,
            tries: 0,
            scheduled_at,
            started_at: None,
            ended_at: None,
            outcome: Outcome::Waiting,
            last_error: None,
            next_try_at: None,
            activity_id: None,
        }
    }
}

/// The cause without what all of them begin with, e.g. `NON_DETERMINISTIC_ERROR`.
fn undecided(cause: WorkflowTaskFailedCause, failure: Option<&Failure>) -> FailedWith {
    let cause = cause.as_str_name().trim_start_matches("WORKFLOW_TASK_FAILED_CAUSE_").to_owned();
    let message = failure.map(|failure| FailedWith::of(failure).message).unwrap_or_default();
    FailedWith { kind: Some(cause), message }
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
