//! The webhook shim: what Stripe delivers is verified, recorded, answered, and handed to Temporal.
//!
//! It answers 200 when the event is committed and not before. Temporal may be away meanwhile: the
//! event waits in the inbox, and the relay hands it over. What it leaves out: what an event means
//! for a subscription, which a sync reads at Stripe.

mod body;
mod config;
mod dispatch;
mod gate;
mod inbox;
mod listener;
mod observe;
mod receive;
mod refusal;
mod relay;
mod startup;
mod temporal;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use service::admin::{self, Readiness};
use service::hold_points::HoldPoints;
use service::program::{self, Stop};
use service::settings::lookup;
use service::telemetry::Telemetry;
use store::{AccountRow, Store};
use temporalio_client::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::body::Memory;
use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::inbox::Writer;
use crate::observe::Metrics;
use crate::receive::Reception;
use crate::relay::Relay;
use crate::temporal::Temporal;

/// When the process ends whatever is still under way; orchestrators kill after 30 seconds.
const DRAIN_DEADLINE: Duration = Duration::from_secs(25);

fn main() -> ExitCode {
    program::run(serve)
}

#[tokio::main]
async fn serve() -> Result<()> {
    let wrong = |error: String| anyhow!("ConfigurationError: {error}");
    let config = Config::from_env(lookup).map_err(|error| wrong(error.to_string()))?;
    service::temporal::settings().map_err(wrong)?;
    let hold_points =
        HoldPoints::from_env(lookup, config.base.is_loopback()).map_err(|error| wrong(error.to_string()))?;
    let telemetry = Telemetry::start().context("failed to start the metrics")?;
    let readiness = admin::serve(config.shim.admin_addr, &telemetry).await?;
    let mut stop = Stop::listen()?;
    let store = Store::of_the_inbox(&config.database, config.master);
    let account = tokio::select! {
        () = stop.signalled() => return Ok(()),
        account = startup::check(&config, &store) => account?,
    };
    let listener = listener::bind(config.shim.webhook_addr).await?;
    let shim = Shim { store, metrics: Metrics::new(&telemetry), hold_points, config, account };
    let client = shim.connect(telemetry, readiness.clone());
    let mut tasks = shim.start(client, listener, &stop);
    stop.signalled().await;
    readiness.close();
    tracing::info!("draining: no new delivery is taken, those under way are finished");
    let drained = async { while tasks.join_next().await.is_some() {} };
    match tokio::time::timeout(DRAIN_DEADLINE, drained).await {
        Ok(()) => tracing::info!("drained"),
        Err(_) => tracing::warn!("not everything was handed over in time; a relay will find it"),
    }
    Ok(())
}

/// What has been checked and can be put to work.
struct Shim {
    config: Config,
    account: AccountRow,
    store: Store,
    metrics: Metrics,
    hold_points: HoldPoints,
}

impl Shim {
    /// Looks for Temporal in the background: events are taken in meanwhile.
    fn connect(&self, telemetry: Telemetry, readiness: Readiness) -> watch::Receiver<Option<Client>> {
        let (sender, client) = watch::channel(None);
        let store = self.store.clone();
        readiness.open(store.clone(), None);
        tokio::spawn(async move {
            match service::temporal::connect(&telemetry).await {
                Ok(client) => {
                    readiness.open(store, client.clone());
                    sender.send_replace(Some(client));
                }
                Err(error) => tracing::error!("{error:#}; events wait in the inbox"),
            }
        });
        client
    }

    /// Starts everything. The tasks end one after the other, each when what it is fed by has: the
    /// listener, the writer, the hand-over of what is fresh, the notes.
    fn start(self, client: watch::Receiver<Option<Client>>, listener: TcpListener, stop: &Stop) -> JoinSet<()> {
        let Self { config, account, store, metrics, hold_points } = self;
        let temporal = Temporal { client, task_queue: config.task_queue };
        let (dispatcher, notes) = Dispatcher::new(temporal, metrics.clone(), hold_points.clone());
        let (fresh, hand_over) = dispatcher.fresh();
        let (inbox, writer) = Writer::new(store.clone(), fresh, metrics.clone(), hold_points);
        let reception =
            Reception { webhook: config.webhook, account, memory: Memory::new(), inbox, metrics: metrics.clone() };
        let relay = Relay { store: store.clone(), dispatcher, stranded_after: config.shim.stranded_after };
        let mut tasks = JoinSet::new();
        tasks.spawn(notes.run(store.clone(), config.shim.redispatch_after));
        tasks.spawn(hand_over);
        tasks.spawn(writer.run());
        tasks.spawn(relay.run(stop.clone()));
        tasks.spawn(listener::serve(listener, receive::router(reception), stop.clone()));
        tokio::spawn(relay::watch_depth(store, metrics));
        tasks
    }
}
