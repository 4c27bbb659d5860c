//! Which run is meant: an id, or as much of its beginning as no other id begins with.

use std::collections::BTreeSet;

use clap::builder::NonEmptyStringValueParser;
use clap_complete::engine::ArgValueCompleter;
use domain::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::names::{bulk_task_queue, search_attribute};
use domain::near::near;
use futures::TryStreamExt;
use temporalio_client::{Client, WorkflowExecutionDescription};
use uuid::Uuid;

use super::filter::{is, ours, quoted};
use super::found::{FoundRun, describe, not_listed};
use crate::completions::run_ids;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

/// Shown where several begin like that, or are near.
const SHOWN_MAX: usize = 10;
/// Of the newest runs, those in which a slip is looked for.
const NEAR_AMONG: usize = 1000;
/// A shell offers no more.
const OFFERED_MAX: usize = 100;

/// Names a run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    /// The workflow's id, or the beginning of it
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new(), add = ArgValueCompleter::new(run_ids))]
    pub(crate) id: String,
    /// An older run of it, not the latest
    #[arg(long = "run", value_name = "RUN_ID")]
    pub(crate) run: Option<Uuid>,
}

impl Which {
    /// The run, as the server describes it.
    pub(crate) async fn resolve(
        &self,
        client: &Client,
        temporal: &TemporalConfig,
    ) -> Result<WorkflowExecutionDescription, Failure> {
        let latest = resolve(client, temporal, &self.id).await?;
        let Some(run) = self.run.map(|run| run.to_string()).filter(|run| run != latest.run_id()) else {
            return Ok(latest);
        };
        let found = describe(client, temporal, latest.id(), Some(&run)).await?;
        found.ok_or_else(|| {
            let message = format!("{} has no run {run}, or had it too long ago", latest.id());
            Failure::new(Exit::NotFound, message, format!("tenantry runs show {} names those it has", latest.id()))
        })
    }
}

/// The latest run of the workflow id that begins like that.
pub(crate) async fn latest(client: &Client, temporal: &TemporalConfig, id: &str) -> Result<FoundRun, Failure> {
    Ok(FoundRun::new(&resolve(client, temporal, id).await?, temporal))
}

/// For a shell that completes what is typed. It is silent about what goes wrong.
pub(crate) async fn ids_beginning_with(prefix: &str) -> Vec<String> {
    let Ok(temporal) = TemporalConfig::from_env(lookup) else { return Vec::new() };
    let Ok(client) = temporal.connect().await else { return Vec::new() };
    let found = ids(&client, &temporal, &begins_with(prefix), OFFERED_MAX).await;
    found.map(|ids| ids.into_iter().collect()).unwrap_or_default()
}

async fn resolve(
    client: &Client,
    temporal: &TemporalConfig,
    id: &str,
) -> Result<WorkflowExecutionDescription, Failure> {
    if let Some(exact) = describe(client, temporal, id, None).await? {
        return refuse_foreign(exact, temporal);
    }
    let mut found = ids(client, temporal, &begins_with(id), SHOWN_MAX + 1).await?;
    match (found.pop_first(), found.is_empty()) {
        (Some(only), true) => {
            let gone = || Failure::new(Exit::NotFound, format!("{only} is gone"), "tenantry runs list");
            refuse_foreign(describe(client, temporal, &only, None).await?.ok_or_else(gone)?, temporal)
        }
        (Some(first), false) => {
            found.insert(first);
            Err(several(id, &found))
        }
        (None, _) => Err(none(client, temporal, id).await?),
    }
}

/// TEST and LIVE may share a namespace. Who means one is not shown the other.
fn refuse_foreign(
    run: WorkflowExecutionDescription,
    temporal: &TemporalConfig,
) -> Result<WorkflowExecutionDescription, Failure> {
    let (queue, ours) = (run.task_queue(), &temporal.task_queue);
    if queue == ours || queue == bulk_task_queue(ours) {
        return Ok(run);
    }
    let message = format!("{} is on the task queue {queue}, and these settings are for {ours}", run.id());
    Err(Failure::new(Exit::NotFound, message, "correct TEMPORAL_TASK_QUEUE, or the id"))
}

fn several(beginning: &str, found: &BTreeSet<String>) -> Failure {
    let shown: Vec<&str> = found.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let more = if found.len() > SHOWN_MAX { " and others" } else { "" };
    let message = format!("several workflow ids begin with {beginning}: {}{more}", shown.join(", "));
    Failure::new(Exit::Usage, message, "give more of the one that is meant")
}

async fn none(client: &Client, temporal: &TemporalConfig, id: &str) -> Result<Failure, Failure> {
    let message = format!("no run of a workflow whose id begins with {id}");
    let about = match about(id) {
        Some(query) => ids(client, temporal, &query, SHOWN_MAX).await?,
        None => BTreeSet::new(),
    };
    let meant: Vec<String> = if about.is_empty() {
        let newest = ids(client, temporal, "", NEAR_AMONG).await?;
        let with: Vec<String> = newest.iter().filter(|one| one.contains(id)).take(SHOWN_MAX).cloned().collect();
        let nearest = || near(id, newest.iter().map(String::as_str)).map(str::to_owned);
        if with.is_empty() { nearest().into_iter().collect() } else { with }
    } else {
        about.into_iter().collect()
    };
    let next = match meant.as_slice() {
        [] => "see which there are: tenantry runs list".to_owned(),
        meant => format!("did you mean {}?", meant.join(", ")),
    };
    Ok(Failure::new(Exit::NotFound, message, next))
}

/// Of an object's id, the runs that are about it.
fn about(id: &str) -> Option<String> {
    let name = if id.parse::<StripeCustomerId>().is_ok() {
        search_attribute::STRIPE_CUSTOMER_ID
    } else if id.parse::<StripeSubscriptionId>().is_ok() {
        search_attribute::STRIPE_SUBSCRIPTION_ID
    } else {
        id.parse::<TenantId>().ok()?;
        search_attribute::TENANT_ID
    };
    Some(is(name, id))
}

fn begins_with(prefix: &str) -> String {
    format!("WorkflowId STARTS_WITH {}", quoted(prefix))
}

/// The workflow ids of runs of ours that fit the query, at most so many.
async fn ids(
    client: &Client,
    temporal: &TemporalConfig,
    query: &str,
    limit: usize,
) -> Result<BTreeSet<String>, Failure> {
    let ours = ours(&temporal.task_queue);
    let query = if query.is_empty() { ours } else { format!("{ours} AND {query}") };
    let mut listed = client.list_workflows(query, Default::default());
    let mut ids = BTreeSet::new();
    while ids.len() < limit
        && let Some(run) = listed.try_next().await.map_err(|error| not_listed(&error, temporal))?
    {
        ids.insert(run.id().to_owned());
    }
    Ok(ids)
}
