//! Following an import to its end. The first Ctrl-C asks it to stop after the page under way, the
//! second leaves it to itself.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use domain::import_customers::{Stop, SyncStripeCustomersResult};
use temporalio_client::{Client, WorkflowHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use workflows::SyncStripeCustomers;

use super::progress::Progress;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::Run;
use crate::temporal::TemporalConfig;
use crate::wait::{self, Ended};

const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// A query waits for a worker, perhaps for long.
const ONE_LOOK: Duration = Duration::from_secs(3);

type Import = WorkflowHandle<Client, SyncStripeCustomers>;

/// How the import ended, whichever run of its chain that was in.
pub(super) async fn until_ended(
    run: &Run,
    client: &Client,
    temporal: &TemporalConfig,
    progress: Progress,
) -> Result<Ended<SyncStripeCustomersResult>, Failure> {
    let interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot listen for Ctrl-C: {error}"), "try again"))?;
    // The result is that of the chain which this run began; questions go to whichever run is its last.
    let chain = run.handle::<SyncStripeCustomers>(client, temporal);
    let latest = client.get_workflow_handle::<SyncStripeCustomers>(&run.workflow_id);
    let ended = tokio::select! {
        ended = chain.get_result(Default::default()) => wait::outcome(ended, temporal),
        () = interrupted_twice(interrupts, &latest, &progress) => Err(left(run, temporal)),
        never = show(&latest, &progress) => match never {},
    };
    progress.end();
    ended
}

async fn show(latest: &Import, progress: &Progress) -> Infallible {
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let asking = latest.query(SyncStripeCustomers::state, (), Default::default());
        match tokio::time::timeout(ONE_LOOK, asking).await {
            Ok(Ok(state)) => progress.show(&state, Instant::now()),
            Ok(Err(_)) | Err(_) => progress.say("no worker answers; it goes on as soon as one runs"),
        }
    }
}

async fn interrupted_twice(mut interrupts: Signal, latest: &Import, progress: &Progress) {
    interrupts.recv().await;
    match latest.signal(SyncStripeCustomers::stop, Stop::default().into(), Default::default()).await {
        Ok(()) => progress.note("it stops after the step under way; Ctrl-C again leaves it to itself"),
        Err(error) => progress.note(&format!("it could not be told to stop: {error}; Ctrl-C again leaves it running")),
    }
    interrupts.recv().await;
}

fn left(run: &Run, temporal: &TemporalConfig) -> Failure {
    let message = format!("{} was left before its end (run {}); what it does goes on", run.workflow_id, run.run_id);
    Failure::new(Exit::Failed, message, wait::follow(temporal, &run.workflow_id, &run.run_id))
}
