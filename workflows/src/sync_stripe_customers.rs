//! Stripe's customers and subscriptions come to the tenants that have their e-mails.

use std::pin::Pin;

use domain::import_customers::{ImportPhase, ImportState, Stop, SyncStripeCustomersInput, SyncStripeCustomersResult};
use domain::steps::{FollowUp, ImportSteps, NewWalk, Staged, Task, WalkOf, WalkSteps};
use domain::untrusted::Untrusted;
use domain::walk::{WalkId, WalkKind};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityOptions, ContinueAsNewOptions, SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, workflows,
};

use crate::outcome::{Ending, termination};
use crate::search_attributes::{FAILURE_KIND, TENANT_ID};
use crate::{details, patience};

/// History events after which the run begins anew; the server warns at 10,240 and ends it at 51,200.
const EVENTS_MAX: u32 = 4_000;

/// `syncStripeCustomersWorkflow`. How far it is stands in the database, step by step, so that it can
/// be stopped, begin anew or be killed anywhere and goes on where it was.
#[workflow]
pub struct SyncStripeCustomers {
    input: Untrusted<SyncStripeCustomersInput>,
    /// Ends the step under way, where that waits for an outage to pass.
    stop: WorkflowCancellationToken,
    state: ImportState,
}

/// Whether to go on with the next step.
enum Next {
    /// Go on.
    Step,
    /// A person asked it to stop.
    Stop,
    /// In another run, because this one has become long.
    Anew,
}

/// A step that was begun.
type UnderWay<'a> = Pin<Box<dyn Future<Output = Result<(), Ending>> + 'a>>;

/// How the run's part of the import ended.
enum Part {
    /// It is the end, or a stop.
    Last(SyncStripeCustomersResult),
    /// There is more.
    More(SyncStripeCustomersInput),
}

#[workflow_methods]
impl SyncStripeCustomers {
    /// Takes whatever came.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: Untrusted<SyncStripeCustomersInput>) -> Self {
        let carried = input.0.as_ref().ok().and_then(|input| input.carried.clone());
        let stop = WorkflowCancellationToken::new();
        Self { input, stop, state: carried.map(|state| *state).unwrap_or_default() }
    }

    /// From lists to rows.
    #[run(name = "syncStripeCustomersWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<SyncStripeCustomersResult> {
        match Self::import(ctx).await {
            Ok(Part::Last(result)) => Ok(result),
            Ok(Part::More(next)) => match ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())? {},
            Err(ending) => {
                Self::record(ctx, &ending);
                Err(termination(ending))
            }
        }
    }

    /// End after the attempt under way, so that it can be resumed. Whatever the signal says.
    #[signal(name = "stop")]
    pub fn stop(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Untrusted<Stop>) {
        self.state.stopping = true;
        self.stop.cancel();
    }

    /// How far it is.
    #[query(name = "state")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> ImportState {
        self.state.clone()
    }

    async fn import(ctx: &mut WorkflowContext<Self>) -> Result<Part, Ending> {
        let input = ctx.state(|s| s.input.clone()).into_valid()?;
        if let Some(tenant) = input.tenant_id {
            ctx.upsert_search_attributes([TENANT_ID.value_set(tenant.to_string())]);
        }
        // A stop that came before the run began has cancelled the one that this replaces.
        let stop = ctx.cancellation_token().child_token();
        ctx.state_mut(|s| s.stop = stop);
        let walk = match ctx.state(|s| s.state.walk) {
            Some(walk) => walk,
            None => Self::open(ctx, &input).await?,
        };
        loop {
            match Self::next(ctx) {
                Next::Step => match Self::step(ctx, walk).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    // The next look sees why.
                    Err(Ending::Cancelled) if Self::was_told_to_stop(ctx) => {}
                    Err(ending) => return Err(ending),
                },
                Next::Stop => return Ok(Part::Last(Self::result(ctx, &input, walk, true))),
                Next::Anew => {
                    let carried = Some(Box::new(ctx.state(|s| s.state.clone())));
                    return Ok(Part::More(SyncStripeCustomersInput { carried, ..input }));
                }
            }
        }
        let options = patience::database(format!("end import {walk}"));
        ctx.execute_activity(WalkSteps::close_walk, WalkOf { walk }, options).await?;
        Ok(Part::Last(Self::result(ctx, &input, walk, false)))
    }

    fn was_told_to_stop(ctx: &WorkflowContext<Self>) -> bool {
        ctx.state(|s| s.state.stopping) && !ctx.cancellation_token().is_cancelled()
    }

    fn next(ctx: &WorkflowContext<Self>) -> Next {
        if ctx.state(|s| s.state.stopping) {
            return Next::Stop;
        }
        let is_long = ctx.history_length() >= EVENTS_MAX || ctx.continue_as_new_suggested();
        if is_long { Next::Anew } else { Next::Step }
    }

    async fn open(ctx: &mut WorkflowContext<Self>, input: &SyncStripeCustomersInput) -> Result<WalkId, Ending> {
        let new = NewWalk {
            kind: WalkKind::Import,
            tenant_id: input.tenant_id,
            dry_run: input.dry_run,
            page_size: input.page_size,
            resume: input.resume,
        };
        let options = patience::database(format!("begin the import of {}", input.summary()));
        let opened = ctx.execute_activity(WalkSteps::open_walk, new, options).await?;
        ctx.state_mut(|s| {
            s.state.walk = Some(opened.walk);
            s.state.resumed = opened.resumed;
            s.state.started_at = Some(opened.started_at);
            s.state.phase = ImportPhase::Reading;
        });
        Self::note_staged(ctx, &opened.staged);
        Ok(opened.walk)
    }

    /// One step of the phase that it is in. Answers whether there is another.
    async fn step(ctx: &mut WorkflowContext<Self>, walk: WalkId) -> Result<bool, Ending> {
        let (phase, pages) = ctx.state(|s| (s.state.phase, s.state.pages));
        match phase {
            ImportPhase::Opening | ImportPhase::Reading => {
                let options =
                    Self::stoppable(ctx, patience::stripe(format!("read page {} of import {walk}", pages + 1)));
                let staged = ctx.execute_activity(WalkSteps::stage_page, WalkOf { walk }, options).await?;
                Self::note_staged(ctx, &staged);
            }
            ImportPhase::Judging => {
                let options = Self::stoppable(
                    ctx,
                    patience::database(format!("find the next tenants' customers for import {walk}")),
                );
                let judged = ctx.execute_activity(ImportSteps::judge_tenants, WalkOf { walk }, options).await?;
                Self::enter_if(ctx, judged.done, ImportPhase::Writing);
                ctx.state_mut(|s| s.state.progress = judged.progress);
            }
            ImportPhase::Writing => {
                let options =
                    Self::stoppable(ctx, patience::long_database(format!("write the next tenants of import {walk}")));
                let written = ctx.execute_activity(ImportSteps::import_tenants, WalkOf { walk }, options).await?;
                Self::enter_if(ctx, written.done, ImportPhase::FollowingUp);
                ctx.state_mut(|s| s.state.progress = written.progress);
            }
            ImportPhase::FollowingUp => Self::follow_up(ctx, walk).await?,
            ImportPhase::Done => return Ok(false),
        }
        Self::describe(ctx);
        Ok(true)
    }

    /// Some tags or second reads, side by side: the queue's rate is what holds them back.
    async fn follow_up(ctx: &mut WorkflowContext<Self>, walk: WalkId) -> Result<(), Ending> {
        let options =
            Self::stoppable(ctx, patience::database(format!("look what import {walk} has left to tag and to read")));
        let left = ctx.execute_activity(ImportSteps::list_follow_ups, WalkOf { walk }, options).await?;
        ctx.state_mut(|s| s.state.progress = left.progress);
        Self::enter_if(ctx, left.next.is_empty(), ImportPhase::Done);
        let under_way: Vec<_> = left.next.into_iter().map(|of| Self::one_follow_up(ctx, of)).collect();
        for done in workflows::join_all(under_way).await {
            done?;
        }
        Ok(())
    }

    fn one_follow_up(ctx: &WorkflowContext<Self>, of: FollowUp) -> UnderWay<'_> {
        let id = &of.stripe_subscription_id;
        match of.task {
            Task::Tag => {
                let options = Self::stoppable(ctx, patience::stripe(format!("tag {id}")));
                let tag = ctx.execute_activity(ImportSteps::tag_imported, of, options);
                Box::pin(async { Ok(tag.await?) })
            }
            Task::Read => {
                let options = Self::stoppable(ctx, patience::stripe(format!("read {id} again")));
                let read = ctx.execute_activity(ImportSteps::read_imported, of, options);
                Box::pin(async { Ok(read.await?) })
            }
        }
    }

    /// Nobody who stops an import is to wait until Stripe is back.
    fn stoppable(ctx: &WorkflowContext<Self>, options: ActivityOptions) -> ActivityOptions {
        patience::ended_by(&ctx.state(|s| s.stop.clone()), options)
    }

    fn note_staged(ctx: &mut WorkflowContext<Self>, staged: &Staged) {
        ctx.state_mut(|s| (s.state.pages, s.state.rows) = (staged.pages, staged.rows));
        Self::enter_if(ctx, staged.done, ImportPhase::Judging);
    }

    fn enter_if(ctx: &mut WorkflowContext<Self>, is_done: bool, phase: ImportPhase) {
        if is_done {
            ctx.state_mut(|s| s.state.phase = phase);
        }
    }

    fn result(
        ctx: &WorkflowContext<Self>,
        input: &SyncStripeCustomersInput,
        walk: WalkId,
        resumable: bool,
    ) -> SyncStripeCustomersResult {
        ctx.state(|s| SyncStripeCustomersResult {
            walk,
            dry_run: input.dry_run,
            resumed: s.state.resumed,
            resumable,
            pages: s.state.pages,
            rows: s.state.rows,
            progress: s.state.progress,
        })
    }

    fn record(ctx: &mut WorkflowContext<Self>, ending: &Ending) {
        let error = ending.told("cancelled; start it again with resume to go on where it was");
        ctx.upsert_search_attributes([FAILURE_KIND.value_set(error.kind.clone())]);
        ctx.state_mut(|s| s.state.error = Some(error));
        Self::describe(ctx);
    }

    /// The markdown that stands on the run's page in the Temporal UI.
    fn describe(ctx: &WorkflowContext<Self>) {
        let page = details::Page::of(ctx, "all");
        let details = ctx.state(|s| details::sync_stripe_customers::of(page, s.input.0.as_ref().ok(), &s.state));
        ctx.set_current_details(details);
    }
}
