//! `tenantry runs batch show`: who began a batch and why, and what became of each run.

use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;

use super::look;
use super::report::BatchReport;
use crate::completions::batch_names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ndjson::ReportFile;
use crate::output::Output;
use crate::run::Run;
use crate::runs::found::FoundRun;
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs batch show 20261122-075100-ab12
  tenantry runs batch show replay-batch-2026 --report runs.ndjson
  tenantry runs batch show monday --output json

Once the batch is over, a run that it did not wait for is looked up: what is shown of it holds now.";

/// Which batch.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The batch, by its name or its workflow id, or the beginning of it
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(batch_names))]
    name: String,
    /// Write one line of JSON for each run into this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Shows it.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let found = look::find(&client, &temporal, &args.name).await?;
    let file = args.report.as_deref().map(ReportFile::create).transpose()?;
    let state = look::known_state(&client, &temporal, &found).await?;
    let report = BatchReport::new((&client, &temporal), &as_run(&found), state).await?;
    output.print(&report);
    if let Some(file) = file {
        file.write(&report.items, "run the same command again")?;
    }
    Ok(Exit::Done)
}

/// The run, without what only a list says.
pub(super) fn as_run(found: &FoundRun) -> Run {
    let FoundRun { workflow_id, run_id, status, link, .. } = found;
    Run { workflow_id: workflow_id.clone(), run_id: run_id.clone(), status, started: false, link: link.clone() }
}
