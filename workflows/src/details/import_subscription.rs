//! The page of one subscription's import.

use domain::import_subscription::{ImportStep, ImportSubscriptionState};

use super::Page;

/// What one subscription's import is about and where it stands.
pub(crate) fn of(page: Page, state: &ImportSubscriptionState) -> String {
    let done: Vec<_> = state.done.iter().map(|step| step.as_str()).collect();
    let is_ahead = |step: &ImportStep| !state.done.contains(step) && state.step != Some(*step);
    let next: Vec<_> = ImportStep::ALL.into_iter().filter(is_ahead).map(ImportStep::as_str).collect();
    let replay = page.replay(state.error.as_ref());
    page.steps(&done, state.step.map(ImportStep::as_str), &next).failed(state.error.as_ref(), Some(replay)).markdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_done_what_is_under_way_and_what_is_next() {
        let page = Page::about("default", "import-subscription-sub_1", [None, None, None], "not readable");
        let (done, step) = (vec![ImportStep::ResolveImport], Some(ImportStep::ImportSubscription));
        assert_eq!(
            of(page, &ImportSubscriptionState { done, step, error: None }),
            "- **Tenant** not readable\n- **Done** resolveImport\n- **Under way** importSubscription\n\
             - **Next** settleImport, tagSubscription"
        );
    }
}
