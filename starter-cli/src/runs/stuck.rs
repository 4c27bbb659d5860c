//! Which run goes nowhere: one that has been at the same step for more than a minute.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use temporalio_common::protos::temporal::api::enums::v1::PendingActivityState;
use temporalio_common::protos::temporal::api::workflow::v1::{PendingActivityInfo, PendingWorkflowTaskInfo};
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeWorkflowExecutionResponse;

use super::wire::{FailedWith, length, moment};

/// Longer than any try of a step takes, so that one which goes well the first time is never listed.
const STUCK_AFTER: TimeDelta = TimeDelta::minutes(1);
/// What a run waits for where no step is under way: a worker that decides what comes next.
pub(crate) const WORKFLOW_TASK: &str = "workflow task";

/// What a run does not get past.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Stuck {
    /// The step, or `workflow task` where a worker has to decide what comes next and none does.
    pub(crate) activity: String,
    /// Which try this is.
    pub(crate) attempt: i32,
    /// When it was first tried.
    pub(crate) since: DateTime<Utc>,
    pub(crate) last_error: Option<String>,
    /// None where a try is under way or could begin at once.
    pub(crate) next_try_at: Option<DateTime<Utc>>,
    /// The type of the last error.
    #[serde(skip)]
    pub(super) kind: Option<String>,
}

/// A step that is under way, as the server describes it.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) activity_id: String,
    pub(super) activity: String,
    pub(super) attempt: i32,
    pub(super) since: DateTime<Utc>,
    /// Whether a worker is at it now.
    pub(super) is_started: bool,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) last_error: Option<FailedWith>,
    pub(super) next_try_at: Option<DateTime<Utc>>,
}

impl Stuck {
    /// What the run does not get past; none where it does, or where it has ended.
    pub(super) fn of(described: &DescribeWorkflowExecutionResponse, now: DateTime<Utc>) -> Option<Self> {
        let steps = described.pending_activities.iter().filter_map(Pending::of);
        let oldest = steps.filter(|step| now - step.since > STUCK_AFTER).min_by_key(|step| step.since);
        oldest.map(Self::at).or_else(|| Self::undecided(described.pending_workflow_task.as_ref()?, now))
    }

    fn at(step: Pending) -> Self {
        let Pending { activity, attempt, since, last_error, next_try_at, .. } = step;
        let (kind, last_error) = last_error.map_or((None, None), |error| (error.kind, Some(error.message)));
        Self { activity, attempt, since, last_error, next_try_at, kind }
    }

    /// A first try is given a minute; a second one says that the first went wrong.
    fn undecided(task: &PendingWorkflowTaskInfo, now: DateTime<Utc>) -> Option<Self> {
        let scheduled_at = moment(task.scheduled_time)?;
        let since = moment(task.original_scheduled_time).unwrap_or(scheduled_at);
        (task.attempt > 1 || now - since > STUCK_AFTER).then(|| Self {
            activity: WORKFLOW_TASK.to_owned(),
            attempt: task.attempt,
            since,
            last_error: None,
            next_try_at: Some(scheduled_at).filter(|at| *at > now),
            kind: None,
        })
    }
}

impl Pending {
    /// None where the server says too little.
    pub(super) fn of(step: &PendingActivityInfo) -> Option<Self> {
        Some(Self {
            activity_id: step.activity_id.clone(),
            activity: step.activity_type.as_ref()?.name.clone(),
            attempt: step.attempt,
            since: first_scheduled(step)?,
            is_started: matches!(
                step.state(),
                PendingActivityState::Started
                    | PendingActivityState::CancelRequested
                    | PendingActivityState::PauseRequested
            ),
            started_at: moment(step.last_started_time),
            last_error: step.last_failure.as_ref().map(FailedWith::of),
            next_try_at: moment(step.next_attempt_schedule_time),
        })
    }
}

/// The server says when this try was scheduled, and when all of them end: that is so long after the
/// first as the step's options say.
fn first_scheduled(step: &PendingActivityInfo) -> Option<DateTime<Utc>> {
    let this_try = moment(step.scheduled_time);
    let all_tries = step.activity_options.as_ref().and_then(|options| length(options.schedule_to_close_timeout));
    let ends_at = moment(step.expiration_time);
    let first = ends_at.zip(all_tries).map(|(ends_at, all_tries)| ends_at - all_tries);
    first.or(this_try)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use temporalio_common::protos::temporal::api::activity::v1::ActivityOptions;
    use temporalio_common::protos::temporal::api::common::v1::ActivityType;

    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// A step that was first tried so many seconds ago; its present try began just now.
    fn step(name: &str, secs_ago: u64) -> PendingActivityInfo {
        let now = SystemTime::now();
        let first = now - Duration::from_secs(secs_ago);
        PendingActivityInfo {
            activity_type: Some(ActivityType { name: name.to_owned() }),
            attempt: 3,
            scheduled_time: Some(now.into()),
            expiration_time: Some((first + WEEK).into()),
            activity_options: Some(ActivityOptions {
                schedule_to_close_timeout: WEEK.try_into().ok(),
                ..ActivityOptions::default()
            }),
            ..PendingActivityInfo::default()
        }
    }

    fn check(steps: &[(&str, u64)], task: Option<(i32, u64)>, expected: Option<&str>) {
        let task = task.map(|(attempt, secs_ago)| PendingWorkflowTaskInfo {
            attempt,
            scheduled_time: Some((SystemTime::now() - Duration::from_secs(secs_ago)).into()),
            ..PendingWorkflowTaskInfo::default()
        });
        let described = DescribeWorkflowExecutionResponse {
            pending_activities: steps.iter().map(|(name, secs_ago)| step(name, *secs_ago)).collect(),
            pending_workflow_task: task,
            ..DescribeWorkflowExecutionResponse::default()
        };
        let found = Stuck::of(&described, Utc::now()).map(|stuck| stuck.activity);
        assert_eq!(found.as_deref(), expected, "{steps:?} {task:?}", task = described.pending_workflow_task);
    }

    #[test]
    fn a_step_is_stuck_a_minute_after_its_first_try() {
        check(&[], None, None);
        check(&[("tagCustomer", 50)], None, None);
        check(&[("tagCustomer", 70)], None, Some("tagCustomer"));
        check(&[("tagCustomer", 70), ("tagSubscription", 90)], None, Some("tagSubscription"));
    }

    #[test]
    fn a_run_that_no_worker_decides_is_stuck_at_the_second_try() {
        check(&[], Some((1, 0)), None);
        check(&[], Some((1, 70)), Some(WORKFLOW_TASK));
        check(&[], Some((2, 0)), Some(WORKFLOW_TASK));
        check(&[("tagCustomer", 70)], Some((2, 0)), Some("tagCustomer"));
    }
}
