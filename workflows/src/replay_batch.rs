//! Failed runs are started again, some each second, and each is seen through to its end.
//!
//! Every item is a child workflow under its own old id, allowed only where the last run of that id
//! failed: so the server decides, at the moment of the start, and whoever else was faster wins. The
//! children outlive the batch, whatever becomes of it.

mod children;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::ids::TenantId;
use domain::names::front_task_queue;
use domain::replay::{BatchedInput, ReplayInput};
use domain::replay_batch::{
    Counts, Item, ItemOutcome, Outcome, ReplayBatchInput, ReplayBatchResult, ReplayBatchState, StartRate, Stop,
};
use domain::untrusted::Untrusted;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::common::WorkflowDefinition;
use temporalio_workflow::common::data_converters::TemporalDeserializable;
use temporalio_workflow::{
    ChildWorkflowOptions, ContinueAsNewOptions, ParentClosePolicy, SyncWorkflowContext, TimerOptions, TimerResult,
    WaitConditionOptions, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowIdReusePolicy,
    WorkflowResult, workflows,
};

use crate::create_tenant::CreateTenant;
use crate::details;
use crate::import_subscription::ImportSubscription;
use crate::outcome::{Ending, termination};
use crate::search_attributes::{self, FAILURE_KIND};

/// History events after which nothing more is begun and the run begins anew; an item costs up to
/// nine, the server warns at 10,240 and ends a run at 51,200.
const EVENTS_MAX: u32 = 4_000;
/// Items under way at once. No more than `join_all` polls in the order in which they were given.
const PLACES: usize = 30;
/// Between two lots of starts.
const SECOND: Duration = Duration::from_secs(1);

/// `replayBatchWorkflow`. It asks for nothing but starts of others: all that it knows is in its
/// history, so a worker may be killed anywhere.
#[workflow]
pub struct ReplayBatch {
    input: Untrusted<ReplayBatchInput>,
    /// What is to be started, in order; `begun` of them have been.
    items: Vec<Item>,
    begun: usize,
    /// How many may be begun before the next second.
    allowed: u32,
    /// Whether to begin nothing more because this run has become long.
    is_long: bool,
    /// The items that are waited for: which, and since when.
    waited_for: Vec<(usize, SystemTime)>,
    state: ReplayBatchState,
}

/// How the run's part of the batch ended.
enum Part {
    /// It is the end, or a stop.
    Last(ReplayBatchResult),
    /// There is more.
    More(ReplayBatchInput),
}

#[workflow_methods]
impl ReplayBatch {
    /// Takes whatever came.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: Untrusted<ReplayBatchInput>) -> Self {
        let (mut items, mut state) = (Vec::new(), ReplayBatchState::default());
        if let Ok(plan) = &input.0 {
            items = plan.items.iter().cloned().collect();
            state.operator = Some(plan.operator.clone());
            state.reason = plan.reason.clone();
            state.items = plan.carried.iter().cloned().chain(items.iter().map(ItemOutcome::of)).collect();
            state.counts = Counts::of(&state.items);
        }
        Self { input, items, begun: 0, allowed: 0, is_long: false, waited_for: Vec::new(), state }
    }

    /// From failed runs to runs that end.
    #[run(name = "replayBatchWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ReplayBatchResult> {
        match Self::replay(ctx).await {
            Ok(Part::Last(result)) => Ok(result),
            Ok(Part::More(next)) => match ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())? {},
            Err(ending) => {
                Self::record(ctx, &ending);
                Err(termination(ending))
            }
        }
    }

    /// Begin nothing more. Whatever the signal says.
    #[signal(name = "stop")]
    pub fn stop(&mut self, _ctx: &mut SyncWorkflowContext<Self>, by: Untrusted<Stop>) {
        self.state.stopping = true;
        self.state.stopped_by = self.state.stopped_by.take().or(by.0.unwrap_or_default().operator);
    }

    /// Where it stands.
    #[query(name = "state")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> ReplayBatchState {
        self.state.clone()
    }

    async fn replay(ctx: &mut WorkflowContext<Self>) -> Result<Part, Ending> {
        let input = ctx.state(|s| s.input.clone()).into_valid()?;
        Self::describe(ctx);
        // No child of the run's token: see `timer` in `clippy.toml`.
        let done = WorkflowCancellationToken::new();
        let places = async {
            let ended = workflows::join_all((0..PLACES).map(|_| Self::place(ctx))).await;
            done.cancel();
            ended.into_iter().collect::<Result<(), _>>()
        };
        let pace = Self::pace(ctx, input.rate, &done);
        let slow = Self::leave_the_slow(ctx, input.patience_secs.get(), &done);
        let (ended, (), ()) = workflows::join!(places, pace, slow);
        ended?;
        Self::describe(ctx);
        Ok(ctx.state(|s| s.part(input)))
    }

    /// A place for an item: takes the next one, sees it through, takes the next.
    async fn place(ctx: &WorkflowContext<Self>) -> Result<(), Ending> {
        loop {
            ctx.wait_condition(|s| s.allowed > 0 || s.has_begun_all()).await?;
            // What is so is told before a cancellation is.
            if ctx.cancellation_token().is_cancelled() {
                return Err(Ending::Cancelled);
            }
            let Some((place, item)) = ctx.state_mut(Self::next) else { return Ok(()) };
            Self::see_through(ctx, place, item).await?;
            Self::describe(ctx);
        }
    }

    async fn see_through(ctx: &WorkflowContext<Self>, place: usize, item: Item) -> Result<(), Ending> {
        let options = Self::options(ctx, &item);
        match item.input {
            BatchedInput::CreateTenant(input) => {
                Self::child(ctx, place, (CreateTenant::run, input.into()), options, |ended| ended.tenant_id).await
            }
            BatchedInput::ImportSubscription(input) => {
                Self::child(ctx, place, (ImportSubscription::run, input.into()), options, |ended| ended.tenant_id).await
            }
        }
    }

    /// Starts it and waits for its end, or until it has been waited for long enough.
    async fn child<W>(
        ctx: &WorkflowContext<Self>,
        place: usize,
        (workflow, input): (W, W::Input),
        options: ChildWorkflowOptions,
        tenant: fn(&W::Output) -> TenantId,
    ) -> Result<(), Ending>
    where
        W: WorkflowDefinition + 'static,
        W::Output: TemporalDeserializable,
    {
        let started = match ctx.start_child_workflow(workflow, input, options).await {
            Ok(started) => started,
            Err(error) => {
                ctx.state_mut(|s| s.settle(place, children::not_started(&error)));
                return Ok(());
            }
        };
        let now = ctx.workflow_time().unwrap_or(UNIX_EPOCH);
        ctx.state_mut(|s| s.runs(place, started.run_id.clone(), now));
        let mut ended = started.result();
        workflows::select! {
            ended = ended => ctx.state_mut(|s| s.settle(place, children::ended(ended.map(|ended| tenant(&ended))))),
            left = ctx.wait_condition(|s| !s.waits_for(place)) => left?,
        }
        Ok(())
    }

    /// A token of their own keeps the children from being cancelled with the batch.
    fn options(ctx: &WorkflowContext<Self>, item: &Item) -> ChildWorkflowOptions {
        let input = ReplayInput::from(item.input.clone());
        ChildWorkflowOptions::builder()
            .workflow_id(item.workflow_id.clone())
            .task_queue(input.task_queue(front_task_queue(ctx.task_queue())))
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
            .parent_close_policy(ParentClosePolicy::Abandon)
            .cancellation_token(WorkflowCancellationToken::new())
            .static_summary(input.summary())
            .search_attributes(search_attributes::of(&input.named()))
            .build()
    }

    /// Lets some begin each second, so that neither Stripe nor other work is flooded.
    async fn pace(ctx: &WorkflowContext<Self>, rate: StartRate, done: &WorkflowCancellationToken) {
        loop {
            let is_long = ctx.history_length() >= EVENTS_MAX || ctx.continue_as_new_suggested();
            ctx.state_mut(|s| (s.is_long, s.allowed) = (is_long, rate.get()));
            let used_up = Self::until(ctx, done, |s| s.allowed == 0 || s.has_begun_all()).await;
            if !used_up || ctx.state(Self::has_begun_all) || !Self::sleep(ctx, done, SECOND, "the next may begin").await
            {
                return;
            }
        }
    }

    /// Frees the places of items that do not end: what they wait for may take days.
    async fn leave_the_slow(ctx: &WorkflowContext<Self>, patience: Duration, done: &WorkflowCancellationToken) {
        while Self::until(ctx, done, |s| !s.waited_for.is_empty()).await {
            let now = ctx.workflow_time().unwrap_or(UNIX_EPOCH);
            let first = ctx.state(|s| s.waited_for.iter().map(|(_, since)| *since).min()).unwrap_or(now);
            let left = patience.saturating_sub(now.duration_since(first).unwrap_or_default());
            if left.is_zero() {
                ctx.state_mut(|s| s.waited_for.retain(|(_, since)| *since > first));
            } else if !Self::sleep(ctx, done, left, "long enough for the first").await {
                return;
            }
        }
    }

    /// Whether that came to be before the places were done.
    async fn until(
        ctx: &WorkflowContext<Self>,
        done: &WorkflowCancellationToken,
        condition: impl FnMut(&Self) -> bool,
    ) -> bool {
        let options = WaitConditionOptions::builder().cancellation_token(done.clone()).build();
        ctx.wait_condition_with_options(condition, options).await.is_ok()
    }

    /// Whether the time passed before the places were done.
    #[expect(clippy::disallowed_methods, reason = "`done` is no child of the run's token")]
    async fn sleep(ctx: &WorkflowContext<Self>, done: &WorkflowCancellationToken, time: Duration, until: &str) -> bool {
        let timer = TimerOptions::builder(time).cancellation_token(done.clone()).summary(until.to_owned()).build();
        ctx.timer(timer).await == TimerResult::Fired
    }

    fn record(ctx: &mut WorkflowContext<Self>, ending: &Ending) {
        let error = ending.told("cancelled; what was started goes on, and resume starts the rest");
        ctx.upsert_search_attributes([FAILURE_KIND.value_set(error.kind.clone())]);
        ctx.state_mut(|s| s.state.error = Some(error));
        Self::describe(ctx);
    }

    /// The markdown that stands on the run's page in the Temporal UI.
    fn describe(ctx: &WorkflowContext<Self>) {
        let page = details::Page::of(ctx, "those of its runs");
        let details = ctx.state(|s| details::replay_batch::of(page, &s.state));
        ctx.set_current_details(details);
    }
}

/// What is known of the items. Nothing here waits.
impl ReplayBatch {
    fn has_begun_all(&self) -> bool {
        self.state.stopping || self.is_long || self.begun == self.items.len()
    }

    /// The next item and its number, if one may be begun.
    fn next(&mut self) -> Option<(usize, Item)> {
        if self.has_begun_all() {
            return None;
        }
        let place = self.begun;
        self.allowed = self.allowed.saturating_sub(1);
        self.begun += 1;
        Some((place, self.items[place].clone()))
    }

    /// Its new run is under way.
    fn runs(&mut self, place: usize, run_id: String, now: SystemTime) {
        self.waited_for.push((place, now));
        self.note(place, Some(run_id), Outcome::Running);
    }

    /// It has ended, or was not begun because somebody else was faster.
    fn settle(&mut self, place: usize, outcome: Outcome) {
        self.waited_for.retain(|(waited_for, _)| *waited_for != place);
        self.note(place, None, outcome);
    }

    fn waits_for(&self, place: usize) -> bool {
        self.waited_for.iter().any(|(waited_for, _)| *waited_for == place)
    }

    /// Behind what earlier runs of the job settled.
    fn note(&mut self, place: usize, run_id: Option<String>, outcome: Outcome) {
        let carried = self.state.items.len() - self.items.len();
        let item = &mut self.state.items[carried + place];
        item.run_id = run_id.or(item.run_id.take());
        item.outcome = outcome;
        self.state.counts = Counts::of(&self.state.items);
    }

    /// All that is known where nothing is left to begin, else the next run's input.
    fn part(&self, input: ReplayBatchInput) -> Part {
        let rest: Vec<Item> = self.items[self.begun..].to_vec();
        match rest.try_into() {
            Ok(items) if !self.state.stopping => {
                let begun = self.state.items.len() - self.items.len() + self.begun;
                Part::More(ReplayBatchInput { items, carried: self.state.items[..begun].to_vec(), ..input })
            }
            Ok(_) | Err(_) => Part::Last(self.state.clone()),
        }
    }
}
