//! A run's history: what went in, each step with its tries and its end, what came out.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use temporalio_client::{Client, WorkflowExecutionDescription, WorkflowExecutionStatus};

use super::found::{handle, not_answered};
use super::reader::Reader;
use super::stuck::Pending;
use super::wire::FailedWith;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::temporal::TemporalConfig;

/// A run's history.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// What the run was started with; none where that was nothing.
    pub(crate) input: Option<Value>,
    /// In the order in which they were begun.
    pub(crate) steps: Vec<Step>,
    /// What a run that completed answered.
    pub(crate) result: Option<Value>,
    /// What ended a run that failed.
    pub(crate) failure: Option<FailedWith>,
    /// What a person said who cancelled or terminated it.
    pub(crate) reason: Option<String>,
    /// The run that this one goes on from, of the same chain.
    pub(crate) goes_on_from: Option<String>,
    /// Why a worker cannot decide what comes next, since it last could.
    pub(crate) undecided: Option<FailedWith>,
    /// Since when it cannot.
    pub(crate) undecided_since: Option<DateTime<Utc>>,
}

/// One thing that a run had done: a step, or a run of its own.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// What it is about, as in the Temporal UI.
    pub(crate) about: Option<String>,
    /// How many were begun; 0 also where the server does not say.
    pub(crate) tries: i32,
    pub(crate) scheduled_at: Option<DateTime<Utc>>,
    /// When the last try began.
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) outcome: Outcome,
    /// What the last try that failed said.
    pub(crate) last_error: Option<FailedWith>,
    /// When it is tried next, where it waits for that.
    pub(crate) next_try_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(super) activity_id: Option<String>,
}

/// How a step ended, or where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// No worker has taken it yet.
    Waiting,
    /// A worker is at it.
    Running,
    /// A try failed, and another comes.
    Retrying,
    /// It did what it should.
    Done,
    /// For good.
    Failed,
    /// All of its time is over.
    TimedOut,
    /// A person ended the run meanwhile.
    Cancelled,
    /// The run ended before it did.
    Abandoned,
}

/// What a run was started with, from the first page of its history alone.
pub(crate) async fn input(
    client: &Client,
    temporal: &TemporalConfig,
    workflow_id: &str,
    run_id: &str,
) -> Result<Value, Failure> {
    let mut events = handle(client, temporal, workflow_id, Some(run_id)).fetch_history(Default::default());
    let first = events.try_next().await.map_err(|error| not_answered(&error, temporal))?;
    let mut reader = Reader::default();
    first.into_iter().for_each(|event| reader.take(event));
    let none = || Failure::new(Exit::Failed, format!("{workflow_id} was started without an input"), "start it anew");
    reader.history.input.ok_or_else(none)
}

impl History {
    /// Reads all of it. Steps under way stand where the description says.
    pub(crate) async fn read(
        client: &Client,
        temporal: &TemporalConfig,
        described: &WorkflowExecutionDescription,
    ) -> Result<Self, Failure> {
        let handle = handle(client, temporal, described.id(), Some(described.run_id()));
        let events = handle.fetch_history(Default::default()).into_events().await;
        let events = events.map_err(|error| not_answered(&error, temporal))?;
        let mut reader = Reader::default();
        events.into_iter().for_each(|event| reader.take(event));
        let mut history = reader.history;
        history.update(described);
        Ok(history)
    }

    /// Has its steps stand where a newer description says.
    pub(super) fn update(&mut self, described: &WorkflowExecutionDescription) {
        for pending in described.raw().pending_activities.iter().filter_map(Pending::of) {
            let is_it = |step: &&mut Step| step.activity_id.as_ref() == Some(&pending.activity_id);
            if let Some(step) = self.steps.iter_mut().rev().find(is_it) {
                step.stand(pending);
            }
        }
        if described.status() != WorkflowExecutionStatus::Running {
            self.steps.iter_mut().for_each(Step::abandon);
        }
    }
}

impl Step {
    fn stand(&mut self, pending: Pending) {
        if self.ended_at.is_some() {
            // It ended between the two looks.
            return;
        }
        // One that waits for its next try has not begun it.
        self.tries = if pending.is_started { pending.attempt } else { pending.attempt - 1 };
        self.started_at = pending.started_at;
        self.outcome = match (pending.is_started, &pending.last_error) {
            (true, _) => Outcome::Running,
            (false, Some(_)) => Outcome::Retrying,
            (false, None) => Outcome::Waiting,
        };
        self.last_error = pending.last_error;
        self.next_try_at = pending.next_try_at;
    }

    fn abandon(&mut self) {
        if self.ended_at.is_none() {
            self.outcome = Outcome::Abandoned;
        }
    }
}
