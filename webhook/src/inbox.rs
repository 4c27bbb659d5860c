//! The way into the inbox: deliveries that come at the same time are committed together.
//!
//! One task writes. While it waits for Postgres, deliveries gather, and the next statement takes
//! all of them; so a delivery at rest is committed at once, and under load batches grow by
//! themselves. Each waiting delivery has its answer when its batch is committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::event::Subject;
use domain::failure::{Classify, Retry};
use domain::ids::EventId;
use service::hold_points::HoldPoints;
use store::{DueEvent, NewEvent, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::body::Paid;
use crate::dispatch::{Fresh, GRACE};
use crate::observe::Metrics;
use crate::refusal::Refusal;

/// Deliveries that may wait for the writer.
const QUEUE_MAX: usize = 1024;
/// What one statement takes at most, in rows and in bytes of payload.
const BATCH_ROWS_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How long one statement may take, connection included. One that is given up may still be
/// committed: Stripe delivers the event again, and it is there already.
const STATEMENT_PATIENCE: Duration = Duration::from_millis(900);
/// How often a Postgres that was away is asked for a sign of life.
const PROBE_PAUSE: Duration = Duration::from_millis(200);

/// What became of a delivery.
pub(crate) enum Verdict {
    /// Its row is committed, now or before.
    Taken,
    /// It was not stored, as far as we know.
    Refused(Refusal),
}

/// Where deliveries are put in.
#[derive(Clone)]
pub(crate) struct Inbox {
    queue: mpsc::Sender<Delivery>,
    postgres_is_away: Arc<AtomicBool>,
}

struct Delivery {
    event: NewEvent,
    waiting: Waiting,
}

/// Who waits for the answer, and the memory that is given back with it.
struct Waiting {
    answer: oneshot::Sender<Verdict>,
    _paid: Paid,
}

impl Inbox {
    /// Answers when the event is committed, or soon when it cannot be.
    pub(crate) async fn put(&self, event: NewEvent, paid: Paid) -> Verdict {
        if self.postgres_is_away.load(Ordering::Relaxed) {
            return Verdict::Refused(Refusal::PostgresAway);
        }
        let (answer, verdict) = oneshot::channel();
        let delivery = Delivery { event, waiting: Waiting { answer, _paid: paid } };
        if self.queue.try_send(delivery).is_err() {
            return Verdict::Refused(Refusal::Busy);
        }
        // Bounded by what the writer does: at most two statements, or its look for stragglers.
        verdict.await.unwrap_or(Verdict::Refused(Refusal::PostgresAway))
    }
}

/// The task that writes.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Delivery>,
    postgres_is_away: Arc<AtomicBool>,
    store: Store,
    fresh: Fresh,
    metrics: Metrics,
    hold_points: HoldPoints,
}

/// Postgres did not do it. Whether it did after all, nobody knows.
struct PostgresAway;

/// What a statement committed.
struct Committed {
    /// Those that were not there before, each with when it is due.
    new: BTreeMap<EventId, DateTime<Utc>>,
    /// Whether they are handed over from here; else they are due at once, for any relay.
    is_offered: bool,
}

/// Why one event, or a batch with it, was not stored.
enum Failure {
    Away,
    /// Postgres refuses the data.
    Data,
}

impl Writer {
    pub(crate) fn new(store: Store, fresh: Fresh, metrics: Metrics, hold_points: HoldPoints) -> (Inbox, Self) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let postgres_is_away = Arc::new(AtomicBool::new(false));
        let inbox = Inbox { queue: sender, postgres_is_away: postgres_is_away.clone() };
        (inbox, Self { queue, postgres_is_away, store, fresh, metrics, hold_points })
    }

    /// Writes until every [`Inbox`] is gone and what they left is written.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let batch = self.gather(first);
            if let Err(PostgresAway) = self.commit(batch).await {
                self.wait_for_postgres().await;
            }
        }
    }

    /// The first delivery, and whatever waits behind it already.
    fn gather(&mut self, first: Delivery) -> Vec<Delivery> {
        let mut bytes = first.event.payload.len();
        let mut batch = vec![first];
        while batch.len() < BATCH_ROWS_MAX && bytes < BATCH_BYTES_MAX {
            let Ok(next) = self.queue.try_recv() else { break };
            bytes += next.event.payload.len();
            batch.push(next);
        }
        batch
    }

    async fn commit(&self, batch: Vec<Delivery>) -> Result<(), PostgresAway> {
        self.metrics.batch(batch.len());
        self.hold_points.hold("before:insert").await;
        let (events, waiting): (Vec<_>, Vec<_>) = batch.into_iter().map(|it| (it.event, it.waiting)).unzip();
        match self.insert(&events).await {
            Ok(committed) => {
                self.hold_points.hold("after:insert").await;
                self.answer(events, waiting, committed);
                Ok(())
            }
            Err(Failure::Away) => {
                waiting.into_iter().for_each(|it| it.tell(Verdict::Refused(Refusal::PostgresAway)));
                Err(PostgresAway)
            }
            Err(Failure::Data) => self.commit_one_by_one(events, waiting).await,
        }
    }

    /// One row's data is wrong, and the others are not to blame.
    async fn commit_one_by_one(&self, events: Vec<NewEvent>, waiting: Vec<Waiting>) -> Result<(), PostgresAway> {
        let mut postgres = Ok(());
        for (event, waiting) in events.into_iter().zip(waiting) {
            if postgres.is_err() {
                waiting.tell(Verdict::Refused(Refusal::PostgresAway));
                continue;
            }
            match self.insert(std::slice::from_ref(&event)).await {
                Ok(committed) => self.answer(vec![event], vec![waiting], committed),
                Err(Failure::Data) => waiting.tell(Verdict::Refused(Refusal::Unstorable)),
                Err(Failure::Away) => {
                    waiting.tell(Verdict::Refused(Refusal::PostgresAway));
                    postgres = Err(PostgresAway);
                }
            }
        }
        postgres
    }

    async fn insert(&self, events: &[NewEvent]) -> Result<Committed, Failure> {
        let is_offered = self.fresh.will_take();
        let grace = if is_offered { GRACE } else { Duration::ZERO };
        match timeout(STATEMENT_PATIENCE, self.store.take_in(events, grace)).await {
            Ok(Ok(new)) => Ok(Committed { new: new.into_iter().collect(), is_offered }),
            Ok(Err(error)) => Err(failure(error)),
            Err(_) => {
                tracing::error!("Postgres did not take {} event(s) in time", events.len());
                Err(Failure::Away)
            }
        }
    }

    /// Tells each whether it was the one; an id that stands twice in a batch is stored once. Counted
    /// here, since a sender that hung up does not hear it. What was stored is offered to be handed
    /// over only after that.
    fn answer(&self, events: Vec<NewEvent>, waiting: Vec<Waiting>, mut committed: Committed) {
        for (NewEvent { envelope, .. }, waiting) in events.into_iter().zip(waiting) {
            let Some(due_again) = committed.new.remove(&envelope.id) else {
                self.metrics.duplicate();
                waiting.tell(Verdict::Taken);
                continue;
            };
            self.metrics.stored();
            waiting.tell(Verdict::Taken);
            match envelope.subject {
                Subject::Subscription(subscription) if committed.is_offered => {
                    self.fresh.offer(DueEvent { id: envelope.id, subscription, due_again });
                }
                Subject::Subscription(_) | Subject::Nobody(_) => {}
            }
        }
    }

    /// While Postgres is away, deliveries are refused before they get here; those that were on
    /// their way are refused here.
    async fn wait_for_postgres(&mut self) {
        self.postgres_is_away.store(true, Ordering::Relaxed);
        loop {
            while let Ok(late) = self.queue.try_recv() {
                late.waiting.tell(Verdict::Refused(Refusal::PostgresAway));
            }
            if self.queue.is_closed() || matches!(timeout(STATEMENT_PATIENCE, self.store.ping()).await, Ok(Ok(()))) {
                break;
            }
            sleep(PROBE_PAUSE).await;
        }
        self.postgres_is_away.store(false, Ordering::Relaxed);
        tracing::info!("Postgres answers; events are taken in again");
    }
}

impl Waiting {
    /// Whoever hung up meanwhile does not hear it.
    fn tell(self, verdict: Verdict) {
        let _ = self.answer.send(verdict);
    }
}

fn failure(error: store::Error) -> Failure {
    let retry = error.retry();
    let error = anyhow::Error::new(error);
    tracing::error!("an insert failed: {error:#}");
    match retry {
        Retry::Never => Failure::Data,
        Retry::Backoff | Retry::Spread => Failure::Away,
    }
}
