//! A tenant gets another number of licences.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::change_license::{ChangeLicenseInput, ChangeLicenseResult, ChangeLicenseState, LicenseStep};
use domain::create_tenant::RunError;
use domain::ids::{SubscriptionScheduleId, TenantId};
use domain::license_plan::{Action, LicenseNow, LicensePlan, day};
use domain::steps::{
    ChangedLicenses, ClosedLicenseRequest, LicenseRequestEnd, LicenseSteps, QuantityToSet, ScheduleToAttach,
    ScheduleToRelease, ScheduleToWrite,
};
use domain::untrusted::Untrusted;
use domain::words::LicenseCount;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityOptions, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::outcome::{Ending, came_of, termination};
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
    /// The schedule that this run put the subscription under.
    attached: Option<SubscriptionScheduleId>,
    /// What a person is to know beside what ended the run.
    notes: Vec<String>,
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
        Self { input, subject, writing_since: None, attached: None, notes: Vec::new(), state }
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
                let (error, ending) = Self::record(ctx, ending);
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
        let now = Self::let_be(ctx, &plan, input.tenant_id, now).await?;
        Ok(plan.result(&now, seconds(ctx.workflow_time())))
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
            (Action::Release, Some(schedule)) => Self::release(ctx, plan, (&schedule.id, from), When::Asked).await?,
            (Action::Set, None) => Self::set(ctx, plan).await?,
            (Action::Set, Some(schedule)) => {
                Self::release(ctx, plan, (&schedule.id, from), When::Asked).await?;
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

    /// After a plan that was not carried out to its end: where Stripe has the number all the same,
    /// it is done. Else what was written on the way is taken back, so that a change that did not
    /// come about changes nothing.
    async fn make_good(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        tenant_id: TenantId,
        ending: Ending,
    ) -> Result<LicenseNow, Ending> {
        if ctx.state(|s| s.writing_since.is_none()) {
            return Err(ending);
        }
        let is_reached = |now: &LicenseNow| plan.check(now).is_ok();
        let mut now = Self::look(ctx, plan, tenant_id).await;
        if let Some(now) = now.filter(is_reached) {
            return Ok(now);
        }
        if let Some(note) = Self::take_back(ctx, plan, now.as_ref(), &ending).await {
            ctx.state_mut(|s| s.notes.push(note));
            now = Self::look(ctx, plan, tenant_id).await;
            if let Some(now) = now.filter(is_reached) {
                return Ok(now);
            }
            let moved = now.and_then(|now| plan.moved(&now));
            ctx.state_mut(|s| s.notes.extend(moved));
        }
        let has = now.map_or_else(|| "what Stripe has could not be read".to_owned(), |now| format!("Stripe has {now}"));
        let is_said = matches!(&ending, Ending::Failed(error) if error.message.contains(&has));
        if !is_said {
            ctx.state_mut(|s| s.notes.push(has));
        }
        Err(ending)
    }

    /// Puts back the number that waited, or takes away the schedule that was begun. Says what came
    /// of it, if there was anything.
    async fn take_back(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        now: Option<&LicenseNow>,
        ending: &Ending,
    ) -> Option<String> {
        // What came before may have used up the time for writes; this has its own.
        ctx.state_mut(|s| s.writing_since = None);
        let waits = now.is_some_and(|now| now.waiting.is_some());
        match (plan.action, plan.waiting()) {
            (Action::Set, Some(waiting)) if !waits => {
                let numbers = (plan.from, waiting.quantity);
                let done = Self::schedule(ctx, plan, numbers, When::Regardless).await;
                let what = format!("the change to {} that waited", waiting.quantity);
                Some(came_of(&what, ("waits again", "could not be put back"), done))
            }
            (Action::Schedule, _) if plan.schedule.is_none() && !waits => {
                let has = now.and_then(|now| now.quantity).unwrap_or(plan.from);
                let done = Self::release_begun(ctx, plan, has, ending).await?;
                Some(came_of("the schedule that was begun", ("is released", "could not be released"), done))
            }
            (Action::Nothing | Action::Release | Action::Set | Action::Schedule, _) => None,
        }
    }

    /// Takes away the schedule that was begun; none where there is none for certain. One whose
    /// making was never answered is asked for again: the same key answers the same schedule.
    async fn release_begun(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        has: LicenseCount,
        ending: &Ending,
    ) -> Option<Result<(), Ending>> {
        let schedule = match (ctx.state(|s| s.attached.clone()), ending.is_of_no_answer()) {
            (Some(schedule), _) => Ok(schedule),
            (None, true) => Self::attach(ctx, plan, has, When::Regardless).await,
            (None, false) => return None,
        };
        Some(match schedule {
            Ok(schedule) => Self::release(ctx, plan, (&schedule, has), When::Regardless).await,
            Err(ending) => Err(ending),
        })
    }

    /// The number is there, by this run or by somebody else. What would still undo it when the
    /// period ends is taken away: what waited before, or what was put back while a write took long.
    async fn let_be(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        tenant_id: TenantId,
        now: LicenseNow,
    ) -> Result<LicenseNow, Ending> {
        let attached = ctx.state(|s| s.attached.clone());
        let Some(schedule) = plan.left_over(&now, attached) else { return Ok(now) };
        ctx.state_mut(|s| s.writing_since = None);
        Self::release(ctx, plan, (&schedule, plan.to), When::Regardless).await?;
        let unseen = LicenseNow { waiting: None, ..now };
        let now = Self::look(ctx, plan, tenant_id).await.unwrap_or(unseen);
        plan.check(&now)?;
        Ok(now)
    }

    /// What Stripe has, if it can be had in a while.
    async fn look(ctx: &mut WorkflowContext<Self>, plan: &LicensePlan, tenant_id: TenantId) -> Option<LicenseNow> {
        let options = patience::last_look(format!("look at {} once more", plan.stripe_subscription_id));
        Self::import(ctx, plan, tenant_id, options).await.ok()
    }

    /// Releases a schedule of a subscription that has so many licences.
    async fn release(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        (schedule, from): (&SubscriptionScheduleId, LicenseCount),
        when: When,
    ) -> Result<(), Ending> {
        Self::begin(ctx, LicenseStep::ReleaseSchedule);
        let options = Self::write_options(ctx, when, format!("release {schedule}"));
        let of = ScheduleToRelease {
            stripe_subscription_id: plan.stripe_subscription_id.clone(),
            stripe_schedule_id: schedule.clone(),
            from,
        };
        let released = ctx.execute_activity(LicenseSteps::release_schedule, of, options).await;
        released.map_err(Ending::of_a_write)?;
        Self::done(ctx, LicenseStep::ReleaseSchedule);
        Ok(())
    }

    async fn set(ctx: &mut WorkflowContext<Self>, plan: &LicensePlan) -> Result<(), Ending> {
        Self::begin(ctx, LicenseStep::SetLicenseQuantity);
        let summary = format!("set {} from {} to {}", plan.stripe_subscription_id, plan.from, plan.to);
        let options = Self::write_options(ctx, When::Asked, summary);
        let of =
            QuantityToSet { stripe_subscription_id: plan.stripe_subscription_id.clone(), from: plan.from, to: plan.to };
        let set = ctx.execute_activity(LicenseSteps::set_license_quantity, of, options).await;
        set.map_err(Ending::of_a_write)?;
        Self::done(ctx, LicenseStep::SetLicenseQuantity);
        Ok(())
    }

    /// Has the number change from one to the other when the period ends. Stripe takes two requests
    /// for that, so there are two steps.
    async fn schedule(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        (from, to): (LicenseCount, LicenseCount),
        when: When,
    ) -> Result<(), Ending> {
        let stripe_schedule_id = Self::attach(ctx, plan, from, when).await?;
        let stripe_subscription_id = plan.stripe_subscription_id.clone();
        Self::begin(ctx, LicenseStep::WriteSchedule);
        let summary = format!("have {stripe_schedule_id} bring {to} on {}", day(plan.period_end));
        let options = Self::write_options(ctx, when, summary);
        let of = ScheduleToWrite { stripe_subscription_id, stripe_schedule_id, from, to };
        let written = ctx.execute_activity(LicenseSteps::write_schedule, of, options).await;
        written.map_err(Ending::of_a_write)?;
        Self::done(ctx, LicenseStep::WriteSchedule);
        Ok(())
    }

    async fn attach(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        from: LicenseCount,
        when: When,
    ) -> Result<SubscriptionScheduleId, Ending> {
        Self::begin(ctx, LicenseStep::AttachSchedule);
        let stripe_subscription_id = plan.stripe_subscription_id.clone();
        let options = Self::write_options(ctx, when, format!("put {stripe_subscription_id} under a schedule"));
        let of = ScheduleToAttach { stripe_subscription_id, from };
        let attached = ctx.execute_activity(LicenseSteps::attach_schedule, of, options).await;
        let schedule = attached.map_err(Ending::of_a_write)?.stripe_schedule_id;
        ctx.state_mut(|s| s.attached = Some(schedule.clone()));
        Self::done(ctx, LicenseStep::AttachSchedule);
        Ok(schedule)
    }

    async fn import(
        ctx: &mut WorkflowContext<Self>,
        plan: &LicensePlan,
        tenant_id: TenantId,
        options: ActivityOptions,
    ) -> Result<LicenseNow, Ending> {
        Self::begin(ctx, LicenseStep::ImportLicenseChange);
        let stripe_subscription_id = plan.stripe_subscription_id.clone();
        let of = ChangedLicenses { tenant_id, stripe_subscription_id, to: Some(plan.to) };
        let options = When::Regardless.apply(options);
        let now = ctx.execute_activity(LicenseSteps::import_license_change, of, options).await?;
        Self::done(ctx, LicenseStep::ImportLicenseChange);
        Ok(now)
    }

    /// How long a write is tried: what is left of the time that all of them have.
    fn write_options(ctx: &mut WorkflowContext<Self>, when: When, summary: String) -> ActivityOptions {
        let now = ctx.workflow_time().unwrap_or(UNIX_EPOCH);
        let since = ctx.state_mut(|s| *s.writing_since.get_or_insert(now));
        let spent = now.duration_since(since).unwrap_or_default();
        when.apply(patience::stripe_write(spent, summary))
    }

    /// Notes what came of the request. The change is what it is, also where that cannot be noted.
    async fn close(ctx: &mut WorkflowContext<Self>, ended: LicenseRequestEnd) {
        let Some(tenant_id) = ctx.state(|s| s.state.tenant_id) else { return };
        Self::begin(ctx, LicenseStep::CloseLicenseRequest);
        let options =
            When::Regardless.apply(patience::database(format!("note what came of the change for {tenant_id}")));
        let closed = ClosedLicenseRequest { tenant_id, ended };
        if ctx.execute_activity(LicenseSteps::close_license_request, closed, options).await.is_ok() {
            Self::done(ctx, LicenseStep::CloseLicenseRequest);
        }
    }

    fn begin(ctx: &mut WorkflowContext<Self>, step: LicenseStep) {
        ctx.state_mut(|s| s.state.step = Some(step));
        Self::describe(ctx);
    }

    fn done(ctx: &mut WorkflowContext<Self>, step: LicenseStep) {
        ctx.state_mut(|s| {
            s.state.step = None;
            s.state.done.push(step);
        });
        Self::describe(ctx);
    }

    /// The ending with what was noted on the way, which is also what an operator finds.
    fn record(ctx: &mut WorkflowContext<Self>, ending: Ending) -> (RunError, Ending) {
        let notes = ctx.state(|s| s.notes.clone());
        let nothing = "cancelled before anything was changed; ask for it again if it is still meant";
        let mut error = ending.told(if notes.is_empty() { nothing } else { "cancelled" });
        error.message = [vec![error.message], notes].concat().join("; ");
        ctx.upsert_search_attributes([FAILURE_KIND.value_set(error.kind.clone())]);
        ctx.state_mut(|s| {
            s.state.step = None;
            s.state.error = Some(error.clone());
        });
        Self::describe(ctx);
        match ending {
            Ending::Failed(_) => (error.clone(), Ending::Failed(error)),
            Ending::Cancelled => (error, Ending::Cancelled),
        }
    }

    /// The markdown that stands on the run's page in the Temporal UI.
    fn describe(ctx: &WorkflowContext<Self>) {
        let page = details::Page::of(ctx, "not readable");
        let details = ctx.state(|s| details::change_license::of(page, &s.subject, &s.state));
        ctx.set_current_details(details);
    }
}

impl When {
    fn apply(self, options: ActivityOptions) -> ActivityOptions {
        match self {
            Self::Asked => options,
            // A token of its own, which nobody cancels.
            Self::Regardless => patience::ended_by(&WorkflowCancellationToken::new(), options),
        }
    }
}

fn seconds(moment: Option<SystemTime>) -> i64 {
    let since = moment.and_then(|moment| moment.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
