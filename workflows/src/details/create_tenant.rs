//! The page of an onboarding.

use domain::create_tenant::{CreateTenantState, Step};

use super::Page;

/// What an onboarding is about and where it stands. `purchase` is its input in a line, or empty where
/// that cannot be read.
pub(crate) fn of(page: Page, purchase: &str, state: &CreateTenantState) -> String {
    let done: Vec<_> = state.done.iter().map(|step| step.as_str()).collect();
    let (next, replay) = (next(&page, state), page.replay(state.error.as_ref()));
    page.fact("Purchase", if purchase.is_empty() { "not readable" } else { purchase })
        .steps(&done, state.step.map(under_way), &next)
        .failed(state.error.as_ref(), Some(replay))
        .markdown()
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

/// What customer and subscription need is known once the purchase was looked at.
fn next(page: &Page, state: &CreateTenantState) -> Vec<&'static str> {
    let is_looked_at = state.done.contains(&Step::ResolvePurchase);
    let is_needed = |step: &Step| match step {
        Step::ResolvePurchase | Step::CreateTenant => true,
        Step::SetLicensedUserCount => is_looked_at,
        Step::InsertStripeCustomer | Step::TagCustomer => is_looked_at && page.customer().is_some(),
        Step::ImportSubscription | Step::TagSubscription => is_looked_at && page.subscription().is_some(),
    };
    let is_under_way = |step: &Step| state.step.is_some_and(|now| under_way(now).contains(step.as_str()));
    let is_ahead = |step: &Step| is_needed(step) && !state.done.contains(step) && !is_under_way(step);
    let steps = Step::ALL.into_iter().filter(is_ahead).map(Step::as_str);
    steps.chain((!is_looked_at).then_some("what the purchase needs")).collect()
}

#[cfg(test)]
mod tests {
    use domain::create_tenant::RunError;
    use domain::failure::FailureKind;

    use super::*;

    fn shown(state: &CreateTenantState) -> String {
        let known = [None, Some("cus_1".to_owned()), Some("sub_1".to_owned())];
        let page = Page::about("default", "create-tenant-cus_1", known, "not fixed yet");
        of(page, "cus_1, 10 licences", state)
    }

    #[test]
    fn it_says_what_is_done_what_is_under_way_and_what_is_next() {
        let check = |done: &[Step], step: Option<Step>, expected: &str| {
            let shown = shown(&CreateTenantState { done: done.to_vec(), step, ..CreateTenantState::default() });
            assert!(shown.starts_with("- **Tenant** not fixed yet\n- **Customer** [`cus_1`]("), "{shown}");
            assert!(shown.ends_with(&format!("\n- **Purchase** cus_1, 10 licences\n{expected}")), "{shown}");
        };
        check(
            &[],
            Some(Step::ResolvePurchase),
            "- **Done** nothing yet\n- **Under way** resolvePurchase\n- **Next** createTenant, what the purchase needs",
        );
        check(
            &Step::ALL[..4],
            Some(Step::SetLicensedUserCount),
            "- **Done** resolvePurchase, createTenant, insertStripeCustomer, importSubscription\n\
             - **Under way** setLicensedUserCount\n- **Next** tagSubscription, tagCustomer",
        );
        check(
            &Step::ALL[..5],
            Some(Step::TagSubscription),
            "- **Done** resolvePurchase, createTenant, insertStripeCustomer, importSubscription, setLicensedUserCount\n\
             - **Under way** tagSubscription, tagCustomer\n- **Next** nothing",
        );
    }

    #[test]
    fn what_the_purchase_lacks_is_not_next() {
        let page = Page::about("default", "create-tenant-1", [None, None, None], "not fixed yet");
        let state = CreateTenantState { done: vec![Step::ResolvePurchase], ..CreateTenantState::default() };
        assert_eq!(next(&page, &state), ["createTenant", "setLicensedUserCount"]);
    }

    #[test]
    fn a_failure_names_the_command_that_goes_on() {
        let error = Some(RunError::new(FailureKind::ConflictError, "correct one of the two"));
        let state = CreateTenantState { error, ..CreateTenantState::default() };
        let shown = shown(&state);
        assert!(
            shown.starts_with("**ConflictError** correct one of the two\n\n```\ntenantry runs why create-"),
            "{shown}"
        );
        assert!(shown.contains("\ntenantry runs replay create-tenant-cus_1\n```"), "{shown}");
        assert!(shown.contains("\n- **Next** resolvePurchase, createTenant, what the purchase needs\n"), "{shown}");
    }
}
