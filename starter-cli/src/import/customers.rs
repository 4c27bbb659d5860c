//! `tenantry import customers`: starts `syncStripeCustomersWorkflow`, follows it to its end, and
//! says what became of each tenant.
//!
//! It asks nothing: an import takes nothing away from anybody, can be looked at first with
//! `--dry-run`, and a second one changes nothing.

use std::path::PathBuf;

use domain::ids::TenantId;
use domain::import_customers::SyncStripeCustomersInput;
use domain::names::bulk_task_queue;
use domain::walk::{PageSize, PageSizeError};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::search_attributes::SearchAttributes;
use workflows::SyncStripeCustomers;
use workflows::search_attributes::TENANT_ID;

use super::follow;
use super::progress::Progress;
use super::report::{self, Ending};
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ndjson::ReportFile;
use crate::output::Output;
use crate::run::{Run, not_started};
use crate::settings::{self, lookup};
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry import customers --dry-run --report look.ndjson
  tenantry import customers --report import.ndjson
  tenantry import customers --resume
  tenantry import customers --tenant 0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11

Every tenant ends in one outcome: imported, already, no_customer, no_live_subscription, ambiguous
or failed. The last two wait for a person and make the exit code 6; the report has the reason and,
of an ambiguous one, the candidates. Ctrl-C stops it after the page under way; --resume goes on
with what it had read, for a day. The run itself is the worker's: closing the terminal does not
end it.";

/// Which tenants, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Find out what would happen, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Only this tenant
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
    /// Go on with the import that was stopped, if that began less than a day ago
    #[arg(long)]
    resume: bool,
    /// How many objects to ask Stripe for at a time, 1 to 100
    #[arg(long, value_name = "N", value_parser = page_size, allow_negative_numbers = true)]
    page_size: Option<PageSize>,
    /// Write one line of JSON for each tenant into this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn page_size(text: &str) -> Result<PageSize, PageSizeError> {
    text.parse::<i64>().map_err(|_| PageSizeError)?.try_into()
}

impl Args {
    fn input(&self) -> SyncStripeCustomersInput {
        SyncStripeCustomersInput {
            tenant_id: self.tenant,
            dry_run: self.dry_run,
            page_size: self.page_size,
            resume: self.resume,
            carried: None,
        }
    }

    /// The command that goes on with this one.
    fn resuming(&self) -> String {
        let tenant = self.tenant.map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
        let dry_run = if self.dry_run { " --dry-run" } else { "" };
        let report = self.report.as_ref().map(|file| format!(" --report {}", file.display())).unwrap_or_default();
        format!("tenantry import customers --resume{dry_run}{tenant}{report}")
    }
}

/// Starts it, follows it, and says what became of it.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let database = Database::from_env(settings::master()?)?;
    let temporal = TemporalConfig::from_env(lookup)?;
    database.refuse_old_schema().await?;
    let file = args.report.as_deref().map(ReportFile::create).transpose()?;
    let client = temporal.connect().await?;
    let input = args.input();
    let run = match start(&client, &temporal, &input).await {
        Ok(run) => run,
        Err(WorkflowStartError::AlreadyStarted { .. }) => {
            let run = Run::existing(&client, &temporal, &input.workflow_id()).await?;
            output.print(&run);
            return Err(run.already(&temporal));
        }
        Err(error) => return Err(not_started(&error, &temporal)),
    };
    if output == Output::Text {
        // Before the wait: who ends it early still has the id.
        output.print(&run);
    }
    let ended = follow::until_ended(&run, &client, &temporal, Progress::on_stderr(output)).await?;
    let ending = Ending::new(run, &args.resuming(), args.resume, ended, &database).await?;
    if let (Some(file), Some(walk)) = (file, ending.walk()) {
        report::write(file, walk, &database).await?;
    }
    output.print(&ending);
    ending.exit()
}

async fn start(
    client: &Client,
    temporal: &TemporalConfig,
    input: &SyncStripeCustomersInput,
) -> Result<Run, WorkflowStartError> {
    let tenant = input.tenant_id.map(|tenant| TENANT_ID.value_set(tenant.to_string()));
    let options = WorkflowStartOptions::new(bulk_task_queue(&temporal.task_queue), input.workflow_id())
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .search_attributes(SearchAttributes::new(tenant))
        .static_summary(input.summary())
        .build();
    let handle = client.start_workflow(SyncStripeCustomers::run, input.clone().into(), options).await?;
    Ok(Run::started(&handle, temporal))
}
