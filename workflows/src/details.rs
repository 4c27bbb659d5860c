//! The markdown that stands on a run's page in the Temporal UI, under User Metadata.

mod batch;

use std::collections::BTreeMap;

use domain::change_license::ChangeLicenseState;
use domain::create_tenant::{CreateTenantState, Step};
use domain::import_customers::{ImportState, Outcome, TenantProgress};
use domain::import_subscription::ImportSubscriptionState;
use domain::reconcile::{DriftKind, ReconcileState};
use domain::sync_subscription::{Handled, SyncSubscriptionState};

pub(crate) use batch::of_batch;

/// Two spaces at a line's end break it in markdown.
const LINE_BREAK: &str = "  \n";

/// What an onboarding is about and where it stands.
pub(crate) fn of(subject: &str, state: &CreateTenantState) -> String {
    let tenant = state.tenant_id.map(|tenant| format!("`{tenant}`"));
    let done: Vec<_> = state.done.iter().map(|step| step.as_str()).collect();
    let mut lines = vec![
        format!("**Tenant** {}", tenant.unwrap_or_else(|| "not fixed yet".to_owned())),
        format!("**Purchase** {}", if subject.is_empty() { "not readable" } else { subject }),
        format!("**Done** {}", if done.is_empty() { "nothing yet".to_owned() } else { done.join(", ") }),
    ];
    lines.extend(state.step.map(|step| format!("**Under way** {}", under_way(step))));
    lines.extend(state.error.as_ref().map(|error| format!("**{}** {}", error.kind, error.message)));
    lines.join(LINE_BREAK)
}

/// What one subscription's import is about and where it stands.
pub(crate) fn of_import(subject: &str, state: &ImportSubscriptionState) -> String {
    let done: Vec<_> = state.done.iter().map(|step| step.as_str()).collect();
    let mut lines = vec![
        format!("**Import** {}", if subject.is_empty() { "not readable" } else { subject }),
        format!("**Done** {}", if done.is_empty() { "nothing yet".to_owned() } else { done.join(", ") }),
    ];
    lines.extend(state.step.map(|step| format!("**Under way** {}", step.as_str())));
    lines.extend(state.error.as_ref().map(|error| format!("**{}** {}", error.kind, error.message)));
    lines.join(LINE_BREAK)
}

/// What a sync is about and where it stands.
pub(crate) fn of_sync(subscription: &str, waiting: usize, state: &SyncSubscriptionState) -> String {
    let tenant = state.tenant_id.map(|tenant| format!("`{tenant}`"));
    let Handled { reads, completed, superseded, parked, settled_before } = state.handled;
    let mut lines = vec![
        format!("**Subscription** {}", if subscription.is_empty() { "not readable" } else { subscription }),
        format!("**Tenant** {}", tenant.unwrap_or_else(|| "not known yet".to_owned())),
        format!("**Reads of Stripe** {reads}"),
        format!(
            "**Events** {completed} completed, {superseded} superseded, {parked} parked, {settled_before} settled \
             before, {waiting} waiting"
        ),
    ];
    lines.extend(state.error.as_ref().map(|error| format!("**{}** {}", error.kind, error.message)));
    lines.join(LINE_BREAK)
}

/// What a reconciliation found, and where it stands.
pub(crate) fn of_reconcile(state: &ReconcileState) -> String {
    let progress = &state.progress;
    let mut lines = vec![
        format!("**Under way** {}", progress.place.words()),
        format!("**Pages of Stripe's lists** {}", state.pages),
        format!("**Drift** {} found, {} repaired", by_kind(&state.drift.found), by_kind(&state.drift.repaired)),
        format!("**Events** {} fed, {} pruned", progress.events_fed, progress.events_pruned),
    ];
    lines.extend(state.error.as_ref().map(|error| format!("**{}** {}", error.kind, error.message)));
    lines.join(LINE_BREAK)
}

/// What an import of customers is about and where it stands.
pub(crate) fn of_customers(subject: &str, state: &ImportState) -> String {
    let TenantProgress { tenants, judged, totals, follow_ups, tagged, read_again } = state.progress;
    let outcomes: Vec<_> = Outcome::ALL.map(|outcome| format!("{} {outcome}", totals.of(outcome))).into();
    let mut lines = vec![
        format!("**Import** {}", if subject.is_empty() { "not readable" } else { subject }),
        format!("**Phase** {}{}", state.phase.as_str(), if state.stopping { ", stopping" } else { "" }),
        format!("**Read** {} pages, {} objects", state.pages, state.rows),
        format!("**Tenants** {judged} of {tenants} judged; {}", outcomes.join(", ")),
        format!("**Follow-ups** {follow_ups} left; {tagged} tagged, {read_again} read once more"),
    ];
    lines.extend(state.error.as_ref().map(|error| format!("**{}** {}", error.kind, error.message)));
    lines.join(LINE_BREAK)
}

/// What a change of licences is about and where it stands.
pub(crate) fn of_license(subject: &str, state: &ChangeLicenseState) -> String {
    let tenant = state.tenant_id.map(|tenant| format!("`{tenant}`"));
    let done: Vec<_> = state.done.iter().map(|step| step.as_str()).collect();
    let decided_on = state.from.map_or_else(|| "not known yet".to_owned(), |from| format!("{from} licences"));
    let mut lines = vec![
        format!("**Tenant** {}", tenant.unwrap_or_else(|| "not readable".to_owned())),
        format!("**Change** {}", if subject.is_empty() { "not readable" } else { subject }),
        format!("**Decided on** {decided_on}"),
        format!("**Done** {}", if done.is_empty() { "nothing yet".to_owned() } else { done.join(", ") }),
    ];
    lines.extend(state.step.map(|step| format!("**Under way** {}", step.as_str())));
    lines.extend(state.error.as_ref().map(|error| format!("**{}** {}", error.kind, error.message)));
    lines.join(LINE_BREAK)
}

fn by_kind(counts: &BTreeMap<DriftKind, u32>) -> String {
    let all: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// The two tags go out side by side, and the state names the first.
fn under_way(step: Step) -> &'static str {
    match step {
        Step::TagSubscription => "tagSubscription, tagCustomer",
        Step::ResolvePurchase
        | Step::CreateTenant
        | Step::InsertStripeCustomer
        | Step::ImportSubscription
        | Step::SetLicensedUserCount
        | Step::TagCustomer => step.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use domain::create_tenant::RunError;
    use domain::failure::FailureKind;

    use super::*;

    #[test]
    fn it_says_what_is_done_what_is_under_way_and_what_went_wrong() {
        let mut state = CreateTenantState { done: vec![Step::ResolvePurchase], ..CreateTenantState::default() };
        state.step = Some(Step::CreateTenant);
        let shown = of("cus_1, 10 licences", &state);
        assert_eq!(
            shown,
            "**Tenant** not fixed yet  \n**Purchase** cus_1, 10 licences  \n**Done** resolvePurchase  \n**Under way** createTenant"
        );
        state.step = None;
        state.error = Some(RunError::new(FailureKind::ConflictError, "correct one of the two"));
        assert!(of("", &state).ends_with("**Done** resolvePurchase  \n**ConflictError** correct one of the two"));
    }

    #[test]
    fn a_change_of_licences_says_what_it_was_decided_on() {
        let state = ChangeLicenseState { from: 10.try_into().ok(), ..ChangeLicenseState::default() };
        assert_eq!(
            of_license("to 15 licences", &state),
            "**Tenant** not readable  \n**Change** to 15 licences  \n**Decided on** 10 licences  \n**Done** nothing yet"
        );
    }

    #[test]
    fn a_sync_says_what_became_of_its_events() {
        let handled = Handled { reads: 2, completed: 3, superseded: 1, ..Handled::default() };
        let state = SyncSubscriptionState { handled, ..SyncSubscriptionState::default() };
        assert_eq!(
            of_sync("sub_1", 4, &state),
            "**Subscription** sub_1  \n**Tenant** not known yet  \n**Reads of Stripe** 2  \n**Events** 3 completed, \
             1 superseded, 0 parked, 0 settled before, 4 waiting"
        );
    }
}
