//! What each type of failure means, and whether starting the run again can help. The texts of
//! failures say what happened and what to do about it; here stands what they do not say.

use domain::failure::FailureKind;
use schemars::JsonSchema;
use serde::Serialize;

use super::workflow_type::WorkflowType;

/// Whether starting the run again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Again {
    /// It runs, or has done what it should.
    NotNeeded,
    /// It waits, and goes on by itself when that is over.
    ByItself,
    /// Yes, as it was.
    Helps,
    /// Yes, with a corrected input.
    OnceCorrected,
    /// Yes, once something is mended that is not its input.
    OnceMended,
    /// This build cannot tell.
    Unknown,
}

/// What a failure of that type means, in a sentence of its own, and whether starting again helps.
pub(super) fn meaning(kind: FailureKind) -> (Again, &'static str) {
    match kind {
        FailureKind::ValidationError => (
            Again::OnceCorrected,
            "What it was started with cannot be carried out as it stands, and nothing was written.",
        ),
        FailureKind::DuplicateError => {
            (Again::OnceCorrected, "It is another tenant's already, and nothing is taken away from a tenant by itself.")
        }
        FailureKind::ConflictError => {
            (Again::OnceMended, "Two statements contradict each other, here or at Stripe, and nothing is guessed.")
        }
        FailureKind::TenantNotFound => {
            (Again::OnceCorrected, "Only a tenant that is in this database can be worked on.")
        }
        FailureKind::StripeNotFound => (
            Again::OnceCorrected,
            "With this key Stripe knows no such object: the id is misspelt, or it is one of the other mode or of \
             another account, or it was deleted.",
        ),
        FailureKind::StripeRefused => (
            Again::OnceMended,
            "Stripe understood the request and refuses it, and will until what it names is changed there.",
        ),
        FailureKind::PaymentDeclined => {
            (Again::OnceMended, "The customer's bank said no, so nothing was changed and nothing is owed.")
        }
        FailureKind::AmbiguousSubscription => {
            (Again::OnceMended, "A count that cannot be told is not guessed, so the licences are left as they are.")
        }
        FailureKind::NotLicensable => {
            (Again::OnceMended, "As it stands at Stripe it carries no licences that anybody could be given.")
        }
        FailureKind::MassFall => (
            Again::OnceMended,
            "So many at once look more like a mistake than like customers who left, so a person has to say that it \
             is right.",
        ),
        FailureKind::Exhausted => (
            Again::Helps,
            "What it waited for was away for as long as a step is tried; nothing is wrong with its input.",
        ),
        FailureKind::Cancelled => (Again::Helps, "A person ended it; what was done stays."),
        FailureKind::StripeUnavailable => {
            (Again::ByItself, "Stripe, or the way to it, does not answer as it should, and that is waited out.")
        }
        FailureKind::StripeUnauthorized => {
            (Again::ByItself, "A key that was rolled fails no run: they wait until the worker has a valid one.")
        }
        FailureKind::DatabaseUnavailable => {
            (Again::ByItself, "Postgres, or the way to it, does not answer as it should, and that is waited out.")
        }
    }
}

/// Whether starting again helps, of a run that has ended: nothing goes on by itself any more.
pub(super) fn after_the_end(again: Again) -> Again {
    match again {
        Again::ByItself => Again::Helps,
        Again::NotNeeded | Again::Helps | Again::OnceCorrected | Again::OnceMended | Again::Unknown => again,
    }
}

/// What starting again comes to for a run of that workflow that has ended.
pub(super) fn starting_again(of: Option<WorkflowType>, again: Again) -> &'static str {
    let Some(of) = of else { return "It is of a workflow that this build does not know, so it cannot judge it." };
    match (of, again) {
        (_, Again::NotNeeded | Again::ByItself) => "Nobody has to do anything.",
        (WorkflowType::ChangeLicenseCount, _) => {
            "It is not to be started again as it was: look at what Stripe has now, and decide anew."
        }
        (WorkflowType::SyncSubscription, _) => {
            "Its events are kept: the next one about the subscription, or a replay of them, has it read again."
        }
        (WorkflowType::SyncStripeCustomers, _) => "Started again it goes on after the last page that was done.",
        (WorkflowType::Reconcile, _) => "It begins anew each time, and what was repaired stays repaired.",
        (WorkflowType::ReplayBatch, _) => "Resumed, it goes on with those that it had not started.",
        (WorkflowType::CreateTenant | WorkflowType::ImportSubscription, Again::Helps) => {
            "Started again it goes on where it stopped."
        }
        (WorkflowType::CreateTenant | WorkflowType::ImportSubscription, Again::OnceCorrected) => {
            "With the same input it would end the same way; with a corrected one it goes on where it stopped."
        }
        (WorkflowType::CreateTenant | WorkflowType::ImportSubscription, Again::OnceMended) => {
            "Before that is mended it would end the same way; after that it goes on where it stopped."
        }
        (WorkflowType::CreateTenant | WorkflowType::ImportSubscription, Again::Unknown) => {
            "Whether starting it again helps, the build that it failed under knows; it does no harm."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_explanation_for_every_workflow() {
        for kind in FailureKind::ALL {
            let (again, meaning) = meaning(kind);
            assert!(meaning.ends_with('.') && meaning.len() > 30, "{kind}: {meaning}");
            assert!(!matches!(again, Again::NotNeeded | Again::Unknown), "{kind}");
            let again = after_the_end(again);
            assert_ne!(again, Again::ByItself, "{kind}: a run that ended waits for nothing");
            for of in WorkflowType::ALL {
                assert!(starting_again(Some(of), again).ends_with('.'), "{kind} of {}", of.as_str());
            }
        }
    }

    #[test]
    fn no_two_failures_mean_the_same() {
        let meanings: std::collections::BTreeSet<_> = FailureKind::ALL.map(|kind| meaning(kind).1).into();
        assert_eq!(meanings.len(), FailureKind::ALL.len());
    }
}
