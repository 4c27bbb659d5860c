//! Events say that a subscription changed; its rows come to say what Stripe says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::create_tenant::RunError;
use domain::ids::{EventId, StripeSubscriptionId};
use domain::steps::{EventsOf, FailedEvents, SyncSteps, SyncedSubscription};
use domain::sync_subscription::{Handled, SubscriptionEvent, SyncSubscriptionInput, SyncSubscriptionState};
use domain::untrusted::Untrusted;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult, workflows,
};

use crate::outcome::{Ending, termination};
use crate::search_attributes::{FAILURE_KIND, STRIPE_SUBSCRIPTION_ID, TENANT_ID};
use crate::{details, patience};

/// The server refuses a run's ten thousandth signal. Long before, the run begins anew.
const SIGNALS_MAX: u32 = 500;
/// Events settled by one read.
const BATCH_MAX: usize = 500;
/// Events handed to the next run of the chain. Those beyond come again: what is not settled is
/// handed over again by the relay.
const CARRIED_MAX: usize = 2_000;

/// `syncSubscriptionWorkflow`, one per subscription at a time. However many events wait, one read
/// serves all that were there before it began.
#[workflow]
pub struct SyncSubscription {
    input: Untrusted<SyncSubscriptionInput>,
    waiting: Vec<EventId>,
    signals: u32,
    /// When the step under way was first tried, in an earlier run of the chain perhaps.
    trying_since: Option<SystemTime>,
    state: SyncSubscriptionState,
}

/// What to do after a read.
enum Next {
    /// Nothing waits.
    Done,
    /// More events came meanwhile.
    Again,
    /// So many that the run begins anew first.
    Anew,
}

#[workflow_methods]
impl SyncSubscription {
    /// Takes whatever came.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: Untrusted<SyncSubscriptionInput>) -> Self {
        let (waiting, handled) =
            input.0.as_ref().map(|input| (input.waiting.clone(), input.handled)).unwrap_or_default();
        let state = SyncSubscriptionState { handled, ..SyncSubscriptionState::default() };
        let since = input.0.as_ref().ok().and_then(|input| input.trying_since);
        let trying_since = since.map(|millis| UNIX_EPOCH + Duration::from_millis(millis));
        Self { input, waiting, signals: 0, trying_since, state }
    }

    /// From events to rows.
    #[run(name = "syncSubscriptionWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Handled> {
        match Self::keep_up(ctx).await {
            Ok(None) => Ok(ctx.state(|s| s.state.handled)),
            Ok(Some(next)) => match ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())? {},
            Err(ending) => {
                Self::record(ctx, &ending);
                Err(termination(ending))
            }
        }
    }

    /// Something changed. A signal that cannot be read names no event, so there is nothing to lose.
    #[signal(name = "subscriptionEvent")]
    pub fn subscription_event(&mut self, _ctx: &mut SyncWorkflowContext<Self>, event: Untrusted<SubscriptionEvent>) {
        self.signals += 1;
        if let Ok(event) = event.0
            && !self.waiting.contains(&event.event_id)
        {
            self.waiting.push(event.event_id);
        }
    }

    /// Where it stands.
    #[query(name = "state")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> SyncSubscriptionState {
        SyncSubscriptionState { waiting: self.waiting.len(), ..self.state.clone() }
    }

    /// Reads until nothing waits. Answers the next run's input where one has to go on.
    async fn keep_up(ctx: &mut WorkflowContext<Self>) -> Result<Option<SyncSubscriptionInput>, Ending> {
        let subscription = ctx.state(|s| s.input.clone()).into_valid()?.stripe_subscription_id;
        ctx.upsert_search_attributes([STRIPE_SUBSCRIPTION_ID.value_set(subscription.to_string())]);
        loop {
            match Self::read(ctx, &subscription).await? {
                Next::Done => return Ok(None),
                Next::Again => {}
                Next::Anew => return Ok(Some(Self::next_input(ctx, subscription))),
            }
        }
    }

    fn next_input(
        ctx: &mut WorkflowContext<Self>,
        stripe_subscription_id: StripeSubscriptionId,
    ) -> SyncSubscriptionInput {
        let (mut waiting, handled, since) = ctx.state(|s| (s.waiting.clone(), s.state.handled, s.trying_since));
        waiting.truncate(CARRIED_MAX);
        let since = since.and_then(|since| since.duration_since(UNIX_EPOCH).ok());
        let trying_since = since.and_then(|since| u64::try_from(since.as_millis()).ok());
        SyncSubscriptionInput { stripe_subscription_id, waiting, handled, trying_since }
    }

    /// Takes up what waits, reads once for all of it, and looks what came meanwhile.
    async fn read(ctx: &mut WorkflowContext<Self>, subscription: &StripeSubscriptionId) -> Result<Next, Ending> {
        let (events, signals) = ctx.state_mut(|s| {
            let taken = s.waiting.len().min(BATCH_MAX);
            (s.waiting.drain(..taken).collect::<Vec<_>>(), s.signals)
        });
        Self::describe(ctx);
        let answer = Self::sync(ctx, subscription, &events).await;
        if !matches!(answer, Ok(None)) {
            // The next step has seven days of its own.
            ctx.state_mut(|s| s.trying_since = None);
        }
        match answer {
            Ok(Some(synced)) => Self::note(ctx, &synced),
            Ok(None) => Self::put_back(ctx, events),
            // What came meanwhile may be the news that mends it.
            Err(Ending::Failed(_)) if ctx.state(|s| s.signals > signals) => Self::put_back(ctx, events),
            Err(Ending::Failed(error)) => Self::fail(ctx, subscription, events, error).await?,
            // The events stay open; the relay hands them over again.
            Err(Ending::Cancelled) => return Err(Ending::Cancelled),
        }
        Self::describe(ctx);
        Ok(match ctx.state(|s| (s.waiting.is_empty(), s.signals >= SIGNALS_MAX)) {
            (true, _) => Next::Done,
            (false, false) => Next::Again,
            (false, true) => Next::Anew,
        })
    }

    /// The one step. While it waits for Stripe to come back, signals may fill the history: then it
    /// is ended without an answer, and the next run goes on with what is left of its seven days.
    async fn sync(
        ctx: &mut WorkflowContext<Self>,
        subscription: &StripeSubscriptionId,
        events: &[EventId],
    ) -> Result<Option<SyncedSubscription>, Ending> {
        let began = ctx.workflow_time().unwrap_or(UNIX_EPOCH);
        let since = ctx.state_mut(|s| *s.trying_since.get_or_insert(began));
        let tried = began.duration_since(since).unwrap_or_default();
        let flood = ctx.cancellation_token().child_token();
        let options = patience::ended_by(&flood, patience::stripe_after(tried, format!("sync {subscription}")));
        let of = EventsOf { stripe_subscription_id: subscription.clone(), event_ids: events.to_vec() };
        let mut step = ctx.execute_activity(SyncSteps::sync_subscription, of, options);
        workflows::select! {
            synced = step => return Ok(Some(synced?)),
            _ = ctx.wait_condition(|s| s.signals >= SIGNALS_MAX) => {}
        }
        // Too many signals, or the run is cancelled: either way the step under way ends first.
        flood.cancel();
        match step.await.map_err(Ending::from) {
            Err(Ending::Cancelled) if !ctx.cancellation_token().is_cancelled() => Ok(None),
            answer => answer.map(Some),
        }
    }

    fn note(ctx: &mut WorkflowContext<Self>, synced: &SyncedSubscription) {
        let known = ctx.state(|s| s.state.tenant_id);
        if let Some(tenant) = synced.tenant_id
            && known != Some(tenant)
        {
            ctx.upsert_search_attributes([TENANT_ID.value_set(tenant.to_string())]);
        }
        ctx.state_mut(|s| {
            s.state.tenant_id = synced.tenant_id.or(known);
            s.state.handled = s.state.handled.and(synced.handled);
        });
    }

    fn put_back(ctx: &mut WorkflowContext<Self>, events: Vec<EventId>) {
        ctx.state_mut(|s| {
            let news = std::mem::replace(&mut s.waiting, events);
            s.waiting.extend(news);
        });
    }

    /// Notes on the events why they could not be settled, and ends the run, unless more wait. With
    /// news among those, the failed ones have another chance too.
    async fn fail(
        ctx: &mut WorkflowContext<Self>,
        subscription: &StripeSubscriptionId,
        events: Vec<EventId>,
        error: RunError,
    ) -> Result<(), Ending> {
        let signals = ctx.state(|s| s.signals);
        let options = patience::database(format!("note {} failed events of {subscription}", events.len()));
        let of = EventsOf { stripe_subscription_id: subscription.clone(), event_ids: events.clone() };
        let failed = FailedEvents { of, error: error.clone() };
        ctx.execute_activity(SyncSteps::fail_events, failed, options).await?;
        let (is_done, has_news) = ctx.state(|s| (s.waiting.is_empty(), s.signals > signals));
        if is_done {
            return Err(Ending::Failed(error));
        }
        if has_news {
            Self::put_back(ctx, events);
        }
        Ok(())
    }

    fn record(ctx: &mut WorkflowContext<Self>, ending: &Ending) {
        let error = ending.told("cancelled; nothing to do, its open events come again");
        ctx.upsert_search_attributes([FAILURE_KIND.value_set(error.kind.clone())]);
        ctx.state_mut(|s| s.state.error = Some(error));
        Self::describe(ctx);
    }

    /// The markdown that stands on the run's page in the Temporal UI.
    fn describe(ctx: &WorkflowContext<Self>) {
        let page = details::Page::of(ctx, "not known yet");
        let details = ctx.state(|s| details::sync_subscription::of(page, s.waiting.len(), &s.state));
        ctx.set_current_details(details);
    }
}
