//! `tenantry runs batch stop`: has a batch start nothing more.

use clap_complete::engine::ArgValueCompleter;
use domain::replay_batch::Stop;
use schemars::JsonSchema;
use serde::Serialize;
use temporalio_client::errors::WorkflowInteractionError;
use workflows::ReplayBatch;

use super::look;
use crate::completions::batch_names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::runs::found::{FoundRun, not_answered};
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs batch stop 20261122-075100-ab12
  tenantry runs batch stop monday --operator ann

What it has started goes on, and is waited for. `tenantry runs batch resume` starts the rest. A batch
that is over is left as it is (exit code 4).";

/// Which batch.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The batch, by its name or its workflow id, or the beginning of it
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(batch_names))]
    name: String,
    /// Who stops it, for the record; without it, your login name
    #[arg(long, value_name = "WHO", value_parser = crate::operator::requester)]
    operator: Option<domain::change_license::Requester>,
}

/// It was told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stopping {
    name: String,
    workflow_id: String,
    run_id: String,
    stopping: bool,
}

/// Stops it.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let found = look::find(&client, &temporal, &args.name).await?;
    if found.status != "running" {
        return Err(over(&found));
    }
    // Of whichever run of its chain is under way.
    let handle = client.get_workflow_handle::<ReplayBatch>(&found.workflow_id);
    let by = Stop { operator: args.operator.or_else(crate::operator::login) };
    match handle.signal(ReplayBatch::stop, by.into(), Default::default()).await {
        Ok(()) => {}
        Err(WorkflowInteractionError::NotFound(_)) => return Err(over(&found)),
        Err(error) => return Err(not_answered(&error, &temporal)),
    }
    let name = look::name(&found).to_owned();
    let FoundRun { workflow_id, run_id, .. } = found;
    output.print(&Stopping { name, workflow_id, run_id, stopping: true });
    Ok(Exit::Done)
}

fn over(found: &FoundRun) -> Failure {
    let name = look::name(found);
    let message = format!("{} is over already; there is nothing to stop", found.workflow_id);
    Failure::new(Exit::Refused, message, format!("tenantry runs batch show {name}"))
}

impl Report for Stopping {
    fn text(&self) -> String {
        let name = &self.name;
        format!(
            "{name} starts nothing more; what it has started goes on\nlook at it with `tenantry runs batch show \
             {name}`, go on with `tenantry runs batch resume {name}`"
        )
    }
}
