//! The details of a batch of replays: counts and ids, and no person.

use domain::replay_batch::{Counts, ItemOutcome, Outcome, ReplayBatchState};

use super::LINE_BREAK;

/// How many failed items are named.
const NAMED: usize = 20;

/// What a batch has done and what it still has to do.
pub(crate) fn of_batch(state: &ReplayBatchState) -> String {
    let Counts { items, not_started, running, completed, failed, not_failed } = state.counts;
    let mut lines = vec![
        format!("**Batch** {items} failed runs{}", if state.stopping { ", told to stop" } else { "" }),
        format!("**Started again** {completed} completed, {failed} failed again, {running} running"),
        format!("**Not started** {not_started} to come, {not_failed} that run or are done already"),
    ];
    let failed = state.items.iter().filter_map(failure);
    lines.extend(failed.take(NAMED).map(|(id, kind)| format!("**{kind}** `{id}`")));
    lines.extend(state.error.as_ref().map(|error| format!("**{}** {}", error.kind, error.message)));
    lines.join(LINE_BREAK)
}

/// The id and the kind of one that failed again.
fn failure(item: &ItemOutcome) -> Option<(&str, &str)> {
    match &item.outcome {
        Outcome::Failed { kind, .. } => Some((&item.workflow_id, kind)),
        Outcome::NotStarted | Outcome::Running | Outcome::Completed { .. } | Outcome::NotFailed => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::create_tenant::RunError;
    use domain::failure::FailureKind;

    use super::*;

    #[test]
    fn a_batch_says_how_many_are_where_and_which_failed_again() {
        let item = |id: &str, outcome| ItemOutcome {
            workflow_id: id.to_owned(),
            failed_run_id: "r1".to_owned(),
            run_id: None,
            outcome,
        };
        let failed = Outcome::failed(RunError::new(FailureKind::StripeNotFound, "correct it"));
        let items = vec![item("create-tenant-cus_1", Outcome::NotStarted), item("create-tenant-cus_2", failed)];
        let state = ReplayBatchState { counts: Counts::of(&items), items, ..ReplayBatchState::default() };
        assert_eq!(
            of_batch(&state),
            "**Batch** 2 failed runs  \n**Started again** 0 completed, 1 failed again, 0 running  \n**Not started** 1 \
             to come, 0 that run or are done already  \n**StripeNotFound** `create-tenant-cus_2`"
        );
    }
}
