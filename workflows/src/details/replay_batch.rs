//! The page of a batch of replays: counts and ids, and no person.

use domain::replay_batch::{Counts, ItemOutcome, Outcome, ReplayBatchState};

use super::Page;

/// How many failed items are named.
const NAMED: usize = 20;

/// What a batch has done and what it still has to do.
pub(crate) fn of(page: Page, state: &ReplayBatchState) -> String {
    let Counts { items, not_started, running, completed, failed, not_failed } = state.counts;
    let batch = format!("{items} failed runs{}", if state.stopping { ", told to stop" } else { "" });
    let started = format!("{completed} completed, {failed} failed again, {running} running");
    let rest = format!("{not_started} to come, {not_failed} that run or are done already");
    let resume = page.resume();
    let page = page.fact("Batch", batch).fact("Started again", started).fact("Not started", rest);
    let page = page.fact("Next", next(state));
    let named = state.items.iter().filter_map(failure).take(NAMED);
    let page = named.fold(page, |page, (id, kind)| page.fact(kind, format!("`{id}`")));
    let page = if failed > NAMED { page.fact("More", format!("{} that failed again", failed - NAMED)) } else { page };
    let command = match (state.stopping && not_started > 0, failed > 0) {
        (true, _) => Some(resume.clone()),
        (false, true) => Some("tenantry runs list --failed".to_owned()),
        (false, false) => None,
    };
    page.suggested(command).failed(state.error.as_ref(), Some(resume)).markdown()
}

/// What happens by itself, or waits for a person.
fn next(state: &ReplayBatchState) -> &'static str {
    let Counts { not_started, running, failed, .. } = state.counts;
    let is_ended = state.stopping || state.error.is_some();
    match (not_started > 0, running > 0, failed > 0) {
        (true, _, _) if is_ended => "the rest is started by a resume",
        (true, _, _) => "starting the rest",
        (false, true, _) => "the end of those that run",
        (false, false, true) => "what failed again has a new reason, for a person",
        (false, false, false) => "nothing",
    }
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
        let mut state = ReplayBatchState { counts: Counts::of(&items), items, ..ReplayBatchState::default() };
        let shown = |state: &ReplayBatchState| {
            of(Page::about("default", "replay-batch-monday", [None, None, None], "those of its runs"), state)
        };
        assert_eq!(
            shown(&state),
            "- **Tenant** those of its runs\n- **Batch** 2 failed runs\n\
             - **Started again** 0 completed, 1 failed again, 0 running\n\
             - **Not started** 1 to come, 0 that run or are done already\n- **Next** starting the rest\n\
             - **StripeNotFound** `create-tenant-cus_2`\n\n```\ntenantry runs list --failed\n```"
        );
        let resume = "\n```\ntenantry runs batch resume replay-batch-monday\n```";
        state.stopping = true;
        assert!(shown(&state).ends_with(resume), "{}", shown(&state));
        state.error = Some(RunError::new(FailureKind::Cancelled, "resume it"));
        assert!(shown(&state).contains("\ntenantry runs batch resume replay-batch-monday\n```"));
    }
}
