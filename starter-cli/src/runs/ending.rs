//! Waiting for the end of a run that was started again, whichever type it is of.

use std::collections::BTreeMap;

use domain::change_license::{ChangeLicenseState, LicenseStep};
use domain::create_tenant::{CreateTenantState, Step};
use domain::import_customers::{ImportState, Outcome, SyncStripeCustomersResult};
use domain::import_subscription::{ImportStep, ImportSubscriptionState};
use domain::reconcile::{DriftKind, ReconcileResult, ReconcileState};
use domain::replay::ReplayInput;
use temporalio_client::Client;
use temporalio_common::{HasWorkflowDefinition, QueryDefinition};
use workflows::{ChangeLicense, CreateTenant, ImportSubscription, Reconcile, SyncStripeCustomers};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows};
use crate::run::{Run, RunEnded};
use crate::temporal::TemporalConfig;
use crate::wait::{self, BETWEEN_STEPS, Ended};

/// A run that was started, and how its end is waited for and shown.
pub(super) struct Waiting<'a> {
    pub(super) client: &'a Client,
    pub(super) temporal: &'a TemporalConfig,
    pub(super) run: Run,
    pub(super) timeout: Option<u32>,
    pub(super) output: Output,
}

impl Waiting<'_> {
    /// Waits, and shows how it ended.
    pub(super) async fn finish(self, input: &ReplayInput) -> Result<Exit, Failure> {
        match input {
            ReplayInput::CreateTenant(_) => self.show::<CreateTenant, _>(|| CreateTenant::state).await,
            ReplayInput::ImportSubscription(_) => {
                self.show::<ImportSubscription, _>(|| ImportSubscription::state).await
            }
            ReplayInput::ChangeLicense(_) => self.show::<ChangeLicense, _>(|| ChangeLicense::state).await,
            ReplayInput::SyncStripeCustomers(_) => {
                self.show::<SyncStripeCustomers, _>(|| SyncStripeCustomers::state).await
            }
            ReplayInput::Reconcile(_) => self.show::<Reconcile, _>(|| Reconcile::state).await,
        }
    }

    async fn show<W, Q>(mut self, state: impl Fn() -> Q) -> Result<Exit, Failure>
    where
        W: HasWorkflowDefinition,
        Q: QueryDefinition<Workflow = W::Run, Input = (), Output: Standing>,
        for<'a> RunEnded<'a, W::Output>: Report,
    {
        let handle = self.run.handle::<W>(self.client, self.temporal);
        // A long one goes on in a run of its own; questions go to whichever is the last.
        let latest = self.client.get_workflow_handle::<W>(&self.run.workflow_id);
        let standing = async || Some(latest.query(state(), (), Default::default()).await.ok()?.words());
        let shown = (self.timeout, self.output);
        let ended = wait::show_until_ended(&mut self.run, &handle, self.temporal, shown, standing).await?;
        match &ended {
            Ended::Completed(result) => {
                self.output.print(&RunEnded { run: &self.run, result: Some(result), failure: None });
                Ok(Exit::Done)
            }
            Ended::Badly { error, .. } => {
                self.output.print(&RunEnded::<W::Output> { run: &self.run, result: None, failure: Some(error) });
                let Run { workflow_id, status, .. } = &self.run;
                let message = format!("{workflow_id} {status} again: {}: {}", error.kind, error.message);
                Err(Failure::new(Exit::Failed, message, format!("tenantry runs why {workflow_id}")))
            }
        }
    }
}

/// Where a run stands, for whoever waits.
trait Standing {
    fn words(&self) -> &'static str;
}

impl Standing for CreateTenantState {
    fn words(&self) -> &'static str {
        self.step.map_or(BETWEEN_STEPS, Step::as_str)
    }
}

impl Standing for ImportSubscriptionState {
    fn words(&self) -> &'static str {
        self.step.map_or(BETWEEN_STEPS, ImportStep::as_str)
    }
}

impl Standing for ChangeLicenseState {
    fn words(&self) -> &'static str {
        self.step.map_or(BETWEEN_STEPS, LicenseStep::as_str)
    }
}

impl Standing for ImportState {
    fn words(&self) -> &'static str {
        self.phase.as_str()
    }
}

impl Standing for ReconcileState {
    fn words(&self) -> &'static str {
        self.progress.place.words()
    }
}

impl Report for RunEnded<'_, SyncStripeCustomersResult> {
    /// What the rows of [`Run`], which stand above it, do not say.
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push_status("ended", self.run.status);
        if let Some(result) = self.result {
            let totals = result.progress.totals;
            let outcomes = Outcome::ALL.map(|outcome| format!("{} {outcome}", totals.of(outcome)));
            rows.push("tenants", outcomes.join(", "));
        }
        rows.push_some("failure", self.failure.map(|failure| &failure.kind));
        rows.to_string()
    }
}

impl Report for RunEnded<'_, ReconcileResult> {
    /// What the rows of [`Run`], which stand above it, do not say.
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push_status("ended", self.run.status);
        if let Some(result) = self.result {
            let sum = |counts: &BTreeMap<DriftKind, u32>| counts.values().sum::<u32>();
            let (found, repaired) = (sum(&result.drift.found), sum(&result.drift.repaired));
            rows.push("drift", format!("{found} found, {repaired} repaired"));
        }
        rows.push_some("failure", self.failure.map(|failure| &failure.kind));
        rows.to_string()
    }
}
