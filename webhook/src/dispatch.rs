//! Handing events to Temporal: fresh ones right after their commit, those that the relay finds, and
//! what is noted about both afterwards.

use std::sync::Arc;
use std::time::Duration;

use service::hold_points::HoldPoints;
use store::{DueEvent, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::gate::Gate;
use crate::observe::Metrics;
use crate::temporal::{Temporal, Trouble};

/// Calls of Temporal at once, fresh events and the relay's together.
const CALLS_MAX: usize = 16;
/// Fresh events that wait for a call. What does not fit is left to the relay.
const FRESH_MAX: usize = 2048;
/// Outcomes that wait to be noted, and those that one statement notes.
const NOTES_MAX: usize = 1024;
const NOTES_AT_ONCE: usize = 256;
/// How often it is tried to note them, and the pause after each try.
const NOTE_TRIES: u32 = 4;
const NOTE_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a call that got no answer, doubled with each try.
const UNANSWERED_PAUSE: Duration = Duration::from_secs(2);

/// Where fresh events are offered.
pub(crate) struct Fresh {
    queue: mpsc::Sender<DueEvent>,
    gate: Gate,
}

impl Fresh {
    /// Whether what is inserted next will be handed over from here. Asked once for each insert, so
    /// that an event is either offered or left to the relays from the start.
    pub(crate) fn will_take(&self) -> bool {
        self.gate.is_open()
    }

    /// Never waits: what does not fit stays in the inbox, where the relay finds it.
    pub(crate) fn offer(&self, event: DueEvent) {
        let _ = self.queue.try_send(event);
    }
}

/// How long relays leave an event to the instance that took it in.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Makes the calls.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    temporal: Temporal,
    gate: Gate,
    calls: Arc<Semaphore>,
    notes: mpsc::Sender<Note>,
    metrics: Metrics,
    hold_points: HoldPoints,
}

impl Dispatcher {
    /// The dispatcher, and what reads its notes.
    pub(crate) fn new(temporal: Temporal, metrics: Metrics, hold_points: HoldPoints) -> (Self, Notes) {
        let (notes, queue) = mpsc::channel(NOTES_MAX);
        let (gate, calls) = (Gate::default(), Arc::new(Semaphore::new(CALLS_MAX)));
        (Self { temporal, gate, calls, notes, metrics, hold_points }, Notes(queue))
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Where fresh events go, and the task that hands them over until nobody offers any more and
    /// all are through.
    pub(crate) fn fresh(&self) -> (Fresh, impl Future<Output = ()> + use<>) {
        let (sender, mut queue) = mpsc::channel::<DueEvent>(FRESH_MAX);
        let dispatcher = self.clone();
        let run = async move {
            let calls = dispatcher.calls.clone();
            let mut under_way = tokio::task::JoinSet::new();
            while let Some(event) = queue.recv().await {
                // The semaphore is never closed.
                let Ok(call) = calls.clone().acquire_owned().await else { return };
                let dispatcher = dispatcher.clone();
                under_way.spawn(async move { dispatcher.hand_over_fresh(event, call).await });
                while under_way.try_join_next().is_some() {}
            }
            under_way.join_all().await;
        };
        (Fresh { queue: sender, gate: self.gate.clone() }, run)
    }

    async fn hand_over_fresh(&self, event: DueEvent, call: OwnedSemaphorePermit) {
        self.hold_points.hold("after:ack").await;
        self.hand_over(event, call).await;
    }

    /// Hands over one event of the relay's, when a call is free.
    pub(crate) async fn relay(&self, event: DueEvent) {
        if let Ok(call) = self.calls.clone().acquire_owned().await {
            self.hand_over(event, call).await;
        }
    }

    /// Calls, and notes what came of it. With the gate closed the event goes back at once.
    async fn hand_over(&self, event: DueEvent, _call: OwnedSemaphorePermit) {
        let outcome = if self.gate.is_open() { self.signal(&event).await } else { Outcome::Away };
        self.tell(event, outcome).await;
    }

    /// Tries one event while the gate is closed; whether Temporal answered.
    pub(crate) async fn probe(&self, event: DueEvent) -> bool {
        let outcome = self.signal(&event).await;
        self.tell(event, outcome).await;
        outcome.is_an_answer()
    }

    /// One call, whatever the gate says; closes it where nobody's would have been better.
    async fn signal(&self, event: &DueEvent) -> Outcome {
        self.hold_points.hold("before:dispatch").await;
        let result = self.temporal.signal(event).await;
        self.hold_points.hold("after:dispatch").await;
        let outcome = match &result {
            Ok(()) => Outcome::Dispatched,
            Err(Trouble::Busy(_)) => Outcome::Busy,
            Err(Trouble::Refused(_)) => Outcome::Refused,
            Err(Trouble::Away(_)) => Outcome::Away,
            Err(Trouble::Unprepared(_)) => Outcome::Unprepared,
            Err(Trouble::Unanswered(_)) if self.is_everybodys_silence(event).await => Outcome::Away,
            Err(Trouble::Unanswered(_)) => Outcome::Unanswered,
        };
        if outcome.is_an_answer() {
            self.gate.answered();
        }
        self.metrics.dispatched(outcome.label());
        if let Err(trouble) = result {
            self.warn(event, outcome, &trouble);
        }
        outcome
    }

    /// Whether a call that got no answer says something about all others. While the gate is closed
    /// it does: no event is to pay for that with its own backoff.
    async fn is_everybodys_silence(&self, event: &DueEvent) -> bool {
        self.gate.not_answered(&event.subscription) || !self.temporal.answers().await || !self.gate.is_open()
    }

    fn warn(&self, event: &DueEvent, outcome: Outcome, trouble: &Trouble) {
        match outcome {
            Outcome::Away | Outcome::Unprepared if self.gate.close(outcome.label()) => {
                tracing::warn!("{trouble}; events are taken in and wait");
            }
            Outcome::Away | Outcome::Unprepared | Outcome::Dispatched => {}
            Outcome::Busy | Outcome::Refused | Outcome::Unanswered => {
                tracing::warn!(event_id = %event.id, "an event was not handed over: {trouble}");
            }
        }
    }

    /// Has it noted. Unread only when the process ends; the lease ends then too.
    async fn tell(&self, event: DueEvent, outcome: Outcome) {
        let _ = self.notes.send(Note { event, outcome }).await;
    }

    /// Whether there is a connection at all.
    pub(crate) fn temporal(&self) -> &Temporal {
        &self.temporal
    }
}

/// What came of a call.
struct Note {
    event: DueEvent,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Temporal has it.
    Dispatched,
    /// Temporal will not have it.
    Refused,
    /// Temporal has too much to do. The lease is the pause.
    Busy,
    /// There was no answer about this one.
    Unanswered,
    /// Temporal was not there.
    Away,
    /// Temporal was there for nobody.
    Unprepared,
}

impl Outcome {
    /// One word, for the metric.
    fn label(self) -> &'static str {
        match self {
            Self::Dispatched => "ok",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Unanswered => "unanswered",
            Self::Away => "away",
            Self::Unprepared => "unprepared",
        }
    }

    fn is_an_answer(self) -> bool {
        match self {
            Self::Dispatched | Self::Refused | Self::Busy => true,
            Self::Unanswered | Self::Away | Self::Unprepared => false,
        }
    }
}

/// What is to be noted in the inbox.
pub(crate) struct Notes(mpsc::Receiver<Note>);

impl Notes {
    /// Notes, many at a time, until every [`Dispatcher`] is gone.
    pub(crate) async fn run(mut self, store: Store, again: Duration) {
        let mut notes = Vec::with_capacity(NOTES_AT_ONCE);
        while self.0.recv_many(&mut notes, NOTES_AT_ONCE).await > 0 {
            patiently(&store, &notes, again).await;
            notes.clear();
        }
    }
}

/// Tries for as long as a short outage lasts. What is not noted then comes again when its lease
/// ends, and is handed over twice, which does no harm.
async fn patiently(store: &Store, notes: &[Note], again: Duration) {
    for _ in 0..NOTE_TRIES {
        let Err(error) = note(store, notes, again).await else { return };
        let error = anyhow::Error::new(error);
        tracing::warn!("what was handed over could not be noted: {error:#}");
        tokio::time::sleep(NOTE_PAUSE).await;
    }
}

async fn note(store: &Store, notes: &[Note], again: Duration) -> Result<(), store::Error> {
    let of = |outcome| {
        let of_it = notes.iter().filter(move |note| note.outcome == outcome);
        of_it.map(|note| note.event.clone()).collect::<Vec<_>>()
    };
    let (dispatched, refused) = (of(Outcome::Dispatched), of(Outcome::Refused));
    let (unanswered, away) = (of(Outcome::Unanswered), [of(Outcome::Away), of(Outcome::Unprepared)].concat());
    if !dispatched.is_empty() {
        store.mark_dispatched(&dispatched, again).await?;
    }
    if !refused.is_empty() {
        store.put_off(&refused, again).await?;
    }
    if !unanswered.is_empty() {
        store.put_off(&unanswered, UNANSWERED_PAUSE).await?;
    }
    if !away.is_empty() {
        store.release_due(&away).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use service::telemetry::Telemetry;
    use temporalio_client::callback_based::{CallbackBasedGrpcService, GrpcRequest, GrpcSuccessResponse};
    use temporalio_client::tonic::Status;
    use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, Url};
    use tokio::sync::watch;

    use super::*;

    /// A Temporal that says this about every subscription that is called stuck, and takes the rest.
    async fn temporal(stuck: Status, lives: bool) -> Temporal {
        let callback = move |request: GrpcRequest| {
            let is_stuck = request.proto.windows(9).any(|bytes| bytes == b"sub_stuck");
            let answer = match request.rpc.as_str() {
                "GetSystemInfo" if !lives => Err(Status::not_found("nobody")),
                _ if is_stuck => Err(stuck.clone()),
                _ => Ok(GrpcSuccessResponse { headers: Default::default(), proto: Vec::new() }),
            };
            Box::pin(std::future::ready(answer)) as futures::future::BoxFuture<'static, _>
        };
        let mut options = ConnectionOptions::new(Url::parse("http://127.0.0.1:1").expect("a URL"))
            .service_override(CallbackBasedGrpcService { callback: Arc::new(callback) })
            .dns_load_balancing(None)
            .build();
        options.set_skip_get_system_info(true);
        let connection = Connection::connect(options).await.expect("a connection");
        let client = Client::new(connection, ClientOptions::new("default").build()).expect("a client");
        Temporal { client: watch::channel(Some(client)).1, task_queue: "queue".to_owned() }
    }

    fn event(subscription: &str) -> DueEvent {
        let id = format!("evt_{subscription}").parse().expect("an id");
        DueEvent { id, subscription: subscription.parse().expect("an id"), due_again: Utc::now() }
    }

    /// What becomes of events about these subscriptions, one after the other, and whether the gate
    /// is open afterwards.
    async fn check(temporal: Temporal, expected: &[(&str, Outcome)], open: bool) {
        let metrics = Metrics::new(&Telemetry::start().expect("metrics"));
        let hold_points = HoldPoints::from_env(|_| None, false).expect("none");
        let (dispatcher, _notes) = Dispatcher::new(temporal, metrics, hold_points);
        dispatcher.gate().open();
        for (n, (subscription, outcome)) in expected.iter().enumerate() {
            assert_eq!(dispatcher.signal(&event(subscription)).await, *outcome, "call {n}, {subscription}");
        }
        assert_eq!(dispatcher.gate().is_open(), open, "{expected:?}");
    }

    const OTHER: (&str, Outcome) = ("sub_other", Outcome::Dispatched);

    #[tokio::test]
    async fn one_workflow_out_of_reach_keeps_no_other_back() {
        let stuck = ("sub_stuck1", Outcome::Unanswered);
        let also_stuck = ("sub_stuck2", Outcome::Unanswered);
        let temporal = temporal(Status::deadline_exceeded("no answer"), true).await;
        check(temporal, &[stuck, stuck, stuck, OTHER, stuck, also_stuck, OTHER, also_stuck, stuck], true).await;
    }

    #[tokio::test]
    async fn several_workflows_out_of_reach_in_a_row_are_everybody() {
        let calls =
            [("sub_stuck1", Outcome::Unanswered), ("sub_stuck2", Outcome::Unanswered), ("sub_stuck3", Outcome::Away)];
        check(temporal(Status::unavailable("shard"), true).await, &calls, false).await;
    }

    #[tokio::test]
    async fn without_a_sign_of_life_one_call_is_enough() {
        check(temporal(Status::unavailable("gone"), false).await, &[("sub_stuck1", Outcome::Away)], false).await;
    }

    /// That it is busy is its answer, and not tried again until it looks like silence.
    #[tokio::test]
    async fn a_throttled_workflow_is_an_answer() {
        let busy = |n| (["sub_stuck1", "sub_stuck2", "sub_stuck3", "sub_stuck4"][n], Outcome::Busy);
        let calls = [busy(0), busy(1), busy(2), busy(3), OTHER];
        check(temporal(Status::resource_exhausted("too much"), true).await, &calls, true).await;
    }

    #[tokio::test]
    async fn what_is_missing_for_all_closes_the_gate_and_what_one_event_is_blamed_for_does_not() {
        let calls = |outcome| [("sub_stuck1", outcome)];
        for everybodys in [
            Status::invalid_argument("Namespace default has no mapping defined for search attribute TenantId"),
            Status::not_found("Namespace nowhere is not found."),
            Status::permission_denied("no"),
        ] {
            check(temporal(everybodys, true).await, &calls(Outcome::Unprepared), false).await;
        }
        check(temporal(Status::invalid_argument("too long"), true).await, &calls(Outcome::Refused), true).await;
    }
}
