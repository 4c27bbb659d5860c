//! The page of a change of licences.

use domain::change_license::{ChangeLicenseState, LicenseStep};

use super::Page;

/// What a change of licences is about and where it stands. `asked` is its input in a line, or empty
/// where that cannot be read. A failed one is asked for again: the number may not be meant any more.
pub(crate) fn of(page: Page, asked: &str, state: &ChangeLicenseState) -> String {
    let done: Vec<_> = state.done.iter().map(|step| step.as_str()).collect();
    let decided_on = state.from.map_or_else(|| "not known yet".to_owned(), |from| format!("{from} licences"));
    let again = state.tenant_id.zip(state.to).map(|(tenant, to)| format!("tenantry license set {tenant} {to}"));
    page.fact("Change", if asked.is_empty() { "not readable" } else { asked })
        .fact("Decided on", decided_on)
        .steps(&done, state.step.map(LicenseStep::as_str), &next(state))
        .failed(state.error.as_ref(), again)
        .markdown()
}

/// Which writes there are is decided by the first look, so only what comes in any case is named.
fn next(state: &ChangeLicenseState) -> Vec<&'static str> {
    let is_ahead = |step: &LicenseStep| !state.done.contains(step) && state.step != Some(*step);
    let always = [LicenseStep::ImportLicenseChange, LicenseStep::CloseLicenseRequest];
    let is_over = state.error.is_some();
    let look = [LicenseStep::ResolveLicenseChange].into_iter().filter(is_ahead).map(LicenseStep::as_str);
    let writes = (!state.done.contains(&LicenseStep::ResolveLicenseChange)).then_some("what that finds to be done");
    let rest = always.into_iter().filter(is_ahead).map(LicenseStep::as_str);
    look.chain(writes).chain(rest).filter(|_| !is_over).collect()
}

#[cfg(test)]
mod tests {
    use domain::create_tenant::RunError;
    use domain::failure::FailureKind;

    use super::*;

    fn shown(state: &ChangeLicenseState) -> String {
        let page = Page::about("default", "change-license-count-1", [None, None, None], "not readable");
        of(page, "to 15 licences", state)
    }

    #[test]
    fn it_says_what_it_was_decided_on_and_what_is_next() {
        let check = |done: &[LicenseStep], step: Option<LicenseStep>, expected: &str| {
            let done = done.to_vec();
            let state = ChangeLicenseState { from: 10.try_into().ok(), done, step, ..ChangeLicenseState::default() };
            let head = "- **Tenant** not readable\n- **Change** to 15 licences\n- **Decided on** 10 licences\n";
            assert_eq!(shown(&state), format!("{head}{expected}"));
        };
        check(
            &[],
            Some(LicenseStep::ResolveLicenseChange),
            "- **Done** nothing yet\n- **Under way** resolveLicenseChange\n\
             - **Next** what that finds to be done, importLicenseChange, closeLicenseRequest",
        );
        check(
            &[LicenseStep::ResolveLicenseChange],
            Some(LicenseStep::SetLicenseQuantity),
            "- **Done** resolveLicenseChange\n- **Under way** setLicenseQuantity\n\
             - **Next** importLicenseChange, closeLicenseRequest",
        );
    }

    #[test]
    fn a_failed_one_is_asked_for_again() {
        let tenant_id = "153d82cc-43c3-5ea3-b86e-8e1a04cd8cea".parse().ok();
        let error = Some(RunError::new(FailureKind::PaymentDeclined, "let the customer mend it"));
        let to = 15.try_into().ok();
        let shown = shown(&ChangeLicenseState { tenant_id, to, error, ..ChangeLicenseState::default() });
        let again = "\ntenantry license set 153d82cc-43c3-5ea3-b86e-8e1a04cd8cea 15\n```";
        assert!(shown.contains(again) && shown.contains("\n- **Next** nothing\n"), "{shown}");
    }
}
