//! A tenant gets another number of licences.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::change_license::{ChangeLicenseInput, ChangeLicenseResult, ChangeLicenseState, LicenseStep};
use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use domain::ids::{SubscriptionScheduleId, TenantId};
use domain::license_plan::{Action, LicenseNow, LicensePlan};
use domain::steps::{
    ClosedLicenseRequest, LicenseRequestEnd, LicenseSteps, QuantityToSet, ScheduleToAttach, ScheduleToRelease,
    ScheduleToWrite, SubscriptionOf,
};
use domain::untrusted::Untrusted;
use domain::words::LicenseCount;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityOptions, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::outcome::{Ending, termination};
use crate::search_attributes::{FAILURE_KIND, STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, TENANT_ID};
use crate::{details, patience};

/// `changeLicenseCountWorkflow`, one per tenant at a time. What it was decided on is fixed by its
/// first read; nothing is written at Stripe unless Stripe still has that.
#[workflow]
pub struct ChangeLicense {
    input: Untrusted<ChangeLicenseInput>,
    /// What was asked for, in a line.
    subject: String,
    /// When the first write at Stripe began. All of them end in time from then on.
    writing_since: Option<SystemTime>,
    state: ChangeLicenseState,
}

/// Whether a step is ended when the run is cancelled.
#[derive(Clone, Copy)]
enum When {
    /// It is.
    Asked,
    /// It is not: something was written at Stripe, and is not left half done.
    Regardless,
}

#[workflow_methods]
impl ChangeLicense {
    /// Takes whatever came.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: Untrusted<ChangeLicenseInput>) -> Self {
        let subject = input.0.as_ref().map(ChangeLicenseInput::summary).unwrap_or_default();
        let state = match &input.0 {
            Ok(input) => ChangeLicenseState {
                tenant_id: Some(input.tenant_id),
                from: input.from,
                to: Some(input.quantity.into()),
                ..ChangeLicenseState::default()
            },
            Err(_) => ChangeLicenseState::default(),
        };
        Self { input, subject, writing_since: None, state }
    }

    /// From one number to another.
    #[run(name = "changeLicenseCountWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ChangeLicenseResult> {
        match Self::change(ctx).await {
            Ok(result) => {
                Self::close(ctx, LicenseRequestEnd::Done(result.clone())).await;
                Ok(result)
            }
            Err(ending) => {
                let error = Self::record(ctx, &ending);
                Self::close(ctx, LicenseRequestEnd::Failed(error)).await;
                Err(termination(ending))
            }
        }
    }

    /// Where it stands.
    #[query(name = "state")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> ChangeLicenseState {
        self.state.clone()
    }

    async fn change(ctx: &mut WorkflowContext<Self>) -> Result<ChangeLicenseResult, Ending> {
        let input = ctx.state(|s| s.input.clone()).into_valid()?;
        ctx.upsert_search_attributes([TENANT_ID.value_set(input.tenant_id.to_string())]);
        let plan = Self::resolve(ctx, &input).await?;
        let now = match Self::carry_out(ctx, &plan, input.tenant_id).await {
            Ok(now) => now,
            Err(ending) => Self::make_good(ctx, &plan, input.tenant_id, ending).await?,
        };
        Ok(plan.result(&now, now_in_seconds(ctx)))
    }

    async fn resolve(ctx: &mut WorkflowContext<Self>, input: &ChangeLicenseInput) -> Result<LicensePlan, Ending> {
        Self::begin(ctx, LicenseStep::ResolveLicenseChange);
        let options = patience::stripe(format!("look at the licences of {}", input.tenant_id));
        let plan = ctx.execute_activity(LicenseSteps::resolve_license_change, input.clone(), options).await?;
        ctx.upsert_search_attributes([
            STRIPE_CUSTOMER_ID.value_set(plan.stripe_customer_id.to_string()),
            STRIPE_SUBSCRIPTION_ID.value_set(plan.stripe_subscription_id.to_string()),
        ]);
        ctx.state_mut(|s| s.state.from = Some(plan.from));
        Self::done(ctx, LicenseStep::ResolveLicenseChange);
        Ok(plan)
    }

    /// The writes of the plan, then one read of what they came to.
    async fn carry_out(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        tenant_id: TenantId,
    ) -> Result<LicenseNow, Ending> {
        let LicensePlan { from, to, .. } = *plan;
        match (plan.action, &plan.schedule) {
            (Action::Nothing, _) | (Action::Release, None) => {}
            (Action::Release, Some(schedule)) => Self::release(ctx, plan, &schedule.id, When::Asked).await?,
            (Action::Set, None) => Self::set(ctx, plan).await?,
            (Action::Set, Some(schedule)) => {
                Self::release(ctx, plan, &schedule.id, When::Asked).await?;
                Self::set(ctx, plan).await?;
            }
            (Action::Schedule, _) => Self::schedule(ctx, plan, (from, to), When::Asked).await?,
        }
        // A cancel that comes now comes too late: the change is made, and is written down.
        let options = patience::stripe(format!("import {}", plan.stripe_subscription_id));
        let now = Self::import(ctx, plan, tenant_id, options).await?;
        plan.check(&now)?;
        Ok(now)
    }

    /// After a plan that was not carried out to its end: if Stripe has the number all the same, it
    /// is done. Else the number that waited before is put back, so that a change that did not
    /// come about changes nothing.
    async fn make_good(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        tenant_id: TenantId,
        ending: Ending,
    ) -> Result<LicenseNow, Ending> {
        let look = || patience::last_look(format!("look at {} once more", plan.stripe_subscription_id));
        let mut now = Self::import(ctx, plan, tenant_id, look()).await;
        if let Ok(now) = &now
            && plan.check(now).is_ok()
        {
            return Ok(*now);
        }
        let mut notes = Vec::new();
        if let Some(note) = Self::undo(ctx, plan, now.as_ref().ok()).await {
            notes.push(note);
            now = Self::import(ctx, plan, tenant_id, look()).await;
        }
        notes.push(match &now {
            Ok(now) => format!("Stripe has {now}"),
            Err(_) => "what Stripe has now could not be read".to_owned(),
        });
        Err(with_notes(ending, &notes))
    }

    /// Takes back what was written on the way. Says what came of it, if there was anything.
    async fn undo(ctx: &mut WorkflowContext<Self>, plan: &LicensePlan, now: Option<&LicenseNow>) -> Option<String> {
        // What came before has used up some of the time for writes; this has its own.
        ctx.state_mut(|s| s.writing_since = None);
        let waits = now.and_then(|now| now.waiting).is_some();
        match (plan.action, plan.waiting()) {
            (Action::Set, Some(waiting)) if !waits => {
                let what = format!("the change to {} that waited", waiting.quantity);
                let put_back = Self::schedule(ctx, plan, (plan.from, waiting.quantity), When::Regardless).await;
                Some(said(&what, "waits again", "could not be put back", put_back))
            }
            (Action::Schedule, _) if plan.schedule.is_none() => {
                let attached = ctx.state(|s| s.attached.clone())?;
                let taken = Self::release(ctx, plan, &attached, When::Regardless).await;
                Some(said("the schedule that was begun", "was taken back", "could not be taken back", taken))
            }
            (Action::Nothing | Action::Release | Action::Set | Action::Schedule, _) => None,
        }
    }
}
