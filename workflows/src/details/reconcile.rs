//! The page of a reconciliation.

use std::collections::BTreeMap;

use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use domain::reconcile::{DriftKind, Place, ReconcileInput, ReconcileState};

use super::Page;

/// What a reconciliation found, and where it stands; no `input` where that cannot be read.
pub(crate) fn of(page: Page, input: Option<&ReconcileInput>, state: &ReconcileState) -> String {
    let progress = &state.progress;
    page.fact("Comparison", input.map_or_else(|| "not readable".to_owned(), ReconcileInput::summary))
        .fact("Pages of Stripe's lists", state.pages)
        .fact("Drift", format!("{} found, {} repaired", by_kind(&state.drift.found), by_kind(&state.drift.repaired)))
        .fact("Events", format!("{} fed, {} pruned", progress.events_fed, progress.events_pruned))
        .fact(if state.error.is_some() { "Ended at" } else { "Under way" }, progress.place.words())
        .fact("Next", input.map_or("nothing", |input| next(input, &progress.place)))
        .failed(state.error.as_ref(), input.map(|input| again(input, state.error.as_ref())))
        .markdown()
}

/// As `Place` is ordered. Nothing is repaired unless asked for, and one tenant has no events to walk.
fn next(input: &ReconcileInput, place: &Place) -> &'static str {
    let next = match place {
        Place::Open | Place::Stage => Place::ReadAlone,
        Place::ReadAlone => Place::Subscriptions(None),
        Place::Subscriptions(_) => Place::Counts(None),
        Place::Counts(_) | Place::Weigh if input.apply => Place::Repair,
        Place::Counts(_) | Place::Weigh | Place::Repair if input.tenant_id.is_none() => Place::Events,
        Place::Events => Place::Prune,
        Place::Counts(_) | Place::Weigh | Place::Repair | Place::Prune | Place::Close | Place::Done => Place::Done,
    };
    next.words()
}

/// What would take away too much at once is done on purpose only.
fn again(input: &ReconcileInput, error: Option<&RunError>) -> String {
    let is_refused = error.is_some_and(|error| error.kind == FailureKind::MassFall.as_str());
    let force = if is_refused { " --force" } else { "" };
    let apply = if input.apply { " --apply" } else { "" };
    let tenant = input.tenant_id.map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
    format!("tenantry reconcile{apply}{force}{tenant}")
}

fn by_kind(counts: &BTreeMap<DriftKind, u32>) -> String {
    let all: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "153d82cc-43c3-5ea3-b86e-8e1a04cd8cea";

    fn repair_of(tenant: Option<&str>) -> ReconcileInput {
        let tenant_id = tenant.map(|tenant| tenant.parse().expect("a UUID"));
        ReconcileInput { apply: true, tenant_id, ..ReconcileInput::default() }
    }

    #[test]
    fn what_is_next_depends_on_what_was_asked_for() {
        let (report, repair, one) = (ReconcileInput::default(), repair_of(None), repair_of(Some(TENANT)));
        let check = |input: &ReconcileInput, place: Place, expected: &str| assert_eq!(next(input, &place), expected);
        check(&report, Place::Open, "reading what no list had");
        check(&report, Place::Weigh, "feeding the inbox what it lacks");
        check(&repair, Place::Weigh, "repairing");
        check(&repair, Place::Events, "deleting what is too old");
        check(&one, Place::Repair, "nothing more");
        check(&repair, Place::Done, "nothing more");
    }

    #[test]
    fn it_says_what_was_found_and_how_to_ask_again() {
        let ended = |kind| Some(RunError::new(kind, "look at the findings"));
        let mut state = ReconcileState { error: ended(FailureKind::Exhausted), ..ReconcileState::default() };
        state.drift.found.insert(DriftKind::MissingRow, 2);
        let shown = |state: &ReconcileState| {
            let page = Page::about("default", "reconcile", [None, None, None], "all");
            of(page, Some(&repair_of(Some(TENANT))), state)
        };
        let refused = ReconcileState { error: ended(FailureKind::MassFall), ..state.clone() };
        let forced = format!("\ntenantry reconcile --apply --force --tenant {TENANT}\n```");
        assert!(shown(&refused).contains(&forced), "{}", shown(&refused));
        let shown = shown(&state);
        assert!(shown.contains(&format!("\ntenantry reconcile --apply --tenant {TENANT}\n```")), "{shown}");
        assert!(shown.contains("\n- **Drift** 2 missing_row found, nothing repaired\n"), "{shown}");
    }
}
