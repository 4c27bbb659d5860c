//! What goes into `replayBatchWorkflow`, what comes out, and what it says meanwhile.
//!
//! A batch is a list of failed runs that are started again. Their inputs travel in its own input
//! alone: what it answers names ids, kinds of failure and messages, and no person.

mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change_license::Requester;
use crate::create_tenant::RunError;
use crate::ids::TenantId;
use crate::replay::BatchedInput;

pub use words::{BatchName, BatchNameError, Patience, PatienceError, Reason, ReasonError, StartRate, StartRateError};

/// What the workflow id of every batch begins with.
pub const WORKFLOW_ID_PREFIX: &str = "replay-batch-";
/// The most runs that one batch starts again: what became of them travels in one payload.
pub const ITEMS_MAX: usize = 2_000;
/// The most bytes that a batch's input may have; the server takes 2 MiB, see
/// <https://docs.temporal.io/cloud/limits>, and what became of the items needs room too.
pub const INPUT_BYTES_MAX: usize = 1_500_000;

/// Which failed runs to start again, and at whose word. Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayBatchInput {
    /// Who asked for it.
    pub operator: Requester,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// How many to start a second.
    #[serde(default)]
    pub rate: StartRate,
    /// How long the end of each is waited for.
    #[serde(default)]
    pub patience_secs: Patience,
    /// What is still to be started, in this order.
    pub items: Items,
    /// What became of those that earlier runs of the same job began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<ItemOutcome>,
}

impl ReplayBatchInput {
    /// The one line that stands under the run in the Temporal UI.
    pub fn summary(&self) -> String {
        match self.items.0.len() {
            1 => "1 failed run".to_owned(),
            items => format!("{items} failed runs"),
        }
    }
}

/// A failed run that is to be started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// The workflow's id, which the new run has too.
    pub workflow_id: String,
    /// The run that failed.
    pub run_id: String,
    /// What the new run is given.
    pub input: BatchedInput,
}

/// At least one, at most [`ITEMS_MAX`], each workflow id once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Item>", into = "Vec<Item>")]
#[schemars(inline, extend("minItems" = 1, "maxItems" = ITEMS_MAX))]
pub struct Items(Vec<Item>);

impl Items {
    /// Each of them, in the order in which they are started.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.0.iter()
    }
}

impl TryFrom<Vec<Item>> for Items {
    type Error = ItemsError;

    /// An item that is there twice counts once.
    fn try_from(items: Vec<Item>) -> Result<Self, ItemsError> {
        let mut inputs: BTreeMap<String, BatchedInput> = BTreeMap::new();
        let mut once = Vec::with_capacity(items.len());
        for item in items {
            if item.workflow_id.trim().is_empty() {
                return Err(ItemsError::WithoutId);
            }
            match inputs.get(&item.workflow_id) {
                Some(input) if *input == item.input => {}
                Some(_) => return Err(ItemsError::Contradicting),
                None => {
                    inputs.insert(item.workflow_id.clone(), item.input.clone());
                    once.push(item);
                }
            }
        }
        match once.len() {
            0 => Err(ItemsError::None),
            1..=ITEMS_MAX => Ok(Self(once)),
            _ => Err(ItemsError::TooMany),
        }
    }
}

impl From<Items> for Vec<Item> {
    fn from(items: Items) -> Self {
        items.0
    }
}

/// Why a list of runs is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemsError {
    /// There is nothing to do.
    #[error("expected at least one item")]
    None,
    /// One payload has no room for it.
    #[error("expected at most {ITEMS_MAX} items")]
    TooMany,
    /// Nobody could tell what was started.
    #[error("expected a workflow_id in every item")]
    WithoutId,
    /// Which of the inputs counts?
    #[error("expected each workflow_id with one input")]
    Contradicting,
}

/// The signal `stop`: start nothing more. Those that run are waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Who wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Requester>,
}

/// What became of an item so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemOutcome {
    /// The workflow's id.
    pub workflow_id: String,
    /// The run that had failed.
    pub failed_run_id: String,
    /// The run that was started in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl ItemOutcome {
    /// Of an item that waits for its turn.
    pub fn of(item: &Item) -> Self {
        let Item { workflow_id, run_id, .. } = item;
        Self {
            workflow_id: workflow_id.clone(),
            failed_run_id: run_id.clone(),
            run_id: None,
            outcome: Outcome::NotStarted,
        }
    }
}

/// Where an item is, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It waits for its turn, or never got it.
    NotStarted,
    /// The new run was under way when it was last heard of.
    Running,
    /// The new run completed.
    Completed {
        /// Whose it was.
        tenant_id: Option<TenantId>,
    },
    /// The new run failed too, or was ended by a person.
    Failed {
        /// As in `FailureKind`.
        kind: String,
        /// What to do.
        message: String,
    },
    /// The server started nothing: a run of that id is under way, or the last one did not fail.
    NotFailed,
}

/// Of a message; the whole of it stands in the run.
const MESSAGE_LENGTH_MAX: usize = 300;

impl Outcome {
    /// That of a run that failed.
    pub fn failed(error: RunError) -> Self {
        let RunError { kind, message } = error;
        if message.chars().count() <= MESSAGE_LENGTH_MAX {
            return Self::Failed { kind, message };
        }
        let kept: String = message.chars().take(MESSAGE_LENGTH_MAX - 1).collect();
        Self::Failed { kind, message: format!("{kept}…") }
    }

    /// The name on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Running => "running",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::NotFailed => "not_failed",
        }
    }
}

/// How many items are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// All of them.
    pub items: usize,
    /// See [`Outcome::NotStarted`].
    pub not_started: usize,
    /// See [`Outcome::Running`].
    pub running: usize,
    /// See [`Outcome::Completed`].
    pub completed: usize,
    /// See [`Outcome::Failed`].
    pub failed: usize,
    /// See [`Outcome::NotFailed`].
    pub not_failed: usize,
}

impl Counts {
    /// Of these.
    pub fn of(items: &[ItemOutcome]) -> Self {
        let mut counts = Self { items: items.len(), ..Self::default() };
        for item in items {
            *match item.outcome {
                Outcome::NotStarted => &mut counts.not_started,
                Outcome::Running => &mut counts.running,
                Outcome::Completed { .. } => &mut counts.completed,
                Outcome::Failed { .. } => &mut counts.failed,
                Outcome::NotFailed => &mut counts.not_failed,
            } += 1;
        }
        counts
    }

    /// Those that have ended, or were never begun because somebody else was faster.
    pub fn settled(&self) -> usize {
        self.completed + self.failed + self.not_failed
    }
}

/// The answer to the query `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayBatchState {
    /// Who asked for it; none where the input cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Requester>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether it was told to stop.
    #[serde(default)]
    pub stopping: bool,
    /// By whom, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<Requester>,
    /// How many items are where.
    pub counts: Counts,
    /// Each item, in the order in which they are started.
    pub items: Vec<ItemOutcome>,
    /// What ended the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
}

/// What a batch did. It completes also where items failed: each says so itself.
pub type ReplayBatchResult = ReplayBatchState;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::untrusted;
    use serde_json::{Value, json};

    fn item(id: &str, name: &str) -> Value {
        let input = json!({"email": "ann@example.com", "client_name": name, "stripe_customer_id": "cus_1"});
        json!({
            "workflow_id": id,
            "run_id": "r1",
            "input": {"workflow_type": "createTenantWorkflow", "input": input},
        })
    }

    fn parsed(items: Value) -> Result<ReplayBatchInput, String> {
        untrusted::parse(json!({"operator": "ann", "items": items}))
    }

    #[test]
    fn a_plan_has_items_and_each_of_them_once() {
        let check = |items: Value, expected: &str| {
            let error = parsed(items).expect_err(expected);
            assert!(error.starts_with("items: ") && error.contains(expected), "{error}");
        };
        check(json!([]), "at least one");
        check((0..=ITEMS_MAX).map(|n| item(&format!("create-tenant-{n}"), "A")).collect(), "at most 2000");
        check(json!([item(" ", "A")]), "a workflow_id");
        check(json!([item("create-tenant-1", "A"), item("create-tenant-1", "B")]), "with one input");
        let plan =
            parsed(json!([item("create-tenant-1", "A"), item("create-tenant-2", "A"), item("create-tenant-1", "A")]));
        let plan = plan.expect("the same twice is no contradiction");
        assert_eq!(
            plan.items.iter().map(|item| item.workflow_id.as_str()).collect::<Vec<_>>(),
            ["create-tenant-1", "create-tenant-2"]
        );
        assert_eq!(
            (plan.rate.get(), plan.patience_secs.get().as_secs(), plan.summary().as_str()),
            (5, 600, "2 failed runs")
        );
    }

    #[test]
    fn what_no_batch_may_start_again_is_refused() {
        let change = json!({"tenant_id": "190f0b43-fe35-5e35-ba10-4f73c2b88e4d", "quantity": 5});
        let input = json!({"workflow_type": "changeLicenseCountWorkflow", "input": change});
        let error = parsed(json!([{"workflow_id": "w", "run_id": "r", "input": input}])).expect_err("no batch");
        assert!(error.starts_with("items[0].input"), "{error}");
    }

    #[test]
    fn outcomes_are_counted_and_travel() {
        let outcomes = [
            Outcome::NotStarted,
            Outcome::Running,
            Outcome::Completed { tenant_id: None },
            Outcome::failed(RunError { kind: "StripeNotFound".to_owned(), message: "m".repeat(400) }),
            Outcome::NotFailed,
        ];
        let of = |outcome: &Outcome| ItemOutcome {
            workflow_id: "w".to_owned(),
            failed_run_id: "r1".to_owned(),
            run_id: Some("r2".to_owned()),
            outcome: outcome.clone(),
        };
        let items: Vec<_> = outcomes.iter().map(of).collect();
        let counts = Counts::of(&items);
        let one_each = Counts { items: 5, not_started: 1, running: 1, completed: 1, failed: 1, not_failed: 1 };
        assert_eq!((counts, counts.settled()), (one_each, 3));
        for item in items {
            let wire = json!(item);
            assert_eq!(wire["outcome"], item.outcome.as_str());
            assert!(wire["message"].as_str().is_none_or(|message| message.chars().count() == MESSAGE_LENGTH_MAX));
            assert_eq!(serde_json::from_value::<ItemOutcome>(wire).ok(), Some(item));
        }
    }
}
