//! `tenantry runs show`: one run, its steps, what went in and what came out.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use temporalio_client::{Client, WorkflowExecutionDescription, WorkflowListOptions};

use super::filter::{is, ours};
use super::found::{FoundRun, not_listed};
use super::history::{History, Step};
use super::resolve::Which;
use super::timeline::{self, spell};
use super::wire::FailedWith;
use crate::events::age;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows, time};
use crate::run::{STATUSES, status};
use crate::screen;
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs show create-tenant-cus_QXg1oyoEfW2bZ3
  tenantry runs show create-tenant-cus_QXg
  tenantry runs show create-tenant-cus_QXg1oyoEfW2bZ3 --run 01a20041-fdac-77da-a6da-f7d0748a14ac
  tenantry runs show create-tenant-cus_QXg1oyoEfW2bZ3 --output json

An id may be given by its beginning. The input is what the run was started with, with the names and
addresses that stand in it. Why a run failed, and what to do: tenantry runs why ID";

/// Of the same workflow id, the newest.
const OTHERS_MAX: usize = 20;

/// Which one.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

/// Shows it.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let described = args.which.resolve(&client, &temporal).await?;
    output.print(&Shown::read(&client, &temporal, &described).await?);
    Ok(Exit::Done)
}

/// A run, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(super) run: FoundRun,
    /// What it is about, as in the Temporal UI.
    summary: Option<String>,
    /// What it was started with.
    input: Option<Value>,
    steps: Vec<Step>,
    /// What it answered, if it completed.
    result: Option<Value>,
    /// What ended it, if it failed.
    pub(super) failure: Option<FailedWith>,
    /// What was said by whoever cancelled or terminated it.
    reason: Option<String>,
    /// Older and newer runs of the same workflow id, newest first.
    other_runs: Vec<OtherRun>,
}

/// Another run of the same workflow id.
#[derive(Debug, Serialize, JsonSchema)]
struct OtherRun {
    run_id: String,
    #[schemars(extend("enum" = STATUSES))]
    status: &'static str,
    started_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    link: Option<String>,
}

impl Shown {
    /// As the server has it.
    pub(super) async fn read(
        client: &Client,
        temporal: &TemporalConfig,
        described: &WorkflowExecutionDescription,
    ) -> Result<Self, Failure> {
        let history = History::read(client, temporal, described).await?;
        let History { input, steps, result, failure, reason, undecided_since, .. } = history;
        Ok(Self {
            run: FoundRun::new(described, temporal).since(undecided_since),
            summary: described.static_summary().map(str::to_owned),
            input,
            steps,
            result,
            failure,
            reason,
            other_runs: others(client, temporal, described).await?,
        })
    }
}

async fn others(
    client: &Client,
    temporal: &TemporalConfig,
    this: &WorkflowExecutionDescription,
) -> Result<Vec<OtherRun>, Failure> {
    let query = format!("{} AND {}", ours(&temporal.task_queue), is("WorkflowId", this.id()));
    // One more than is shown: this one is among them.
    let options = WorkflowListOptions::builder().limit(OTHERS_MAX + 1).build();
    let listed = client.list_workflows(query, options).try_collect::<Vec<_>>().await;
    let mut listed = listed.map_err(|error| not_listed(&error, temporal))?;
    listed.sort_by_key(|run| std::cmp::Reverse(run.start_time()));
    let others = listed.iter().filter(|run| run.run_id() != this.run_id()).map(|run| OtherRun {
        run_id: run.run_id().to_owned(),
        status: status(run.status()),
        started_at: run.start_time().map(DateTime::from).unwrap_or_default(),
        closed_at: run.close_time().map(DateTime::from),
        link: temporal.link(run.id(), run.run_id()),
    });
    Ok(others.take(OTHERS_MAX).collect())
}

impl Report for Shown {
    fn text(&self) -> String {
        let width = screen::width();
        let mut above = Rows::default();
        self.push_run(&mut above);
        push_fields(&mut above, "input", self.input.as_ref());
        let steps =
            if self.steps.is_empty() { "no step was begun".to_owned() } else { timeline::table(&self.steps).on(width) };
        let mut below = Rows::default();
        self.push_end(&mut below);
        [above.on(width), steps, below.on(width)].join("\n\n").trim_end().to_owned()
    }
}

impl Shown {
    fn push_run(&self, rows: &mut Rows) {
        let FoundRun { workflow_id, run_id, workflow_type, started_at, .. } = &self.run;
        rows.push("workflow", workflow_id);
        rows.push("run", run_id);
        rows.push_some("", self.run.link.as_ref());
        let summary = self.summary.as_ref().map_or_else(String::new, |summary| format!(", {summary}"));
        rows.push("type", format!("{workflow_type}{summary}"));
        rows.push_status("status", self.stands());
        rows.push("started", format!("{}, {} ago", time(*started_at), age(*started_at)));
        rows.push_some("tenant", self.run.tenant_id.as_ref());
        rows.push_some("customer", self.run.stripe_customer_id.as_ref());
        rows.push_some("subscription", self.run.stripe_subscription_id.as_ref());
    }

    fn stands(&self) -> String {
        let FoundRun { status, started_at, closed_at, stuck, .. } = &self.run;
        match (closed_at, stuck) {
            (Some(closed), _) => format!("{status} after {}, {} ago", spell(*closed - *started_at), age(*closed)),
            (None, Some(stuck)) => format!("{status}, and stuck since {} ({})", time(stuck.since), age(stuck.since)),
            (None, None) => (*status).to_owned(),
        }
    }

    fn push_end(&self, rows: &mut Rows) {
        push_fields(rows, "result", self.result.as_ref());
        rows.push_some("failure", self.failure.as_ref().map(FailedWith::line));
        rows.push_some("reason", self.reason.as_ref());
        if self.run.status != "completed" {
            rows.push("next", format!("tenantry runs why {}", self.named()));
        }
        for other in &self.other_runs {
            let when = if other.started_at < self.run.started_at { "earlier" } else { "later" };
            rows.push(when, format!("run {}, {}, {}", other.run_id, other.status, time(other.started_at)));
            rows.push_some("", other.link.as_ref());
        }
    }

    /// As a command names it.
    fn named(&self) -> String {
        let is_latest = self.other_runs.iter().all(|other| other.started_at <= self.run.started_at);
        let FoundRun { workflow_id, run_id, .. } = &self.run;
        if is_latest { workflow_id.clone() } else { format!("{workflow_id} --run {run_id}") }
    }
}

/// A field to a line. What is empty is not worth one.
fn push_fields(rows: &mut Rows, label: &'static str, value: Option<&Value>) {
    let Some(value) = value else { return };
    let Value::Object(fields) = value else { return rows.push(label, value.to_string()) };
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let told = fields.iter().filter(|(_, value)| !is_empty(value));
    for (n, (name, value)) in told.enumerate() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.push(if n == 0 { label } else { "" }, format!("{name}: {value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::Outcome;
    use crate::snapshot;
    use chrono::TimeDelta;
    use serde_json::json;

    fn step(name: &str, outcome: Outcome, last_error: Option<FailedWith>) -> Step {
        let at = DateTime::from_timestamp(1_795_300_654, 0);
        Step {
            name: name.to_owned(),
            about: Some("cus_QXg1oyoEfW2bZ3".to_owned()),
            tries: 1,
            scheduled_at: at,
            started_at: at,
            ended_at: at.map(|at| at + TimeDelta::milliseconds(42)),
            outcome,
            last_error,
            next_try_at: None,
            activity_id: None,
        }
    }

    #[test]
    fn it_looks_as_before() {
        let failure = || FailedWith {
            kind: Some("ConflictError".to_owned()),
            message: "two tenants claim cus_QXg1oyoEfW2bZ3, and nothing is guessed".to_owned(),
        };
        // An age is told in full hours, and a moment would be another one each time.
        let at = Utc::now() - TimeDelta::hours(2);
        let shown = Shown {
            run: FoundRun {
                workflow_id: "create-tenant-cus_QXg1oyoEfW2bZ3".to_owned(),
                run_id: "01a20041-fdac-77da-a6da-f7d0748a14ac".to_owned(),
                workflow_type: "createTenantWorkflow".to_owned(),
                status: "failed",
                started_at: at,
                closed_at: Some(at),
                failure_kind: failure().kind,
                tenant_id: None,
                stripe_customer_id: Some("cus_QXg1oyoEfW2bZ3".to_owned()),
                stripe_subscription_id: None,
                stuck: None,
                link: None,
            },
            summary: Some("cus_QXg1oyoEfW2bZ3, 10 licences".to_owned()),
            input: Some(json!({"client_name": "Ann & Co", "email": "ann@example.com"})),
            steps: vec![
                step("resolvePurchase", Outcome::Done, None),
                step("createTenant", Outcome::Failed, Some(failure())),
            ],
            result: None,
            failure: Some(failure()),
            reason: None,
            other_runs: Vec::new(),
        };
        let started = time(at);
        snapshot::check_text("runs_show", || shown.text().replace(&started, "2026-11-21T22:37:34Z"));
    }
}
