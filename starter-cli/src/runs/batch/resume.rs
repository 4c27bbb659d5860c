//! `tenantry runs batch resume`: goes on with a batch, with what it has not started.
//!
//! The inputs stand in the history of its latest run; what became of the others is carried along, so
//! that the batch shows all of it again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;
use domain::replay_batch::{BatchName, ItemOutcome, Items, Outcome, ReplayBatchInput, ReplayBatchState, StartRate};
use domain::untrusted;
use temporalio_client::Client;

use super::finish::Begun;
use super::plan::failed_runs;
use super::report::{BatchReport, Replayed};
use super::start::{Named, start};
use super::{look, show};
use crate::completions::batch_names;
use crate::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ndjson::ReportFile;
use crate::operator::By;
use crate::output::Output;
use crate::runs::found::FoundRun;
use crate::runs::history;
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs batch resume 20261122-075100-ab12
  tenantry runs batch resume monday --rate 10 --yes --report runs.ndjson

What was not started is, under the same name. Runs that failed again are not among them: `tenantry runs
replay --failed` takes those. A batch that runs is left alone (exit code 4).";

/// Which batch.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The batch, by its name or its workflow id, or the beginning of it
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(batch_names))]
    name: String,
    #[command(flatten)]
    by: By,
    /// How many runs to start a second, 1 to 100; without it, as many as before
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    rate: Option<StartRate>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Only start it: do not wait until it has ended
    #[arg(long, conflicts_with = "report")]
    no_wait: bool,
    /// Write one line of JSON for each run into this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Goes on with it.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let found = look::find(&client, &temporal, &args.name).await?;
    let name: BatchName = look::name(&found).parse().map_err(|error| unreadable(&found, &format!("{error}")))?;
    if found.status == "running" {
        let message = format!("{} runs; there is nothing to resume", found.workflow_id);
        return Err(Failure::new(Exit::Refused, message, format!("tenantry runs batch show {name}")));
    }
    let state = look::known_state(&client, &temporal, &found).await?;
    let Some(input) = args.rest(&client, &temporal, &found, &state).await? else {
        let batch = BatchReport::new((&client, &temporal), &show::as_run(&found), state).await?;
        if let Some(file) = args.report.as_deref().map(ReportFile::create).transpose()? {
            file.write(&batch.items, "run the same command again")?;
        }
        output.print(&Replayed { started: false, batch: Some(batch), skipped: Vec::new() });
        if output == Output::Text {
            eprintln!("all of it was started; there is nothing to resume");
        }
        return Ok(Exit::Done);
    };
    if !args.yes && !confirmed(&name, input.items.iter().count())? {
        output.print(&Replayed { started: false, batch: None, skipped: Vec::new() });
        return Ok(Exit::Done);
    }
    let file = args.report.as_deref().map(ReportFile::create).transpose()?;
    let (run, interrupts) = start(&client, &temporal, (&name, Named::Again), input, output).await?;
    let begun = Begun { client: &client, temporal: &temporal, run, output, skipped: Vec::new() };
    if args.no_wait { begun.leave(interrupts).await } else { begun.finish(interrupts, file).await }
}

fn confirmed(name: &BatchName, count: usize) -> Result<bool, Failure> {
    let what = format!("{} would be started again", failed_runs(count));
    confirm::refuse_unasked(&what, &format!("`tenantry runs batch show {name}`"))?;
    Ok(confirm::said_yes(&format!("{what}."), "Start them?"))
}

impl Args {
    /// The batch with what it has not started; none where that is nothing.
    async fn rest(
        &self,
        client: &Client,
        temporal: &TemporalConfig,
        found: &FoundRun,
        state: &ReplayBatchState,
    ) -> Result<Option<ReplayBatchInput>, Failure> {
        if state.items.is_empty() {
            return Err(unreadable(found, "it never said which runs are its"));
        }
        let (waiting, mut carried): (Vec<ItemOutcome>, Vec<ItemOutcome>) =
            state.items.iter().cloned().partition(|item| item.outcome == Outcome::NotStarted);
        let (waiting, overtaken) = look::still_failed(client, temporal, waiting).await?;
        carried.extend(overtaken.into_iter().map(|item| ItemOutcome { outcome: Outcome::NotFailed, ..item }));
        let waiting: BTreeSet<&str> = waiting.iter().map(|item| item.workflow_id.as_str()).collect();
        if waiting.is_empty() {
            return Ok(None);
        }
        let was = history::input(client, temporal, &found.workflow_id, &found.run_id).await?;
        let was: ReplayBatchInput = untrusted::parse(was).map_err(|why| unreadable(found, &why))?;
        let rest: Vec<_> =
            was.items.iter().filter(|item| waiting.contains(item.workflow_id.as_str())).cloned().collect();
        let items: Items = rest.try_into().map_err(|error| unreadable(found, &format!("{error}")))?;
        Ok(Some(ReplayBatchInput {
            operator: self.by.operator()?,
            reason: self.by.reason.clone().or(was.reason),
            rate: self.rate.unwrap_or(was.rate),
            items,
            carried,
            ..was
        }))
    }
}

fn unreadable(found: &FoundRun, why: &str) -> Failure {
    let message = format!("{} cannot be resumed: {why}", found.workflow_id);
    Failure::new(Exit::Refused, message, "tenantry runs replay --failed")
}
