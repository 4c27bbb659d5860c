//! Looking at a batch: which one is meant, and where it stands.

use std::time::Duration;

use domain::replay_batch::{ItemOutcome, ReplayBatchState, WORKFLOW_ID_PREFIX};
use futures::{StreamExt, TryStreamExt, stream};
use temporalio_client::Client;
use workflows::ReplayBatch;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::Run;
use crate::runs::found::{FoundRun, describe};
use crate::runs::resolve;
use crate::temporal::TemporalConfig;

/// A query waits for a worker, perhaps for long.
const ONE_LOOK: Duration = Duration::from_secs(5);

/// Described at the same time.
const AT_ONCE: usize = 16;

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

/// Those whose failed run is still the latest, and those that somebody has started again since: what
/// was decided about them then, such as a correction or a cancellation, is not to be undone.
pub(super) async fn still_failed(
    client: &Client,
    temporal: &TemporalConfig,
    items: Vec<ItemOutcome>,
) -> Result<(Vec<ItemOutcome>, Vec<ItemOutcome>), Failure> {
    let looked = stream::iter(items).map(|item| async move {
        let latest = describe(client, temporal, &item.workflow_id, None).await?;
        Ok((latest.is_some_and(|latest| latest.run_id() == item.failed_run_id), item))
    });
    let looked: Vec<(bool, ItemOutcome)> = looked.buffered(AT_ONCE).try_collect().await?;
    let (same, other): (Vec<_>, Vec<_>) = looked.into_iter().partition(|(is_latest, _)| *is_latest);
    let items = |of: Vec<(bool, ItemOutcome)>| of.into_iter().map(|(_, item)| item).collect();
    Ok((items(same), items(other)))
}
