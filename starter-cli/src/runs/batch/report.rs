//! What became of a batch: how many are where, and a line for each run.

use std::fmt::Write;

use domain::replay_batch::{Counts, ItemOutcome, Outcome, ReplayBatchState, WORKFLOW_ID_PREFIX};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use temporalio_client::Client;

use super::candidates::Skipped;
use super::plan::failed_runs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, Rows};
use crate::run::{Run, STATUSES};
use crate::runs::found::{FoundRun, describe};
use crate::runs::wire::FailedWith;
use crate::screen;
use crate::table::Table;
use crate::temporal::TemporalConfig;

/// Runs that are shown.
const SHOWN: usize = 20;
/// Looked at again at the same time.
const AT_ONCE: usize = 16;

/// What a command did that starts failed runs again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Replayed {
    /// Whether a batch was started.
    pub(crate) started: bool,
    pub(crate) batch: Option<BatchReport>,
    /// The failed runs that no batch starts again.
    pub(crate) skipped: Vec<Skipped>,
}

/// A batch.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BatchReport {
    pub(crate) name: String,
    workflow_id: String,
    run_id: String,
    /// Of the batch itself: `completed` also where some of its runs failed again.
    #[schemars(extend("enum" = STATUSES))]
    status: &'static str,
    operator: Option<String>,
    reason: Option<String>,
    /// Whether it was told to stop.
    stopping: bool,
    stopped_by: Option<String>,
    pub(crate) counts: Counts,
    pub(crate) items: Vec<ItemReport>,
    /// What ended it before its end.
    failure: Option<FailedWith>,
    link: Option<String>,
}

/// What became of one run; also a line of the file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ItemReport {
    workflow_id: String,
    /// The run that had failed.
    failed_run_id: String,
    /// The one that was started in its place.
    run_id: Option<String>,
    /// `not_failed` where it runs or is done already.
    #[schemars(extend("enum" = ["completed", "failed", "not_failed", "running", "not_started"]))]
    outcome: &'static str,
    tenant_id: Option<String>,
    /// Why it failed again.
    failure: Option<FailedWith>,
}

impl From<&ItemOutcome> for ItemReport {
    fn from(item: &ItemOutcome) -> Self {
        let (tenant_id, failure) = match &item.outcome {
            Outcome::Completed { tenant_id } => (tenant_id.map(|tenant| tenant.to_string()), None),
            Outcome::Failed { kind, message } => {
                (None, Some(FailedWith { kind: Some(kind.clone()), message: message.clone() }))
            }
            Outcome::NotStarted | Outcome::Running | Outcome::NotFailed => (None, None),
        };
        Self {
            workflow_id: item.workflow_id.clone(),
            failed_run_id: item.failed_run_id.clone(),
            run_id: item.run_id.clone(),
            outcome: item.outcome.as_str(),
            tenant_id,
            failure,
        }
    }
}

impl ItemReport {
    /// How a run ended that the batch did not wait for, if it has by now.
    fn ended(&mut self, run: &FoundRun) {
        match run.status {
            "completed" => {
                self.outcome = "completed";
                self.tenant_id.clone_from(&run.tenant_id);
            }
            "failed" | "cancelled" | "terminated" | "timed_out" => {
                self.outcome = "failed";
                let message = format!("it {} later; see tenantry runs why {}", run.status, self.workflow_id);
                self.failure = Some(FailedWith { kind: run.failure_kind.clone(), message });
            }
            _ => {}
        }
    }

    fn cells(&self) -> Vec<String> {
        let failure = self.failure.as_ref().map(|one| match &one.kind {
            Some(kind) => format!("{kind}: {}", one.message),
            None => one.message.clone(),
        });
        let tenant = self.tenant_id.as_ref().map(|tenant| format!("tenant {tenant}"));
        let why = match self.outcome {
            "not_failed" => "somebody else was faster and has started it again".to_owned(),
            _ => failure.or(tenant).unwrap_or_default(),
        };
        vec![self.workflow_id.clone(), self.outcome.to_owned(), why]
    }

    /// What a reader looks for first stands first.
    fn rank(&self) -> usize {
        let ranks = ["failed", "running", "not_failed", "completed", "not_started"];
        ranks.iter().position(|rank| *rank == self.outcome).unwrap_or(ranks.len())
    }
}

impl BatchReport {
    /// As a run of it says. Whether runs that it did not wait for have ended by now is looked up.
    pub(crate) async fn new(
        (client, temporal): (&Client, &TemporalConfig),
        run: &Run,
        state: ReplayBatchState,
    ) -> Result<Self, Failure> {
        let mut items: Vec<ItemReport> = state.items.iter().map(ItemReport::from).collect();
        if run.status != "running" {
            let left = items.iter_mut().filter(|item| item.outcome == Outcome::Running.as_str());
            let looked = stream::iter(left).map(|item| async move {
                let found = describe(client, temporal, &item.workflow_id, item.run_id.as_deref()).await?;
                found.iter().for_each(|found| item.ended(&FoundRun::new(found, temporal)));
                Ok(())
            });
            looked.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        let Run { workflow_id, run_id, status, link, .. } = run;
        let said = state.error.map(|error| FailedWith { kind: Some(error.kind), message: error.message });
        Ok(Self {
            name: workflow_id.strip_prefix(WORKFLOW_ID_PREFIX).unwrap_or(workflow_id).to_owned(),
            workflow_id: workflow_id.clone(),
            run_id: run_id.clone(),
            status,
            operator: state.operator.map(String::from),
            reason: state.reason.map(String::from),
            stopping: state.stopping,
            stopped_by: state.stopped_by.map(String::from),
            counts: counts(&items),
            items,
            failure: said,
            link: link.clone(),
        })
    }

    /// All is done, or what is left and what to do about it.
    pub(crate) fn exit(&self) -> Result<Exit, Failure> {
        let Self { name, counts, .. } = self;
        let Counts { items, not_started, running, completed, failed, not_failed } = *counts;
        let (show, resume) = (format!("tenantry runs batch show {name}"), format!("tenantry runs batch resume {name}"));
        if let Some(FailedWith { kind, message }) = &self.failure {
            let message = format!("{}: {}: {message}", self.workflow_id, kind.as_deref().unwrap_or(self.status));
            return Err(Failure::new(Exit::Failed, message, resume));
        }
        let (exit, message, next) = if not_started > 0 {
            (Exit::Failed, format!("{not_started} of {} were not started", failed_runs(items)), resume)
        } else if failed > 0 {
            let first = self.items.iter().find(|item| item.outcome == "failed");
            let why = first.map(|item| format!("tenantry runs why {}", item.workflow_id));
            (Exit::Failed, format!("{failed} of {} failed again", failed_runs(items)), why.unwrap_or(show))
        } else if running > 0 {
            (
                Exit::Failed,
                format!("{running} of {} are not waited for any longer; they go on", failed_runs(items)),
                show,
            )
        } else if completed == 0 && not_failed > 0 {
            let message = format!("somebody else was faster: {} run or are done already", failed_runs(items));
            (Exit::Refused, format!("{message}; nothing was started"), show)
        } else {
            return Ok(Exit::Done);
        };
        Err(Failure::new(exit, message, next))
    }

    fn table(&self) -> String {
        let mut items: Vec<&ItemReport> = self.items.iter().collect();
        items.sort_by_key(|item| item.rank());
        let mut table = Table::new(&["workflow", "outcome", ""]).status(1);
        items.iter().take(SHOWN).for_each(|item| table.push(item.cells()));
        let mut text = table.on(screen::width());
        let more = items.len().saturating_sub(SHOWN);
        if more > 0 {
            let _ = write!(text, "\n\nand {more} more; --output json, or --report FILE, lists each");
        }
        text
    }
}

/// Where a batch stands, for a person: one that was stopped has completed for Temporal.
pub(crate) fn stands(status: &'static str, stopping: bool, counts: &Counts) -> &'static str {
    match (status, stopping) {
        ("running", true) => "running, starts nothing more",
        ("completed", true) if counts.not_started > 0 => "stopped",
        (status, _) => status,
    }
}

/// How many items are where, in a line.
pub(crate) fn in_words(counts: &Counts) -> String {
    let Counts { not_started, running, completed, failed, not_failed, .. } = *counts;
    let all = [
        (completed, "completed"),
        (failed, "failed again"),
        (running, "running"),
        (not_failed, "run or done already"),
        (not_started, "not started"),
    ];
    let some: Vec<String> =
        all.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

fn counts(items: &[ItemReport]) -> Counts {
    let of = |outcome| items.iter().filter(|item| item.outcome == outcome).count();
    Counts {
        items: items.len(),
        not_started: of("not_started"),
        running: of("running"),
        completed: of("completed"),
        failed: of("failed"),
        not_failed: of("not_failed"),
    }
}

impl Report for BatchReport {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("batch", &self.name);
        rows.push_status("status", stands(self.status, self.stopping, &self.counts));
        rows.push_some("operator", self.operator.as_ref());
        rows.push_some("reason", self.reason.as_ref());
        rows.push_some("stopped by", self.stopped_by.as_ref());
        rows.push("runs", in_words(&self.counts));
        rows.push_some("link", self.link.as_ref());
        let rows = rows.on(screen::width());
        if self.items.is_empty() { rows } else { format!("{rows}\n\n{}", self.table()) }
    }
}

impl Report for Replayed {
    fn text(&self) -> String {
        self.batch.as_ref().map_or_else(|| "nothing was started".to_owned(), BatchReport::text)
    }
}

#[cfg(test)]
mod tests {
    use domain::create_tenant::RunError;
    use domain::failure::FailureKind;

    use super::*;
    use crate::snapshot;

    fn report(outcomes: &[Outcome]) -> BatchReport {
        let item = |outcome: &Outcome| ItemOutcome {
            workflow_id: "create-tenant-cus_1".to_owned(),
            failed_run_id: "r1".to_owned(),
            run_id: None,
            outcome: outcome.clone(),
        };
        let items: Vec<ItemReport> = outcomes.iter().map(|outcome| ItemReport::from(&item(outcome))).collect();
        BatchReport {
            name: "monday".to_owned(),
            workflow_id: "replay-batch-monday".to_owned(),
            run_id: "r".to_owned(),
            status: "completed",
            operator: None,
            reason: None,
            stopping: true,
            stopped_by: None,
            counts: counts(&items),
            items,
            failure: None,
            link: None,
        }
    }

    #[test]
    fn the_exit_code_says_whether_all_is_done() {
        let check = |outcomes: &[Outcome], expected: Exit, words: &str| match report(outcomes).exit() {
            Ok(exit) => assert_eq!(exit, expected, "{words}"),
            Err(failure) => {
                assert_eq!(failure.exit(), expected, "{}", failure.message());
                assert!(format!("{} {}", failure.message(), failure.next()).contains(words), "{}", failure.message());
            }
        };
        let completed = Outcome::Completed { tenant_id: None };
        let failed = Outcome::failed(RunError::new(FailureKind::StripeNotFound, "correct it"));
        check(std::slice::from_ref(&completed), Exit::Done, "all");
        check(&[completed.clone(), Outcome::NotFailed], Exit::Done, "one was done by another");
        check(&[Outcome::NotFailed], Exit::Refused, "somebody else was faster");
        check(&[completed.clone(), failed.clone()], Exit::Failed, "runs why create-tenant-cus_1");
        check(&[failed, Outcome::NotStarted], Exit::Failed, "batch resume monday");
        check(&[completed, Outcome::Running], Exit::Failed, "batch show monday");
    }

    #[test]
    fn it_looks_like_this() {
        let completed = Outcome::Completed { tenant_id: "190f0b43-fe35-5e35-ba10-4f73c2b88e4d".parse().ok() };
        let failed = Outcome::failed(RunError::new(FailureKind::StripeNotFound, "sub_1Lost does not exist at Stripe"));
        let batch = report(&[completed, failed, Outcome::NotFailed, Outcome::NotStarted]);
        let batch = BatchReport { operator: Some("ann".to_owned()), reason: Some("ticket 4711".to_owned()), ..batch };
        snapshot::check("runs_batch_show", &batch);
    }

    #[test]
    fn what_was_stopped_is_called_so_only_where_something_is_left() {
        let stands = |status, outcome| stands(status, true, &report(&[outcome]).counts);
        assert_eq!(stands("completed", Outcome::NotStarted), "stopped");
        assert_eq!(stands("completed", Outcome::NotFailed), "completed");
        assert_eq!(stands("running", Outcome::NotStarted), "running, starts nothing more");
        assert_eq!(in_words(&report(&[]).counts), "none");
    }
}
