//! `tenantry runs batch list`: the newest batches, and how far each is.

use chrono::{DateTime, Utc};
use clap::value_parser;
use domain::replay_batch::{Counts, ReplayBatchState};
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;

use super::look;
use super::report::{in_words, stands};
use crate::events::age;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::run::STATUSES;
use crate::runs::filter::Filter;
use crate::runs::found::{FoundRun, find};
use crate::runs::workflow_type::WorkflowType;
use crate::screen;
use crate::settings::lookup;
use crate::table::Table;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs batch list
  tenantry runs batch list --limit 100 --output json";

/// Asked at the same time.
const AT_ONCE: usize = 8;

/// How many.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Show no more than this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

/// The newest batches.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Batches {
    batches: Vec<Listed>,
    /// Whether there are older ones.
    more: bool,
}

/// One of them.
#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    name: String,
    workflow_id: String,
    run_id: String,
    #[schemars(extend("enum" = STATUSES))]
    status: &'static str,
    started_at: DateTime<Utc>,
    operator: Option<String>,
    reason: Option<String>,
    /// Whether it was told to stop.
    stopping: bool,
    /// None where no worker says how far it is.
    counts: Option<Counts>,
    link: Option<String>,
}

/// Lists them.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let filter = Filter { types: vec![WorkflowType::ReplayBatch], ..Filter::default() };
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = find(&client, &temporal, &filter, Some(limit), output).await?;
    let asked = stream::iter(found.runs).map(|run| {
        let (client, temporal) = (&client, &temporal);
        async move {
            let state = look::state(client, temporal, &run).await;
            Listed::new(run, state)
        }
    });
    let batches = asked.buffered(AT_ONCE).collect().await;
    output.print(&Batches { batches, more: found.more });
    Ok(Exit::Done)
}

impl Listed {
    fn new(run: FoundRun, state: Option<ReplayBatchState>) -> Self {
        let name = look::name(&run).to_owned();
        let FoundRun { workflow_id, run_id, status, started_at, link, .. } = run;
        let counts = state.as_ref().map(|state| state.counts);
        let ReplayBatchState { operator, reason, stopping, .. } = state.unwrap_or_default();
        let (operator, reason) = (operator.map(String::from), reason.map(String::from));
        Self { name, workflow_id, run_id, status, started_at, operator, reason, stopping, counts, link }
    }
}

impl Report for Batches {
    fn text(&self) -> String {
        if self.batches.is_empty() {
            return "no batches; `tenantry runs replay --failed` begins one".to_owned();
        }
        let mut table = Table::new(&["batch", "status", "age", "operator", "runs"]).status(1);
        for Listed { name, status, started_at, operator, stopping, counts, .. } in &self.batches {
            let status = counts.as_ref().map_or(*status, |counts| stands(status, *stopping, counts));
            let counts = counts.as_ref().map_or_else(|| "no worker answers".to_owned(), in_words);
            let operator = operator.clone().unwrap_or_default();
            table.push(vec![name.clone(), status.to_owned(), age(*started_at), operator, counts]);
        }
        let more = if self.more { "\n\nThere are older ones; see them with --limit." } else { "" };
        format!("{}{more}", table.on(screen::width()))
    }
}
