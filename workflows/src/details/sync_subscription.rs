//! The page of a subscription's sync.

use domain::sync_subscription::{Handled, SyncSubscriptionState};

use super::Page;

/// What a sync is about and where it stands. What is asked for again is its events, not the run.
pub(crate) fn of(page: Page, waiting: usize, state: &SyncSubscriptionState) -> String {
    let Handled { reads, completed, superseded, parked, settled_before } = state.handled;
    let replay = "tenantry events replay --status failed";
    let mend = page.subscription().map(|subscription| format!("{replay} --subscription {subscription}"));
    page.fact("Reads of Stripe", reads)
        .fact(
            "Events",
            format!(
                "{completed} completed, {superseded} superseded, {parked} parked, {settled_before} settled before, \
                 {waiting} waiting"
            ),
        )
        .fact("Next", if waiting == 0 { "nothing" } else { "one read of Stripe for all that wait" })
        .failed(state.error.as_ref(), mend)
        .markdown()
}

#[cfg(test)]
mod tests {
    use domain::create_tenant::RunError;
    use domain::failure::FailureKind;

    use super::*;

    fn page() -> Page {
        Page::about("default", "sync-subscription-sub_1", [None, None, Some("sub_1".to_owned())], "not known yet")
    }

    #[test]
    fn it_says_what_became_of_its_events() {
        let handled = Handled { reads: 2, completed: 3, superseded: 1, ..Handled::default() };
        let state = SyncSubscriptionState { handled, ..SyncSubscriptionState::default() };
        let shown = of(page(), 4, &state);
        let expected = "\n- **Reads of Stripe** 2\n- **Events** 3 completed, 1 superseded, 0 parked, 0 settled before, \
                        4 waiting\n- **Next** one read of Stripe for all that wait";
        assert!(shown.starts_with("- **Tenant** not known yet\n- **Subscription** [`sub_1`]("), "{shown}");
        assert!(shown.ends_with(expected), "{shown}");
    }

    #[test]
    fn its_failure_is_mended_by_its_events() {
        let error = Some(RunError::new(FailureKind::StripeNotFound, "correct it"));
        let shown = of(page(), 0, &SyncSubscriptionState { error, ..SyncSubscriptionState::default() });
        assert!(shown.contains("\ntenantry events replay --status failed --subscription sub_1\n```"), "{shown}");
    }
}
