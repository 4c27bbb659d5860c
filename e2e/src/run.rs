//! A workflow run, seen through the official `temporal` CLI.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use stack::{Temporal, deadline};

/// One workflow id; the latest run of it unless a run id is fixed.
#[derive(Clone, Debug)]
pub struct Run {
    temporal: &'static Temporal,
    /// The workflow's id.
    pub workflow_id: String,
    /// The run's id, if it is about that one alone.
    pub run_id: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// With this result.
    Completed(Value),
    /// With this failure type and message.
    Failed(String, String),
    /// By cancellation.
    Cancelled,
}

impl Run {
    pub(crate) fn new(temporal: &'static Temporal, workflow_id: &str, run_id: Option<String>) -> Self {
        Self { temporal, workflow_id: workflow_id.to_owned(), run_id }
    }

    /// Waits for the end, in one call that the server answers when it comes; `limit` is generous,
    /// since nothing is gained by failing early.
    pub fn ending(&self, limit: Duration) -> Result<Ending> {
        let timeout = format!("{}s", limit.as_secs());
        // It exits 1 for a run that failed, and where the server was slow to answer; so how it ended
        // is asked afterwards.
        deadline::poll(&format!("{} to end", self.workflow_id), limit, || {
            self.command(&["workflow", "result", "--command-timeout", &timeout, "--output", "json"]).output()?;
            self.ended()
        })
    }

    /// The result, or an error that shows the failure.
    pub fn result(&self) -> Result<Value> {
        let ending = self.ending(Duration::from_secs(150))?;
        let Ending::Completed(result) = ending else { bail!("{} did not complete: {ending:?}", self.workflow_id) };
        Ok(result)
    }

    /// Failure type and message, or an error that shows the result.
    pub fn failure(&self) -> Result<(String, String)> {
        let ending = self.ending(Duration::from_secs(60))?;
        let Ending::Failed(kind, message) = ending else { bail!("{} did not fail: {ending:?}", self.workflow_id) };
        Ok((kind, message))
    }

    /// What `temporal workflow describe` says.
    pub fn describe(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.cli(&["workflow", "describe", "--output", "json"])?)?)
    }

    /// A search attribute of the run, or the empty text.
    pub fn search_attribute(&self, name: &str) -> Result<String> {
        let described = self.describe()?;
        let attribute = &described["workflowExecutionInfo"]["searchAttributes"]["indexedFields"][name];
        Ok(payload(attribute).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default())
    }

    /// The events of its history.
    pub fn events(&self) -> Result<Vec<Value>> {
        let mut history: Value = serde_json::from_str(&self.history()?)?;
        let Value::Array(events) = history["events"].take() else { bail!("{} has no history", self.workflow_id) };
        Ok(events)
    }

    /// Its history as the server has it, payloads in base64.
    pub fn history(&self) -> Result<String> {
        self.cli(&["workflow", "show", "--output", "json"])
    }

    /// Everything readable in its history: the JSON itself and every payload decoded.
    pub fn readable_history(&self) -> Result<String> {
        let history: Value = serde_json::from_str(&self.history()?)?;
        let mut text = history.to_string();
        collect_payloads(&history, &mut text);
        Ok(text)
    }

    /// What its steps say in the Temporal UI beside their names, in the order in which they were begun.
    pub fn summaries(&self) -> Result<Vec<String>> {
        let events = self.events()?;
        let begun = events.iter().filter(|event| event["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED");
        let summaries = begun.map(|event| payload(&event["userMetadata"]["summary"]).unwrap_or_default());
        Ok(summaries.map(|summary| summary.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// The task queues on which its steps were put, each once.
    pub fn queues(&self) -> Result<Vec<String>> {
        let events = self.events()?;
        let begun = events.iter().map(|event| &event["activityTaskScheduledEventAttributes"]["taskQueue"]["name"]);
        let names: BTreeSet<_> = begun.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        Ok(names.into_iter().collect())
    }

    /// How many events of a type its history has.
    pub fn count_events(&self, kind: &str) -> Result<usize> {
        Ok(self.events()?.iter().filter(|event| event["eventType"] == kind).count())
    }

    /// Name and attempt of the steps under way.
    pub fn under_way(&self) -> Result<Vec<(String, i64)>> {
        let described = self.describe()?;
        let pending = described["pendingActivities"].as_array().cloned().unwrap_or_default();
        let name = |step: &Value| step["activityType"]["name"].as_str().unwrap_or_default().to_owned();
        Ok(pending.iter().map(|step| (name(step), step["attempt"].as_i64().unwrap_or(1))).collect())
    }

    /// How many attempts the step took that is done.
    pub fn attempts(&self, step: &str) -> Result<i64> {
        let events = self.events()?;
        let attributes = |kind: &str, name: &'static str| {
            let of_kind = events.iter().filter(move |event| event["eventType"] == kind).map(move |event| &event[name]);
            of_kind.map(|a| (a["scheduledEventId"].clone(), a.clone())).collect::<Vec<_>>()
        };
        let scheduled =
            events.iter().find(|event| event["activityTaskScheduledEventAttributes"]["activityType"]["name"] == step);
        let id = &scheduled.with_context(|| format!("{step} was not scheduled"))?["eventId"];
        let started = attributes("EVENT_TYPE_ACTIVITY_TASK_STARTED", "activityTaskStartedEventAttributes");
        let (_, started) = started.into_iter().find(|(of, _)| of == id).context("the step did not start")?;
        started["attempt"].as_i64().context("no attempt")
    }

    /// The answer to the query `state`.
    pub fn state(&self) -> Result<Value> {
        let answer: Value =
            serde_json::from_str(&self.cli(&["workflow", "query", "--type", "state", "--output", "json"])?)?;
        Ok(answer["queryResult"].get(0).cloned().unwrap_or_else(|| answer["queryResult"].clone()))
    }

    /// Waits until the step under way has been tried that often.
    pub fn wait_for_attempt(&self, attempt: i64) -> Result<()> {
        let (limit, pause) = (Duration::from_secs(60), Duration::from_millis(200));
        deadline::poll_every(&format!("attempt {attempt}"), limit, pause, || {
            let described = self.describe()?;
            let pending = &described["pendingActivities"][0]["attempt"];
            Ok((pending.as_i64() >= Some(attempt)).then_some(()))
        })
    }

    /// The markdown that its page in the UI shows.
    pub fn details(&self) -> Result<String> {
        let metadata: Value = serde_json::from_str(&self.cli(&["workflow", "metadata", "--output", "json"])?)?;
        Ok(metadata["queryResult"][0]["currentDetails"].as_str().unwrap_or_default().to_owned())
    }

    /// Cuts the seven days of the step under way down to the few seconds that it already took.
    pub fn end_the_week_of_the_step(&self) -> Result<()> {
        let id =
            self.describe()?["pendingActivities"][0]["activityId"].as_str().context("no step is under way")?.to_owned();
        self.cli(&["activity", "update-options", "--activity-id", &id, "--schedule-to-close-timeout", "3s"]).map(drop)
    }

    /// Has the server give up the attempt of a worker that is gone, instead of waiting for its end.
    /// Later ones of the step have no more time than that either.
    pub fn give_up_the_attempt(&self) -> Result<()> {
        self.limit_the_attempt("3s")
    }

    /// Has the server wait longer for the attempt of the step that is held. The worker gives it up
    /// five seconds after the step's own limit all the same.
    pub fn keep_the_attempt(&self) -> Result<()> {
        self.limit_the_attempt("20s")
    }

    fn limit_the_attempt(&self, limit: &str) -> Result<()> {
        let pending = self.describe()?["pendingActivities"].clone();
        for step in pending.as_array().into_iter().flatten() {
            let id = step["activityId"].as_str().context("a step without an id")?;
            self.cli(&["activity", "update-options", "--activity-id", id, "--start-to-close-timeout", limit])?;
        }
        Ok(())
    }

    /// Ends it without asking it.
    pub fn terminate(&self) -> Result<()> {
        self.cli(&["workflow", "terminate", "--reason", "a test"]).map(drop)
    }

    /// Asks it to stop.
    pub fn cancel(&self) -> Result<()> {
        self.cli(&["workflow", "cancel"]).map(drop)
    }

    fn ended(&self) -> Result<Option<Ending>> {
        let described = self.describe()?;
        let close = &described["closeEvent"];
        match described["workflowExecutionInfo"]["status"].as_str().context("a run without a status")? {
            "WORKFLOW_EXECUTION_STATUS_RUNNING" => Ok(None),
            "WORKFLOW_EXECUTION_STATUS_COMPLETED" => Ok(Some(Ending::Completed(described["result"].clone()))),
            "WORKFLOW_EXECUTION_STATUS_CANCELED" => Ok(Some(Ending::Cancelled)),
            "WORKFLOW_EXECUTION_STATUS_FAILED" => {
                let failure = &close["workflowExecutionFailedEventAttributes"]["failure"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                Ok(Some(Ending::Failed(text(&failure["applicationFailureInfo"]["type"]), text(&failure["message"]))))
            }
            other => bail!("{} ended as {other}", self.workflow_id),
        }
    }

    fn cli(&self, args: &[&str]) -> Result<String> {
        stack::command::stdout(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut args = args.to_vec();
        args.extend(["--workflow-id", &self.workflow_id]);
        if let Some(run_id) = &self.run_id {
            args.extend(["--run-id", run_id]);
        }
        self.temporal.cli_command(&args)
    }
}

/// The JSON in a payload.
fn payload(payload: &Value) -> Option<Value> {
    serde_json::from_slice(&STANDARD.decode(payload["data"].as_str()?).ok()?).ok()
}

fn collect_payloads(value: &Value, text: &mut String) {
    if let Some(decoded) = value["data"].as_str().and_then(|data| STANDARD.decode(data).ok()) {
        text.push_str(&String::from_utf8_lossy(&decoded));
    }
    let children: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    children.into_iter().for_each(|child| collect_payloads(child, text));
}
