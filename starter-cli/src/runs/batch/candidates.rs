//! Which failed runs a batch may start again, with what input, and what is done about the others.

use domain::replay::{BatchedInput, Change, Correction, CorrectionError, NotForABatch, NotReplayable, ReplayInput};
use domain::replay_batch::{Item, WORKFLOW_ID_PREFIX};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use temporalio_client::Client;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::runs::explanation::Again;
use crate::runs::filter::kind_of;
use crate::runs::found::FoundRun;
use crate::runs::history;
use crate::runs::next_command::Ended;
use crate::runs::workflow_type::WorkflowType;
use crate::temporal::TemporalConfig;

/// Inputs read at the same time.
const AT_ONCE: usize = 16;

/// A run that can be started again.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) run: FoundRun,
    pub(crate) input: BatchedInput,
    /// What the corrections came to.
    pub(crate) changes: Vec<Change>,
}

/// A run that is left alone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Skipped {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    pub(crate) why: String,
    /// What to do instead.
    pub(crate) next: String,
}

impl Candidate {
    /// As the batch takes it.
    pub(crate) fn item(&self) -> Item {
        let FoundRun { workflow_id, run_id, .. } = &self.run;
        Item { workflow_id: workflow_id.clone(), run_id: run_id.clone(), input: self.input.clone() }
    }
}

/// Reads the input of each, and sets the fields in it. Fails where a field cannot be set: what is
/// wrong with a correction is wrong before anything starts. At most so many are taken.
pub(crate) async fn among(
    (client, temporal): (&Client, &TemporalConfig),
    runs: Vec<FoundRun>,
    set: &[Correction],
    limit: Option<usize>,
) -> Result<(Vec<Candidate>, Vec<Skipped>), Failure> {
    let (mut skipped, mut fitting) = (Vec::new(), Vec::new());
    for run in runs {
        match not_for_a_batch(&run) {
            Some((why, Some(next))) => skipped.push(Skipped::new(run, why, next)),
            Some((why, None)) => {
                let next = goes_on(client, temporal, &run).await;
                skipped.push(Skipped::new(run, why, next));
            }
            None => fitting.push(run),
        }
    }
    fitting.truncate(limit.unwrap_or(usize::MAX));
    let judged = stream::iter(fitting).map(|run| async move {
        match history::input(client, temporal, &run.workflow_id, &run.run_id).await {
            Ok(was) => judge(run, &was, set),
            Err(unread) if matches!(unread.exit(), Exit::Failed | Exit::NotFound) => {
                Ok(Err(Skipped::new(run, unread.message().to_owned(), unread.next().to_owned())))
            }
            Err(failure) => Err(failure),
        }
    });
    let judged: Vec<Result<Candidate, Skipped>> = judged.buffered(AT_ONCE).try_collect().await?;
    let mut candidates = Vec::new();
    for one in judged {
        match one {
            Ok(candidate) => candidates.push(candidate),
            Err(one) => skipped.push(one),
        }
    }
    Ok((candidates, skipped))
}

/// The command that goes on with a run in bulk, which is a matter of its input.
async fn goes_on(client: &Client, temporal: &TemporalConfig, run: &FoundRun) -> String {
    let input = history::input(client, temporal, &run.workflow_id, &run.run_id).await.ok();
    let kind = run.failure_kind.as_deref().and_then(kind_of);
    Ended { run, input: input.as_ref(), kind, message: "", again: Again::Unknown }.command()
}

/// Why the run is not one for a batch, and what to do instead, unless its input tells.
fn not_for_a_batch(run: &FoundRun) -> Option<(String, Option<String>)> {
    let id = &run.workflow_id;
    let (why, next) = match WorkflowType::of(&run.workflow_type) {
        Some(WorkflowType::CreateTenant | WorkflowType::ImportSubscription) => return None,
        Some(WorkflowType::ChangeLicenseCount) => {
            (NotForABatch::Decision.to_string(), Some(format!("tenantry runs replay {id}")))
        }
        Some(WorkflowType::SyncSubscription) => {
            let subscription = run.stripe_subscription_id.as_ref();
            let narrow = subscription.map(|one| format!(" --subscription {one}")).unwrap_or_default();
            (NotReplayable::Sync.to_string(), Some(format!("tenantry events replay --status failed{narrow}")))
        }
        Some(WorkflowType::SyncStripeCustomers) => ("an import of customers goes on where it was".to_owned(), None),
        Some(WorkflowType::Reconcile) => (NotForABatch::Bulk.to_string(), None),
        Some(WorkflowType::ReplayBatch) => {
            let name = id.strip_prefix(WORKFLOW_ID_PREFIX).unwrap_or(id);
            (NotReplayable::Batch.to_string(), Some(format!("tenantry runs batch resume {name}")))
        }
        None => {
            let next = "look at it in the Temporal UI".to_owned();
            (NotReplayable::Foreign(run.workflow_type.clone()).to_string(), Some(next))
        }
    };
    Some((why, next))
}

fn judge(run: FoundRun, was: &Value, set: &[Correction]) -> Result<Result<Candidate, Skipped>, Failure> {
    let mended = ReplayInput::mended(&run.workflow_type, was.clone(), set);
    let error = match mended.map(|input| (input.difference_from(was), BatchedInput::try_from(input))) {
        Ok((changes, Ok(input))) => return Ok(Ok(Candidate { run, input, changes })),
        Ok((_, Err(why))) => {
            let next = format!("tenantry runs replay {}", run.workflow_id);
            return Ok(Err(Skipped::new(run, why.to_string(), next)));
        }
        Err(error) => error,
    };
    let was_unfit = ReplayInput::parse(&run.workflow_type, was.clone()).is_err();
    match error {
        CorrectionError::Input(what) if was_unfit => {
            let next = format!("tenantry runs replay {} --set FIELD=VALUE", run.workflow_id);
            Ok(Err(Skipped::new(run, format!("its input does not fit: {what}"), next)))
        }
        CorrectionError::Form
        | CorrectionError::UnknownField { .. }
        | CorrectionError::Twice(_)
        | CorrectionError::Unfit { .. }
        | CorrectionError::NamesTheRun { .. }
        | CorrectionError::Input(_) => Err(unset(&run, &error)),
    }
}

/// Nothing is started where one of them cannot be corrected like that.
fn unset(run: &FoundRun, error: &CorrectionError) -> Failure {
    let others = [WorkflowType::CreateTenant, WorkflowType::ImportSubscription].map(WorkflowType::as_str);
    let other = others.into_iter().find(|name| *name != run.workflow_type).unwrap_or_default();
    let next = match error {
        CorrectionError::UnknownField { .. } | CorrectionError::NamesTheRun { .. } => {
            format!("correct --set, or narrow it down with --type {other}")
        }
        CorrectionError::Form
        | CorrectionError::Twice(_)
        | CorrectionError::Unfit { .. }
        | CorrectionError::Input(_) => "correct --set and run the same command again".to_owned(),
    };
    Failure::new(Exit::Usage, format!("{}: {error}; nothing was started", run.workflow_id), next)
}

impl Skipped {
    fn new(run: FoundRun, why: String, next: String) -> Self {
        let FoundRun { workflow_id, run_id, workflow_type, .. } = run;
        Self { workflow_id, run_id, workflow_type, why, next }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(workflow_type: &str) -> FoundRun {
        FoundRun {
            workflow_id: "replay-batch-monday".to_owned(),
            run_id: "r1".to_owned(),
            workflow_type: workflow_type.to_owned(),
            status: "failed",
            started_at: chrono::DateTime::UNIX_EPOCH,
            closed_at: None,
            failure_kind: None,
            tenant_id: None,
            stripe_customer_id: None,
            stripe_subscription_id: Some("sub_1".to_owned()),
            stuck: None,
            link: None,
        }
    }

    #[test]
    fn what_no_batch_takes_has_a_command_of_its_own() {
        let next = |one: WorkflowType| not_for_a_batch(&run(one.as_str())).map(|(_, next)| next);
        for one in WorkflowType::ALL {
            let expected = match one {
                WorkflowType::CreateTenant | WorkflowType::ImportSubscription => None,
                WorkflowType::ChangeLicenseCount => Some(Some("tenantry runs replay replay-batch-monday")),
                WorkflowType::SyncSubscription => {
                    Some(Some("tenantry events replay --status failed --subscription sub_1"))
                }
                // Their inputs tell.
                WorkflowType::SyncStripeCustomers | WorkflowType::Reconcile => Some(None),
                WorkflowType::ReplayBatch => Some(Some("tenantry runs batch resume monday")),
            };
            assert_eq!(next(one).as_ref().map(Option::as_deref), expected, "{}", one.as_str());
        }
    }

    fn judged(input: Value, set: &[&str]) -> Result<Result<Candidate, Skipped>, Failure> {
        let set: Vec<Correction> = set.iter().map(|text| text.parse().expect("a correction")).collect();
        judge(run(WorkflowType::CreateTenant.as_str()), &input, &set)
    }

    #[test]
    fn an_input_that_never_fitted_is_skipped_and_one_that_is_spoilt_is_refused() {
        let fits = json!({"email": "a@b.c", "client_name": "A"});
        let candidate = judged(fits.clone(), &["client_name=B"]).expect("it fits").expect("it fits");
        assert_eq!(candidate.changes.len(), 1);
        let skipped = judged(json!({"email": "a@b.c"}), &[]).expect("it is skipped").expect_err("it does not fit");
        assert!(skipped.why.contains("client_name") && skipped.next.contains("--set"), "{skipped:?}");
        judged(json!({"email": "a@b.c"}), &["client_name=B"]).expect("it fits").expect("it is mended");
        for set in ["clientname=B", "email=nobody", "initial_license_count=ten"] {
            let refused = judged(fits.clone(), &[set]).expect_err(set);
            assert_eq!(refused.exit(), Exit::Usage, "{set}");
        }
    }
}
