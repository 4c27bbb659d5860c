//! Looking at a batch: which one is meant, and where it stands.

use std::time::Duration;

use domain::replay_batch::{ReplayBatchState, WORKFLOW_ID_PREFIX};
use temporalio_client::Client;
use workflows::ReplayBatch;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::Run;
use crate::runs::found::FoundRun;
use crate::runs::resolve;
use crate::temporal::TemporalConfig;

/// A query waits for a worker, perhaps for long.
const ONE_LOOK: Duration = Duration::from_secs(5);

/// The batch of that name, which may also be the beginning of it or the workflow's id.
pub(super) async fn find(client: &Client, temporal: &TemporalConfig, name: &str) -> Result<FoundRun, Failure> {
    let name = name.strip_prefix(WORKFLOW_ID_PREFIX).unwrap_or(name);
    resolve::latest(client, temporal, &format!("{WORKFLOW_ID_PREFIX}{name}")).await
}

/// Its name.
pub(super) fn name(run: &FoundRun) -> &str {
    run.workflow_id.strip_prefix(WORKFLOW_ID_PREFIX).unwrap_or(&run.workflow_id)
}

/// Where it stands. One that completed has left its answer; of any other a worker is asked, and
/// none is told where no worker answers.
pub(super) async fn state(client: &Client, temporal: &TemporalConfig, found: &FoundRun) -> Option<ReplayBatchState> {
    let run = Run {
        workflow_id: found.workflow_id.clone(),
        run_id: found.run_id.clone(),
        status: found.status,
        started: false,
        link: None,
    };
    let handle = run.handle::<ReplayBatch>(client, temporal);
    if found.status == "completed" {
        return handle.get_result(Default::default()).await.ok();
    }
    let asking = handle.query(ReplayBatch::state, (), Default::default());
    tokio::time::timeout(ONE_LOOK, asking).await.ok()?.ok()
}

/// The same, where nothing can be done without it.
pub(super) async fn known_state(
    client: &Client,
    temporal: &TemporalConfig,
    found: &FoundRun,
) -> Result<ReplayBatchState, Failure> {
    let message = format!("no worker says how far {} is", found.workflow_id);
    let silent = || Failure::new(Exit::Failed, message, "see that a worker runs, then run the same command again");
    state(client, temporal, found).await.ok_or_else(silent)
}
