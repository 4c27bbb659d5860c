//! Is somebody looking for what Stripe never sent?

use chrono::{DateTime, TimeDelta, Utc};
use temporalio_client::Client;
use temporalio_client::schedules::ScheduleError;
use temporalio_client::tonic::IntoRequest;
use temporalio_common::protos::temporal::api::workflowservice::v1::ListWorkflowExecutionsRequest;

use super::check::{Check, in_time};
use crate::output::time;
use crate::schedule::{SCHEDULE_ID, failed, interval};
use crate::temporal::TemporalConfig;

/// Its line in the report.
pub(super) const RECONCILIATION: &str = "reconciliation";
const INSTALL: &str = "tenantry schedule install";
/// The last run that completed, whether the schedule or a person started it.
const COMPLETED: &str =
    "WorkflowId = 'reconcile' AND WorkflowType = 'reconcileWorkflow' AND ExecutionStatus = 'Completed'";

/// Asks for the schedule, and for the last comparison that came to its end.
pub(super) async fn look(client: &Client, config: &TemporalConfig) -> Check {
    let schedule = client.get_schedule_handle(SCHEDULE_ID);
    let found = match in_time(RECONCILIATION, schedule.describe(Default::default())).await {
        Err(red) => return red,
        Ok(Err(ScheduleError::Rpc(status))) if crate::schedule::is_missing(&status) => {
            let found = "there is no schedule: what Stripe never sent is looked for by hand only";
            return Check::warning(RECONCILIATION, found, INSTALL);
        }
        Ok(Err(error)) => return Check::failed(RECONCILIATION, &failed(config, error)),
        Ok(Ok(found)) => found,
    };
    if found.paused() {
        return Check::warning(RECONCILIATION, "its schedule is paused", INSTALL);
    }
    let every = interval(&found).and_then(|every| TimeDelta::from_std(every).ok()).unwrap_or(TimeDelta::hours(1));
    match last_success(client, config).await {
        Err(red) => red,
        Ok(last) => judge(last, found.create_time().map(DateTime::from), every, Utc::now()),
    }
}

/// A run may be under way when the next is due, so one that is missing is no reason to worry yet.
fn judge(last: Option<DateTime<Utc>>, installed: Option<DateTime<Utc>>, every: TimeDelta, now: DateTime<Utc>) -> Check {
    let is_late = last.or(installed).is_none_or(|at| now - at > every * 2);
    let found = match last {
        Some(last) => format!("scheduled; last done at {}", time(last)),
        None => "scheduled; never done so far".to_owned(),
    };
    if is_late {
        return Check::warning(RECONCILIATION, found, "tenantry schedule show; see why its last runs did not complete");
    }
    Check::ok(RECONCILIATION, found)
}

async fn last_success(client: &Client, config: &TemporalConfig) -> Result<Option<DateTime<Utc>>, Check> {
    let request = ListWorkflowExecutionsRequest {
        namespace: config.namespace().to_owned(),
        page_size: 1,
        query: COMPLETED.to_owned(),
        ..Default::default()
    };
    let mut service = client.connection().workflow_service();
    let answer = in_time(RECONCILIATION, service.list_workflow_executions(request.into_request())).await?;
    let answer = answer.map_err(|status| Check::failed(RECONCILIATION, &config.answered(&status)))?.into_inner();
    let closed = answer.executions.first().and_then(|run| run.close_time.as_ref());
    Ok(closed.and_then(|at| DateTime::from_timestamp(at.seconds, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    #[test]
    fn two_missed_runs_are_a_reason_to_look() {
        let now = Utc::now();
        let ago = |minutes| Some(now - TimeDelta::minutes(minutes));
        let check = |last, installed, expected| {
            assert_eq!(judge(last, installed, TimeDelta::hours(1), now).verdict, expected, "{last:?} {installed:?}");
        };
        check(ago(119), ago(900), Verdict::Ok);
        check(ago(121), ago(900), Verdict::Warning);
        check(None, ago(10), Verdict::Ok);
        check(None, ago(121), Verdict::Warning);
    }
}
