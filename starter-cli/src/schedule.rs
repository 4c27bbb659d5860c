//! `tenantry schedule`: has the comparison with Stripe done by itself, by a schedule of Temporal's.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use clap::Subcommand;
use domain::names::bulk_task_queue;
use domain::reconcile::{ReconcileInput, WORKFLOW_ID};
use schemars::JsonSchema;
use serde::Serialize;
use temporalio_client::Client;
use temporalio_client::schedules::{
    CreateScheduleOptions, ScheduleAction, ScheduleDescription, ScheduleError, ScheduleHandle, ScheduleOverlapPolicy,
    ScheduleRecentAction, ScheduleSpec, ScheduleUpdate,
};
use temporalio_client::tonic::Code;
use workflows::Reconcile;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows, time};
use crate::run::{FORGOTTEN, STATUSES, status_of};
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

/// The schedule's own id.
pub(crate) const SCHEDULE_ID: &str = "reconcile";
/// What was missed while Temporal was away is not made up for: the next run sees all of it.
const CATCH_UP: Duration = Duration::from_secs(60);
const SHOWN_MAX: usize = 5;
/// A run of it takes minutes where there are many tenants.
const EVERY_MIN: Duration = Duration::from_secs(60);
const EVERY_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What to do with the schedule.
#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Compare with Stripe again and again; installed twice, the second changes the first
    Install(Install),
    /// Show when it runs next, and how it ran last
    Show,
    /// Compare no more by itself
    Remove,
}

/// How often, and whether to repair.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// How often, 1m to 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = every)]
    every: Duration,
    /// Repair what differs; without it, it is reported in the run's result only
    #[arg(long)]
    apply: bool,
}

fn every(text: &str) -> Result<Duration, &'static str> {
    let every = domain::duration::parse(text).filter(|every| (EVERY_MIN..=EVERY_MAX).contains(every));
    every.ok_or("expected a time from 1m to 7d, such as 30m or 1h")
}

/// Does it, and shows what the schedule is then.
pub(crate) async fn run(command: Schedule, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    match command {
        Schedule::Install(how) => install(&client, &temporal, &how).await?,
        Schedule::Show => {}
        Schedule::Remove => {
            let removed = client.get_schedule_handle(SCHEDULE_ID).delete(Default::default()).await;
            removed.map_err(|error| failed(&temporal, error))?;
            output.print(&Removed { schedule_id: SCHEDULE_ID, removed: true });
            return Ok(Exit::Done);
        }
    }
    let shown = Shown::of(&client, &temporal).await?;
    output.print(&shown);
    Ok(Exit::Done)
}

/// Makes it, then says what making cannot: how late a run may be. Paused until then. The server
/// appends the time to the ids of its runs; each of them has the work done under the id that a run by
/// hand has, so that there is one at a time, whoever started it.
async fn install(client: &Client, temporal: &TemporalConfig, how: &Install) -> Result<(), Failure> {
    let input = ReconcileInput { apply: how.apply, ..ReconcileInput::default() };
    let queue = bulk_task_queue(&temporal.task_queue);
    let action = ScheduleAction::start_workflow(Reconcile::run, input.into(), queue, WORKFLOW_ID);
    let spec = ScheduleSpec::from_interval(how.every);
    let options = CreateScheduleOptions::builder()
        .action(action.clone())
        .spec(spec.clone())
        .overlap_policy(ScheduleOverlapPolicy::Skip)
        .paused(true)
        .build();
    let handle = match client.create_schedule(SCHEDULE_ID, options).await {
        Ok(handle) => handle,
        Err(ScheduleError::Rpc(status)) if status.code() == Code::AlreadyExists => {
            client.get_schedule_handle(SCHEDULE_ID)
        }
        Err(error) => return Err(failed(temporal, error)),
    };
    let update = move |update: &mut ScheduleUpdate| {
        update.set_spec(spec).set_action(action).set_overlap_policy(ScheduleOverlapPolicy::Skip);
        update.set_catchup_window(CATCH_UP).set_paused(false);
    };
    handle.update(update, Default::default()).await.map_err(|error| failed(temporal, error))
}

pub(crate) fn failed(temporal: &TemporalConfig, error: ScheduleError) -> Failure {
    let ScheduleError::Rpc(status) = error else {
        return Failure::new(Exit::Failed, error.to_string(), "run `tenantry doctor`");
    };
    if is_missing(&status) {
        return Failure::new(Exit::NotFound, "there is no schedule", "tenantry schedule install");
    }
    temporal.answered(&status)
}

/// A namespace that is not there answers with the same code.
pub(crate) fn is_missing(status: &temporalio_client::tonic::Status) -> bool {
    status.code() == Code::NotFound && !status.message().to_lowercase().contains("namespace")
}

/// It is gone.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Removed {
    schedule_id: &'static str,
    removed: bool,
}

impl Report for Removed {
    fn text(&self) -> String {
        format!("schedule {} is removed; a run of it that is under way goes on", self.schedule_id)
    }
}

/// The schedule as it is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Shown {
    schedule_id: &'static str,
    workflow_id: &'static str,
    every_secs: Option<u64>,
    apply: bool,
    paused: bool,
    next_runs: Vec<DateTime<Utc>>,
    last_runs: Vec<LastRun>,
}

/// A run that it started.
#[derive(Serialize, JsonSchema)]
struct LastRun {
    at: Option<DateTime<Utc>>,
    run_id: String,
    /// `forgotten` where it is longer ago than Temporal keeps runs.
    #[schemars(extend("enum" = STATUSES.into_iter().chain([FORGOTTEN]).collect::<Vec<_>>()))]
    status: &'static str,
    link: Option<String>,
}

impl Shown {
    async fn of(client: &Client, temporal: &TemporalConfig) -> Result<Self, Failure> {
        let handle: ScheduleHandle<Client> = client.get_schedule_handle(SCHEDULE_ID);
        let found = handle.describe(Default::default()).await.map_err(|error| failed(temporal, error))?;
        let mut last_runs = Vec::new();
        for action in found.recent_actions().iter().rev().take(SHOWN_MAX) {
            last_runs.push(LastRun::of(client, temporal, action).await?);
        }
        Ok(Self {
            schedule_id: SCHEDULE_ID,
            workflow_id: WORKFLOW_ID,
            every_secs: interval(&found).map(|every| every.as_secs()),
            apply: input(&found).await.is_some_and(|input| input.apply),
            paused: found.paused(),
            next_runs: found.future_action_times().into_iter().take(SHOWN_MAX).map(DateTime::from).collect(),
            last_runs,
        })
    }
}

/// How often it runs.
pub(crate) fn interval(found: &ScheduleDescription) -> Option<Duration> {
    let spec = found.raw().schedule.as_ref()?.spec.as_ref()?;
    let every = spec.interval.first()?.interval.as_ref()?;
    u64::try_from(every.seconds).ok().map(Duration::from_secs)
}

async fn input(found: &ScheduleDescription) -> Option<ReconcileInput> {
    let action = found.raw().schedule.as_ref()?.action.as_ref()?.action.as_ref()?;
    let temporalio_common::protos::temporal::api::schedule::v1::schedule_action::Action::StartWorkflow(start) = action;
    serde_json::from_slice(&start.input.as_ref()?.payloads.first()?.data).ok()
}

impl LastRun {
    async fn of(client: &Client, temporal: &TemporalConfig, action: &ScheduleRecentAction) -> Result<Self, Failure> {
        let ScheduleRecentAction { actual_time, workflow_id, run_id, .. } = action;
        let at: Option<SystemTime> = *actual_time;
        Ok(Self {
            at: at.map(DateTime::from),
            status: status_of(client, temporal, workflow_id, run_id).await?,
            link: temporal.link(workflow_id, run_id),
            run_id: run_id.clone(),
        })
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        let every = self.every_secs.map_or_else(|| "by a spec that is not ours".to_owned(), |s| format!("every {s} s"));
        let what = if self.apply { "compares and repairs" } else { "compares" };
        let paused = if self.paused { ", paused" } else { "" };
        rows.push("schedule", format!("{}, {what} {every}{paused}", self.schedule_id));
        for (n, at) in self.next_runs.iter().enumerate() {
            rows.push(if n == 0 { "next" } else { "" }, time(*at));
        }
        for (n, run) in self.last_runs.iter().enumerate() {
            let at = run.at.map(time).unwrap_or_default();
            rows.push(if n == 0 { "last" } else { "" }, format!("{at}  {}  {}", run.status, run.run_id));
        }
        rows.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_neither_without_pause_nor_once_in_a_blue_moon() {
        for (text, expected) in
            [("1h", true), ("1m", true), ("7d", true), ("59s", false), ("8d", false), ("hourly", false)]
        {
            assert_eq!(every(text).is_ok(), expected, "{text}");
        }
    }
}
