//! One run: so many connections, each sending its next event when the last one is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::connection::Connection;
use super::delivery::Deliveries;
use crate::histogram::Histogram;

/// When a run is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Before the measurement, so that pools are filled and code is compiled.
    pub(crate) warm_up: Duration,
    /// The measurement itself.
    pub(crate) measured: Duration,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From a request's first byte to its answer's last, of those that were answered 2xx within the
    /// window.
    pub(crate) times: Histogram,
    /// How long the window was: shorter than asked for when the events ran out.
    pub(crate) window: Duration,
    /// The places of all events that were answered 2xx, those of the warm-up included.
    pub(crate) acknowledged: Vec<usize>,
    /// How many were answered anything else.
    pub(crate) refused: u64,
}

impl Outcome {
    /// Events per second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.total() as f64 / self.window.as_secs_f64()
    }

    fn add(&mut self, other: Self) {
        self.times.merge(&other.times);
        self.window = self.window.min(other.window);
        self.acknowledged.extend(other.acknowledged);
        self.refused += other.refused;
    }
}

/// Sends from that many connections until the window is over.
///
/// One thread sends everything: the cores are for the receiver and Postgres.
pub(crate) fn run(
    address: &str,
    connections: usize,
    deliveries: Deliveries,
    window: Window,
) -> Result<(Outcome, Deliveries)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = Arc::new((deliveries, AtomicUsize::new(0)));
    let outcome = runtime.block_on(send_all(address, connections, shared.clone(), window))?;
    let (deliveries, _) = Arc::into_inner(shared).context("a sender is still at it")?;
    Ok((outcome, deliveries))
}

async fn send_all(
    address: &str,
    connections: usize,
    shared: Arc<(Deliveries, AtomicUsize)>,
    window: Window,
) -> Result<Outcome> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let began = Instant::now() + window.warm_up;
    let mut senders = JoinSet::new();
    for connection in open {
        senders.spawn(send(connection, shared.clone(), began, began + window.measured));
    }
    let mut outcome = Outcome { window: window.measured, ..Outcome::default() };
    while let Some(sender) = senders.join_next().await {
        outcome.add(sender??);
    }
    Ok(outcome)
}

async fn send(
    mut connection: Connection,
    shared: Arc<(Deliveries, AtomicUsize)>,
    began: Instant,
    end: Instant,
) -> Result<Outcome> {
    let (deliveries, next) = &*shared;
    let mut request = deliveries.buffer();
    let mut outcome = Outcome { window: end - began, ..Outcome::default() };
    loop {
        let asked = Instant::now();
        let place = next.fetch_add(1, Ordering::Relaxed);
        if asked >= end || place >= deliveries.len() {
            outcome.window = asked.min(end).saturating_duration_since(began);
            return Ok(outcome);
        }
        deliveries.write(&mut request, place);
        let asked = Instant::now();
        let status = connection.ask(request.bytes()).await?;
        let answered = Instant::now();
        if !(200..300).contains(&status) {
            outcome.refused += 1;
            continue;
        }
        outcome.acknowledged.push(place);
        if answered >= began && answered < end {
            outcome.times.record(answered - asked);
        }
    }
}
