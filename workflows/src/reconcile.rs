//! What is here is compared with what Stripe has; what differs is reported, or repaired.

use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use domain::ids::{StripeSubscriptionId, TenantId};
use domain::reconcile::{Place, Progress, ReconcileInput, ReconcileResult, ReconcileState, WORKFLOW_ID};
use domain::steps::{CountsAfter, DriftOf, NewWalk, ReconcileSteps, SubscriptionsAfter, WalkOf, WalkSteps, Weighed};
use domain::untrusted::Untrusted;
use domain::walk::{WalkId, WalkKind};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ChildWorkflowOptions, ChildWorkflowStartError, ContinueAsNewOptions, ParentClosePolicy, WorkflowContext,
    WorkflowContextView, WorkflowResult,
};

use crate::outcome::{Ending, termination};
use crate::search_attributes::{FAILURE_KIND, TENANT_ID};
use crate::{details, patience};

/// The server stops a run at fifty thousand events. Long before, the run begins anew.
const HISTORY_MAX: u32 = 4_000;

/// `reconcileWorkflow`. One activity after the other, each at the place that the last one left, so
/// that a run may end anywhere and the next goes on there.
#[workflow]
pub struct Reconcile {
    input: Untrusted<ReconcileInput>,
    state: ReconcileState,
}

#[workflow_methods]
impl Reconcile {
    /// Takes whatever came.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: Untrusted<ReconcileInput>) -> Self {
        let progress = input.0.as_ref().ok().and_then(|input| input.progress.clone()).unwrap_or_default();
        Self { input, state: ReconcileState { progress, ..ReconcileState::default() } }
    }

    /// From lists to findings, and from findings to repairs.
    #[run(name = "reconcileWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ReconcileResult> {
        match Self::go_on(ctx).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(next)) => match ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())? {},
            Err(ending) => {
                Self::record(ctx, &ending);
                Err(termination(ending))
            }
        }
    }

    /// Where it stands.
    #[query(name = "state")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> ReconcileState {
        self.state.clone()
    }

    /// Goes from place to place. Answers the next run's input where one has to go on.
    async fn go_on(ctx: &mut WorkflowContext<Self>) -> Result<Result<ReconcileResult, ReconcileInput>, Ending> {
        let input = ctx.state(|s| s.input.clone()).into_valid()?;
        if input.tenant_id.is_none() && ctx.workflow_id() != WORKFLOW_ID {
            return Self::delegate(ctx, input).await.map(Ok);
        }
        if let Some(tenant) = input.tenant_id {
            ctx.upsert_search_attributes([TENANT_ID.value_set(tenant.to_string())]);
        }
        loop {
            Self::describe(ctx);
            let place = ctx.state(|s| s.state.progress.place.clone());
            if place == Place::Done {
                return Self::conclude(ctx, &input).await.map(Ok);
            }
            let next = Self::step(ctx, &input, place).await?;
            ctx.state_mut(|s| s.state.progress.place = next);
            if ctx.history_length() >= HISTORY_MAX || ctx.continue_as_new_suggested() {
                let progress = Some(ctx.state(|s| s.state.progress.clone()));
                return Ok(Err(ReconcileInput { progress, ..input }));
            }
        }
    }

    /// A schedule appends the time to the id of what it starts. The work is done under the id that a
    /// run by hand has, so that the server lets one run at a time, whoever started it.
    async fn delegate(ctx: &mut WorkflowContext<Self>, input: ReconcileInput) -> Result<ReconcileResult, Ending> {
        let options = ChildWorkflowOptions::builder()
            .workflow_id(WORKFLOW_ID.to_owned())
            .parent_close_policy(ParentClosePolicy::RequestCancel)
            .static_summary(input.summary())
            .build();
        match ctx.start_child_workflow(Self::run, Untrusted::from(input), options).await {
            Ok(started) => Ok(started.result().await?),
            Err(ChildWorkflowStartError::StartFailed { .. }) => Ok(ReconcileResult::of_another()),
            Err(ChildWorkflowStartError::Cancelled(_)) => Err(Ending::Cancelled),
            // Not in our hands; the next run of the schedule tries again.
            Err(error) => Err(Ending::Failed(RunError::new(FailureKind::ConflictError, error.to_string()))),
        }
    }

    /// Does what is to be done at a place, and answers the next.
    async fn step(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput, place: Place) -> Result<Place, Ending> {
        match place {
            Place::Open => Self::open(ctx, input).await,
            Place::Stage => Self::stage(ctx).await,
            Place::ReadAlone => Self::read_alone(ctx, input).await,
            Place::Subscriptions(after) => Self::subscriptions(ctx, input, after).await,
            Place::Counts(after) => Self::counts(ctx, input, after).await,
            Place::Weigh => Self::weigh(ctx, input).await,
            Place::Repair => Self::repair(ctx, input).await,
            Place::Events => Self::events(ctx, input).await,
            Place::Prune => Self::prune(ctx, input).await,
            Place::Close => Self::close(ctx).await,
            Place::Done => Ok(Place::Done),
        }
    }

    async fn open(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput) -> Result<Place, Ending> {
        let walk = NewWalk {
            kind: WalkKind::Reconcile,
            tenant_id: input.tenant_id,
            dry_run: !input.apply,
            page_size: None,
            resume: false,
        };
        let options = patience::database(format!("open a walk: {}", input.summary()));
        let opened = ctx.execute_activity(WalkSteps::open_walk, walk, options).await?;
        ctx.state_mut(|s| s.state.progress.walk = Some(opened.walk));
        Ok(Place::Stage)
    }

    async fn stage(ctx: &mut WorkflowContext<Self>) -> Result<Place, Ending> {
        let of = WalkOf { walk: Self::walk(ctx)? };
        let options = patience::stripe(format!("stage page {} of walk {}", ctx.state(|s| s.state.pages) + 1, of.walk));
        let staged = ctx.execute_activity(WalkSteps::stage_page, of, options).await?;
        ctx.state_mut(|s| s.state.pages = staged.pages);
        Ok(if staged.done { Place::ReadAlone } else { Place::Stage })
    }

    async fn read_alone(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput) -> Result<Place, Ending> {
        let of = Self::drift_of(ctx, input)?;
        let options = patience::stripe(format!("read what no list of walk {} had", of.walk));
        let left = ctx.execute_activity(ReconcileSteps::read_alone, of, options).await?;
        Ok(if left.more { Place::ReadAlone } else { Place::Subscriptions(None) })
    }

    async fn subscriptions(
        ctx: &mut WorkflowContext<Self>,
        input: &ReconcileInput,
        after: Option<StripeSubscriptionId>,
    ) -> Result<Place, Ending> {
        let page = SubscriptionsAfter { of: Self::drift_of(ctx, input)?, after };
        let options = patience::database(format!("compare the next subscriptions with walk {}", page.of.walk));
        let next = ctx.execute_activity(ReconcileSteps::compare_subscriptions, page, options).await?;
        Ok(next.after.map_or(Place::Counts(None), |after| Place::Subscriptions(Some(after))))
    }

    async fn counts(
        ctx: &mut WorkflowContext<Self>,
        input: &ReconcileInput,
        after: Option<TenantId>,
    ) -> Result<Place, Ending> {
        let page = CountsAfter { of: Self::drift_of(ctx, input)?, after };
        let options = patience::database(format!("compare the next counts with walk {}", page.of.walk));
        let next = ctx.execute_activity(ReconcileSteps::compare_counts, page, options).await?;
        Ok(next.after.map_or(Place::Weigh, |after| Place::Counts(Some(after))))
    }

    /// Whether to repair. Where that is refused, what is too old is still deleted before the run fails.
    /// The events that were missed are not fed then, repair or no repair: their syncs would write the
    /// very zeros.
    async fn weigh(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput) -> Result<Place, Ending> {
        let of = Self::drift_of(ctx, input)?;
        let options = patience::database(format!("weigh what walk {} found", of.walk));
        let weighed = ctx.execute_activity(ReconcileSteps::weigh_drift, of, options).await?;
        let is_suspicious = !input.force && weighed.fall.is_suspicious();
        let is_refused = input.apply && is_suspicious;
        ctx.state_mut(|s| {
            s.state.progress.refused = is_refused.then_some(weighed.fall);
            s.state.drift = weighed.drift;
        });
        Ok(match (is_suspicious, input.apply) {
            (true, _) => Self::after_events(input),
            (false, true) => Place::Repair,
            (false, false) => Self::after_repair(input),
        })
    }

    async fn repair(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput) -> Result<Place, Ending> {
        let of = Self::drift_of(ctx, input)?;
        let options = patience::stripe(format!("repair the next finding of walk {}", of.walk));
        let left = ctx.execute_activity(ReconcileSteps::repair_drift, of, options).await?;
        Ok(if left.more { Place::Repair } else { Self::after_repair(input) })
    }

    /// One tenant has no events of its own to walk, and nothing to prune.
    fn after_repair(input: &ReconcileInput) -> Place {
        if input.tenant_id.is_some() { Place::Close } else { Place::Events }
    }

    fn after_events(input: &ReconcileInput) -> Place {
        if input.tenant_id.is_some() { Place::Close } else { Place::Prune }
    }

    /// Also where nothing is repaired: an event that comes late is no repair of ours.
    async fn events(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput) -> Result<Place, Ending> {
        let of = Self::drift_of(ctx, input)?;
        let options = patience::stripe(format!("feed the inbox what it lacks, for walk {}", of.walk));
        let walked = ctx.execute_activity(ReconcileSteps::walk_events, of, options).await?;
        ctx.state_mut(|s| s.state.progress.events_fed += walked.fed);
        Ok(if walked.more { Place::Events } else { Self::after_events(input) })
    }

    async fn prune(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput) -> Result<Place, Ending> {
        let of = Self::drift_of(ctx, input)?;
        let options = patience::database(format!("delete what is too old, at the end of walk {}", of.walk));
        let pruned = ctx.execute_activity(ReconcileSteps::prune_events, of, options).await?;
        ctx.state_mut(|s| s.state.progress.events_pruned += pruned.events);
        Ok(if pruned.more { Place::Prune } else { Place::Close })
    }

    async fn close(ctx: &mut WorkflowContext<Self>) -> Result<Place, Ending> {
        let of = WalkOf { walk: Self::walk(ctx)? };
        let options = patience::database(format!("close walk {}", of.walk));
        ctx.execute_activity(WalkSteps::close_walk, of, options).await?;
        Ok(Place::Done)
    }

    async fn conclude(ctx: &mut WorkflowContext<Self>, input: &ReconcileInput) -> Result<ReconcileResult, Ending> {
        let of = Self::drift_of(ctx, input)?;
        let options = patience::database(format!("weigh what walk {} has left", of.walk));
        let weighed = ctx.execute_activity(ReconcileSteps::weigh_drift, of, options).await?;
        let Weighed { drift, events_fed, events_pruned, .. } = weighed;
        ctx.state_mut(|s| {
            s.state.drift = drift.clone();
            s.state.progress = Progress { events_fed, events_pruned, ..s.state.progress.clone() };
        });
        Self::describe(ctx);
        match ctx.state(|s| s.state.progress.refused) {
            Some(fall) => Err(fall.refusal().into()),
            None => Ok(ReconcileResult { walk: Some(of.walk), drift, events_fed, events_pruned }),
        }
    }

    fn drift_of(ctx: &WorkflowContext<Self>, input: &ReconcileInput) -> Result<DriftOf, Ending> {
        Ok(DriftOf { walk: Self::walk(ctx)?, tenant_id: input.tenant_id })
    }

    /// An input that names a place beyond the first names the walk too, unless somebody made it up.
    fn walk(ctx: &WorkflowContext<Self>) -> Result<WalkId, Ending> {
        let missing = || {
            RunError::new(
                FailureKind::ValidationError,
                "progress: names a place and no walk; leave it out, and start it again",
            )
        };
        ctx.state(|s| s.state.progress.walk).ok_or_else(|| Ending::Failed(missing()))
    }

    fn record(ctx: &mut WorkflowContext<Self>, ending: &Ending) {
        let error = ending.told("cancelled; what was repaired stays so, so start it again for the rest");
        ctx.upsert_search_attributes([FAILURE_KIND.value_set(error.kind.clone())]);
        ctx.state_mut(|s| s.state.error = Some(error));
        Self::describe(ctx);
    }

    /// The markdown that stands on the run's page in the Temporal UI.
    fn describe(ctx: &WorkflowContext<Self>) {
        let page = details::Page::of(ctx, "all");
        let details = ctx.state(|s| details::reconcile::of(page, s.input.0.as_ref().ok(), &s.state));
        ctx.set_current_details(details);
    }
}
