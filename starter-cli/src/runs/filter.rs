//! Which runs: the flags that commands about several have in common, and the server's query for them.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::failure::FailureKind;
use domain::ids::{StripeCustomerId, TenantId};
use domain::names::{bulk_task_queue, search_attribute};

use super::found::FoundRun;
use super::workflow_type::WorkflowType;
use crate::since::since;

/// A cancelled run is a person's decision and no failure, so it is not among them.
const FAILED: [&str; 3] = ["Failed", "TimedOut", "Terminated"];
const CANCELLED: &str = "Canceled";
const RUNNING: &str = "Running";

/// Narrows down which runs are meant.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Filter {
    /// Only those that failed, ran out of time or were terminated
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only those that have been at the same step for more than a minute
    #[arg(long)]
    pub(crate) stuck: bool,
    /// Only those of this workflow; give it again for several
    #[arg(long = "type", value_name = "TYPE", value_parser = workflow_type(), hide_possible_values = true)]
    pub(crate) types: Vec<WorkflowType>,
    /// Only those that failed with this, or whose last try did; give it again for several
    #[arg(long = "kind", value_name = "FAILUREKIND", value_parser = failure_kind(), hide_possible_values = true)]
    pub(crate) kinds: Vec<FailureKind>,
    /// Only those of this tenant
    #[arg(long, value_name = "UUID")]
    pub(crate) tenant: Option<TenantId>,
    /// Only those of this customer
    #[arg(long, value_name = "cus_…")]
    pub(crate) customer: Option<StripeCustomerId>,
    /// Only those that run, or ended since then: 90s, 30m, 2h, 7d, or a moment such as 2026-11-22T08:00:00Z
    #[arg(long, value_name = "2h", value_parser = since)]
    pub(crate) since: Option<DateTime<Utc>>,
}

/// One of [`WorkflowType::ALL`], by its name.
pub(crate) fn workflow_type() -> impl TypedValueParser<Value = WorkflowType> {
    let names = PossibleValuesParser::new(WorkflowType::ALL.map(WorkflowType::as_str));
    names.map(|name| WorkflowType::of(&name).unwrap_or_else(|| unreachable!("{name} is one of them")))
}

/// One of [`FailureKind::ALL`], by its name.
pub(crate) fn failure_kind() -> impl TypedValueParser<Value = FailureKind> {
    let names = PossibleValuesParser::new(FailureKind::ALL.map(FailureKind::as_str));
    names.map(|name| kind_of(&name).unwrap_or_else(|| unreachable!("{name} is one of them")))
}

/// The kind of that name; none for one of a newer build.
pub(super) fn kind_of(name: &str) -> Option<FailureKind> {
    FailureKind::ALL.into_iter().find(|kind| kind.as_str() == name)
}

impl Filter {
    /// In the server's words: every run that may fit, and only runs of ours. TEST and LIVE may share
    /// a namespace, and are told apart by their queues. See
    /// <https://docs.temporal.io/list-filter>.
    pub(crate) fn query(&self, task_queue: &str) -> String {
        let types = any_of("WorkflowType", self.types.iter().map(|one| one.as_str()));
        let conditions = [
            Some(ours(task_queue)),
            any_of("ExecutionStatus", self.statuses()),
            types,
            self.of_kinds(),
            self.tenant.map(|tenant| is(search_attribute::TENANT_ID, &tenant.to_string())),
            self.customer.as_ref().map(|customer| is(search_attribute::STRIPE_CUSTOMER_ID, customer.as_str())),
            self.since.map(|since| either(&format!("CloseTime >= {}", quoted(&moment(since))))),
        ];
        conditions.into_iter().flatten().collect::<Vec<_>>().join(" AND ")
    }

    fn statuses(&self) -> impl Iterator<Item = &'static str> {
        let failed = FAILED.into_iter().filter(|_| self.failed);
        let cancelled = (self.failed && self.kinds.contains(&FailureKind::Cancelled)).then_some(CANCELLED);
        failed.chain(cancelled).chain(self.stuck.then_some(RUNNING))
    }

    /// The attribute is set by what ended a run; what a stuck one waits for is seen when it is
    /// described.
    fn of_kinds(&self) -> Option<String> {
        let ended = any_of(search_attribute::FAILURE_KIND, self.kinds.iter().map(|kind| kind.as_str()))?;
        Some(if self.stuck { either(&ended) } else { ended })
    }

    /// Whether the run is meant, as it stands now.
    pub(super) fn fits(&self, run: &FoundRun) -> bool {
        let is_of_type = |one: &WorkflowType| one.as_str() == run.workflow_type;
        let is_of_kind = |kind: &FailureKind| Some(kind.as_str()) == run.failure_kind.as_deref();
        self.fits_standing(run)
            && (self.types.is_empty() || self.types.iter().any(is_of_type))
            && (self.kinds.is_empty() || self.kinds.iter().any(is_of_kind))
            && self.tenant.is_none_or(|tenant| run.tenant_id == Some(tenant.to_string()))
            && self.customer.as_ref().is_none_or(|one| run.stripe_customer_id.as_deref() == Some(one.as_str()))
            && self.since.is_none_or(|since| run.closed_at.is_none_or(|closed| closed >= since))
    }

    fn fits_standing(&self, run: &FoundRun) -> bool {
        let is_failed = match run.status {
            "failed" | "timed_out" | "terminated" => true,
            "cancelled" => self.kinds.contains(&FailureKind::Cancelled),
            _ => false,
        };
        let is_any = !self.failed && !self.stuck;
        is_any || (self.failed && is_failed) || (self.stuck && run.stuck.is_some())
    }
}

/// On one of our two queues.
pub(crate) fn ours(task_queue: &str) -> String {
    format!("TaskQueue IN ({}, {})", quoted(task_queue), quoted(&bulk_task_queue(task_queue)))
}

fn any_of<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Option<String> {
    let values: Vec<String> = values.map(quoted).collect();
    (!values.is_empty()).then(|| format!("{name} IN ({})", values.join(", ")))
}

/// `name` has that value.
pub(crate) fn is(name: &str, value: &str) -> String {
    format!("{name} = {}", quoted(value))
}

fn either(ended: &str) -> String {
    format!("({ended} OR {})", is("ExecutionStatus", RUNNING))
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A text in a query, which has SQL's quotes and, other than SQL, backslashes that escape.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_runs_of_our_queues_alone() {
        let ours = "TaskQueue IN ('q', 'q-bulk')";
        let check = |filter: Filter, expected: &str| assert_eq!(filter.query("q"), format!("{ours}{expected}"));
        check(Filter::default(), "");
        let failed = Filter { failed: true, ..Filter::default() };
        check(failed.clone(), " AND ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')");
        let kinds = vec![FailureKind::Cancelled];
        let cancelled =
            " AND ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated', 'Canceled') AND FailureKind IN ('Cancelled')";
        check(Filter { kinds: kinds.clone(), ..failed }, cancelled);
        let stuck =
            " AND ExecutionStatus IN ('Running') AND (FailureKind IN ('Cancelled') OR ExecutionStatus = 'Running')";
        check(Filter { stuck: true, kinds, ..Filter::default() }, stuck);
        let since = DateTime::from_timestamp(0, 0);
        let since_then = " AND (CloseTime >= '1970-01-01T00:00:00.000Z' OR ExecutionStatus = 'Running')";
        check(Filter { since, ..Filter::default() }, since_then);
    }

    #[test]
    fn what_is_quoted_cannot_end_its_quotes() {
        assert_eq!(quoted("a' OR '1'='1"), "'a\\' OR \\'1\\'=\\'1'");
        assert_eq!(quoted("a\\"), "'a\\\\'");
    }

    #[test]
    fn a_run_that_no_longer_is_what_the_list_said_is_left_out() {
        let failed = Filter { failed: true, ..Filter::default() };
        let of = |status| FoundRun::of_test("id", "createTenantWorkflow", status);
        for (status, fits) in [
            ("failed", true),
            ("timed_out", true),
            ("terminated", true),
            ("completed", false),
            ("running", false),
            ("cancelled", false),
        ] {
            assert_eq!(failed.fits(&of(status)), fits, "{status}");
        }
        let cancelled = FoundRun { failure_kind: Some("Cancelled".to_owned()), ..of("cancelled") };
        assert!(Filter { kinds: vec![FailureKind::Cancelled], ..failed }.fits(&cancelled));
        let of_type = Filter { types: vec![WorkflowType::Reconcile], ..Filter::default() };
        assert!(!of_type.fits(&of("failed")));
    }
}
