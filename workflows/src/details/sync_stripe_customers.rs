//! The page of an import of customers.

use domain::import_customers::{ImportPhase, ImportState, Outcome, SyncStripeCustomersInput, TenantProgress};

use super::Page;

const PHASES: [ImportPhase; 4] =
    [ImportPhase::Reading, ImportPhase::Judging, ImportPhase::Writing, ImportPhase::FollowingUp];

/// What an import of customers is about and where it stands; no `input` where that cannot be read.
pub(crate) fn of(page: Page, input: Option<&SyncStripeCustomersInput>, state: &ImportState) -> String {
    let TenantProgress { tenants, judged, totals, follow_ups, tagged, read_again } = state.progress;
    let outcomes: Vec<_> = Outcome::ALL.map(|outcome| format!("{} {outcome}", totals.of(outcome))).into();
    let stopping = if state.stopping { ", stopping" } else { "" };
    let next: Vec<_> = PHASES.iter().filter(|phase| **phase > state.phase).map(|phase| words(*phase)).collect();
    page.fact("Import", input.map_or_else(|| "not readable".to_owned(), SyncStripeCustomersInput::summary))
        .fact("Read", format!("{} pages, {} objects", state.pages, state.rows))
        .fact("Tenants", format!("{judged} of {tenants} judged; {}", outcomes.join(", ")))
        .fact("Follow-ups", format!("{follow_ups} left; {tagged} tagged, {read_again} read once more"))
        .fact(if state.error.is_some() { "Ended at" } else { "Under way" }, format!("{}{stopping}", words(state.phase)))
        .fact("Next", if next.is_empty() { "nothing".to_owned() } else { next.join(", ") })
        .failed(state.error.as_ref(), input.map(again))
        .markdown()
}

/// One tenant's import is begun anew: it costs three reads.
fn again(input: &SyncStripeCustomersInput) -> String {
    let dry_run = if input.dry_run { " --dry-run" } else { "" };
    let which = input.tenant_id.map_or_else(|| "--resume".to_owned(), |tenant| format!("--tenant {tenant}"));
    format!("tenantry import customers {which}{dry_run}")
}

fn words(phase: ImportPhase) -> &'static str {
    match phase {
        ImportPhase::Opening => "looking for what there is to go on with",
        ImportPhase::Reading => "reading Stripe's lists",
        ImportPhase::Judging => "finding each tenant's customer",
        ImportPhase::Writing => "writing what belongs to each",
        ImportPhase::FollowingUp => "tagging at Stripe",
        ImportPhase::Done => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use domain::create_tenant::RunError;
    use domain::failure::FailureKind;

    use super::*;

    fn shown(input: &SyncStripeCustomersInput, state: &ImportState) -> String {
        of(Page::about("default", "sync-stripe-customers", [None, None, None], "all"), Some(input), state)
    }

    #[test]
    fn it_says_how_far_it_is_and_what_is_next() {
        let progress = TenantProgress { tenants: 9, judged: 4, ..TenantProgress::default() };
        let state =
            ImportState { phase: ImportPhase::Judging, pages: 2, rows: 150, progress, ..ImportState::default() };
        let shown = shown(&SyncStripeCustomersInput::default(), &state);
        for line in [
            "- **Tenant** all\n- **Import** all tenants\n- **Read** 2 pages, 150 objects\n- **Tenants** 4 of 9 judged; ",
            "\n- **Under way** finding each tenant's customer\n- **Next** writing what belongs to each, tagging at Stripe",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
    }

    #[test]
    fn a_failed_one_goes_on_where_it_was() {
        let error = Some(RunError::new(FailureKind::Exhausted, "start it again"));
        let state = ImportState { error, ..ImportState::default() };
        let check = |input: SyncStripeCustomersInput, command: &str| {
            let shown = shown(&input, &state);
            assert!(shown.contains(&format!("\n{command}\n```")), "{shown}");
        };
        let all = SyncStripeCustomersInput::default();
        check(
            SyncStripeCustomersInput { dry_run: true, ..all.clone() },
            "tenantry import customers --resume --dry-run",
        );
        let tenant_id = "153d82cc-43c3-5ea3-b86e-8e1a04cd8cea".parse().ok();
        let one = "tenantry import customers --tenant 153d82cc-43c3-5ea3-b86e-8e1a04cd8cea";
        check(SyncStripeCustomersInput { tenant_id, ..all }, one);
    }
}
