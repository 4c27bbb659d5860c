//! The relay: whatever of the inbox is due is handed over, again and again, until a sync settles
//! it. Every instance runs one; leases in the table keep them out of each other's way.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use service::program::Stop;
use store::{DueEvent, Error, Store, StrandedPurchase};
use tokio::time::sleep;

use crate::dispatch::Dispatcher;
use crate::observe::Metrics;

/// Between two looks that found less than a page.
const IDLE: Duration = Duration::from_secs(1);
/// Events that are taken up at a time, and how long nobody else takes them.
const PAGE: u16 = 256;
const LEASE: Duration = Duration::from_secs(30);
/// How long no other relay starts the same stranded purchase.
const STRANDED_LEASE: Duration = Duration::from_secs(30);
/// How often Temporal is tried while it is away: later and later, up to this.
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_LAST: Duration = Duration::from_secs(5);
/// Between two counts of what waits.
const DEPTH_PAUSE: Duration = Duration::from_secs(3);

/// One instance's relay.
pub(crate) struct Relay {
    pub(crate) store: Store,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stranded_after: Duration,
}

impl Relay {
    /// Works until it is told to stop; what it has taken up then, it finishes.
    pub(crate) async fn run(self, mut stop: Stop) {
        let mut connected = self.dispatcher.temporal().client.clone();
        let mut probe_pause = PROBE_FIRST;
        loop {
            let pause = if self.dispatcher.gate().is_open() {
                probe_pause = PROBE_FIRST;
                self.round().await
            } else {
                self.probe(&mut probe_pause).await
            };
            tokio::select! {
                () = stop.signalled() => return,
                // The first connection is news. The sender goes away once it has sent.
                Ok(()) = connected.changed() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// One page, and the stranded; answers how long to wait.
    async fn round(&self) -> Duration {
        self.start_stranded().await;
        let due = self.claim(PAGE).await;
        let is_full = due.len() == usize::from(PAGE);
        stream::iter(due).for_each_concurrent(None, |event| self.dispatcher.relay(event)).await;
        if is_full { Duration::ZERO } else { IDLE }
    }

    /// Tries one event that is due, since only that shows that hand-overs work. With nothing due
    /// there is nothing to keep back, and the next event will tell.
    async fn probe(&self, pause: &mut Duration) -> Duration {
        if !self.dispatcher.temporal().is_connected() {
            return IDLE;
        }
        let answered = match self.claim(1).await.pop() {
            Some(event) => self.dispatcher.probe(event).await,
            None => true,
        };
        if answered {
            self.dispatcher.gate().open();
            return Duration::ZERO;
        }
        let now = *pause;
        *pause = (now * 2).min(PROBE_LAST);
        now
    }

    async fn claim(&self, limit: u16) -> Vec<DueEvent> {
        readable("events that are due", self.store.claim_due(limit, LEASE).await)
    }

    async fn start_stranded(&self) {
        match self.store.look_again(self.stranded_after).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "no tenant has come for these parked events; looking again"),
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::warn!("parked events could not be looked at again: {error:#}");
            }
        }
        let claimed = self.store.claim_stranded(STRANDED_LEASE).await;
        for purchase in readable("stranded purchases", claimed) {
            self.start(purchase).await;
        }
    }

    /// Starts an onboarding that the store never started. Where Temporal has nothing to say to it,
    /// the purchase comes again when its lease ends.
    async fn start(&self, purchase: StrandedPurchase) {
        let customer = purchase.customer.clone();
        let onboarding = match self.dispatcher.temporal().onboard(purchase.clone()).await {
            Ok(onboarding) => onboarding,
            Err(trouble) => {
                tracing::warn!(%customer, "a stranded purchase was not started: {trouble}");
                return;
            }
        };
        let workflow_id = onboarding.workflow_id;
        if onboarding.is_ours {
            tracing::warn!(%customer, workflow_id, "nobody had started this purchase's onboarding; started it");
        } else {
            tracing::info!(%customer, workflow_id, "this purchase's onboarding was started meanwhile");
        }
        if let Err(error) = self.store.clear_stranded(&purchase).await {
            let error = anyhow::Error::new(error);
            tracing::warn!(%customer, "that an onboarding was started could not be noted: {error:#}");
        }
    }
}

/// What a claim gave, with a word about what cannot be used.
fn readable<T>(what: &str, claimed: Result<Vec<Result<T, Error>>, Error>) -> Vec<T> {
    let rows = claimed.unwrap_or_else(|error| vec![Err(error)]);
    let warn = |error| {
        let error = anyhow::Error::new(error);
        tracing::warn!("{what} could not be read: {error:#}");
    };
    rows.into_iter().filter_map(|row| row.map_err(warn).ok()).collect()
}

/// Keeps the gauges of the inbox up to date for as long as the process lives.
pub(crate) async fn watch_depth(store: Store, metrics: Metrics) {
    loop {
        let began = Instant::now();
        // What cannot be asked now is asked again; that Postgres is away is said elsewhere.
        if let Ok(depths) = store.inbox_depth().await {
            depths.into_iter().for_each(|depth| metrics.depth(depth));
        }
        // A count that takes long is not to become all that Postgres does.
        sleep(DEPTH_PAUSE + began.elapsed() * 10).await;
    }
}
