//! Handing events to Temporal: fresh ones right after their commit, those that the relay finds, and
//! what is noted about both afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::ids::EventId;
use service::hold_points::HoldPoints;
use store::{DueEvent, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

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

/// Whether Temporal is thought to answer. Calls that find out otherwise close it; the relay, which
/// probes, opens it again.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it was open before.
    fn close(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn open(&self) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::info!("Temporal answers; events are handed over");
        }
    }
}

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
        let note = if self.gate.is_open() { self.signal(&event).await } else { Some(Outcome::Away) };
        if let Some(outcome) = note {
            // Unread only when the process ends; the lease ends then too.
            let _ = self.notes.send(Note { event: event.id, outcome }).await;
        }
    }

    /// One call, whatever the gate says: what is to be noted, and whether the gate closes.
    async fn signal(&self, event: &DueEvent) -> Option<Outcome> {
        self.hold_points.hold("before:dispatch").await;
        let result = self.temporal.signal(event).await;
        self.hold_points.hold("after:dispatch").await;
        let (label, outcome) = match &result {
            Ok(()) => ("ok", Some(Outcome::Dispatched)),
            Err(Trouble::Away(_)) => ("away", Some(Outcome::Away)),
            // Its lease is its pause.
            Err(Trouble::Busy(_)) => ("busy", None),
            Err(Trouble::Refused(_)) => ("refused", Some(Outcome::Refused)),
        };
        self.metrics.dispatched(label);
        match result {
            Ok(()) => {}
            Err(trouble @ Trouble::Away(_)) => {
                if self.gate.close() {
                    tracing::warn!("{trouble}; events are taken in and wait");
                }
            }
            Err(trouble @ (Trouble::Busy(_) | Trouble::Refused(_))) => {
                tracing::warn!(event_id = %event.id, "an event was not handed over: {trouble}");
            }
        }
        outcome
    }

    /// Tries one event while the gate is closed; whether Temporal answered.
    pub(crate) async fn probe(&self, event: DueEvent) -> bool {
        let outcome = self.signal(&event).await;
        let answered = outcome != Some(Outcome::Away);
        if let Some(outcome) = outcome {
            let _ = self.notes.send(Note { event: event.id, outcome }).await;
        }
        answered
    }

    /// Whether there is a connection at all.
    pub(crate) fn temporal(&self) -> &Temporal {
        &self.temporal
    }
}

/// What came of a call.
struct Note {
    event: EventId,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Temporal has it.
    Dispatched,
    /// Temporal will not have it.
    Refused,
    /// Temporal was not there.
    Away,
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
    let (dispatched, refused, away) = (of(Outcome::Dispatched), of(Outcome::Refused), of(Outcome::Away));
    if !dispatched.is_empty() {
        store.mark_dispatched(&dispatched, again).await?;
    }
    if !refused.is_empty() {
        store.mark_refused(&refused, again).await?;
    }
    if !away.is_empty() {
        store.release_due(&away).await?;
    }
    Ok(())
}
