//! `tenantry reconcile`: compares what is here with what Stripe has, and repairs it where asked to.

mod drift;

use std::path::PathBuf;

use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use domain::ids::TenantId;
use domain::names::bulk_task_queue;
use domain::reconcile::{Place, ReconcileInput, ReconcileResult};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::search_attributes::SearchAttributes;
use workflows::Reconcile;
use workflows::search_attributes::TENANT_ID;

use crate::confirm::{self, Declined};
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::run::{Run, not_started};
use crate::settings::{self, lookup};
use crate::temporal::TemporalConfig;
use crate::wait::{self, Ended};
pub(crate) use drift::{Finding, Reconciled};

const HELP: &str = "\
Examples:
  tenantry reconcile
  tenantry reconcile --report drift.ndjson
  tenantry reconcile --apply --yes
  tenantry reconcile --apply --tenant 0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11

Without --apply nothing is repaired. What an event on its way will mend is no drift. Either way
the inbox gets the events that Stripe has and it lacks, which are then handled as any other, and
settled events that are too old are deleted; not so with --tenant. What is not at Stripe, and
what is nobody's, is reported and never repaired. Where more than 5 % of the tenants would fall
to 0, nothing is repaired without --force; one alone always may. Exit code 6 when drift was
found and not repaired. `tenantry schedule` has it done by itself.";

/// What to compare, and whether to repair.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Repair what differs
    #[arg(long)]
    apply: bool,
    /// This tenant alone
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
    /// Repair also when many tenants would lose all their licences by it
    #[arg(long, requires = "apply")]
    force: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Only start it: do not wait until it has ended
    #[arg(long, conflicts_with = "report")]
    no_wait: bool,
    /// Write all that was found into this file too, one JSON object a line
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Starts it, waits for it, and shows what it found.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    if args.apply && !args.yes && !confirmed(args.tenant)? {
        output.print(&Declined::new("nothing was done"));
        return Ok(Exit::Done);
    }
    let temporal = TemporalConfig::from_env(lookup)?;
    let database = Database::from_env(settings::master()?)?;
    database.refuse_old_schema().await?;
    if let Some(tenant) = args.tenant {
        refuse_unknown(&database, tenant).await?;
    }
    let client = temporal.connect().await?;
    let input = ReconcileInput { tenant_id: args.tenant, apply: args.apply, force: args.force, progress: None };
    match start(&client, &temporal, &input).await {
        Ok(run) if args.no_wait => {
            output.print(&run);
            Ok(Exit::Done)
        }
        Ok(run) => Following { client, temporal, database, run }.finish(&args, output).await,
        Err(WorkflowStartError::AlreadyStarted { .. }) => {
            let run = Run::existing(&client, &temporal, &input.workflow_id()).await?;
            output.print(&run);
            Err(run.already(&temporal))
        }
        Err(error) => Err(not_started(&error, &temporal)),
    }
}

/// Asked on a terminal; a script says --yes.
fn confirmed(tenant: Option<TenantId>) -> Result<bool, Failure> {
    confirm::refuse_unasked("--apply writes", "`tenantry reconcile`")?;
    let whose = tenant.map_or_else(|| "of all tenants".to_owned(), |tenant| format!("of tenant {tenant}"));
    Ok(confirm::agreed(&format!("repair the rows, counts and tags {whose} that differ from Stripe?")))
}

async fn refuse_unknown(database: &Database, tenant: TenantId) -> Result<(), Failure> {
    match database.store.tenant_exists(tenant).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let message = format!("tenant {tenant} is not in the database at {}", database.config.place());
            Err(Failure::new(Exit::NotFound, message, "correct the id"))
        }
        Err(error) => Err(database.failed(&error)),
    }
}

async fn start(client: &Client, temporal: &TemporalConfig, input: &ReconcileInput) -> Result<Run, WorkflowStartError> {
    let tenant = input.tenant_id.map(|id| TENANT_ID.value_set(id.to_string()));
    let options = WorkflowStartOptions::new(bulk_task_queue(&temporal.task_queue), input.workflow_id())
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .search_attributes(SearchAttributes::new(tenant))
        .static_summary(input.summary())
        .build();
    let handle = client.start_workflow(Reconcile::run, input.clone().into(), options).await?;
    Ok(Run::started(&handle, temporal))
}

/// A run that was started, and what it is followed with.
struct Following {
    client: Client,
    temporal: TemporalConfig,
    database: Database,
    run: Run,
}

impl Following {
    async fn finish(mut self, args: &Args, output: Output) -> Result<Exit, Failure> {
        if output == Output::Text {
            // Before the wait: who ends it early still has the id.
            output.print(&self.run);
        }
        let ended = self.until_ended().await?;
        self.run.status = ended.status();
        let reconciled = self.reconciled(ended).await?;
        if let Some(file) = &args.report {
            reconciled.write(file)?;
        }
        output.print(&reconciled);
        match &reconciled.failure {
            Some(error) => Err(self.ended_badly(error)),
            None if reconciled.left() > 0 => Ok(Exit::Findings),
            None => Ok(Exit::Done),
        }
    }

    async fn until_ended(&self) -> Result<Ended<ReconcileResult>, Failure> {
        let handle = self.run.handle::<Reconcile>(&self.client, &self.temporal);
        let standing = async || {
            let state = handle.query(Reconcile::state, (), Default::default()).await.ok()?;
            Some(Place::words(&state.progress.place))
        };
        wait::until_ended(&handle, &self.temporal, None, standing).await
    }

    /// What it found stands in the database, also where it failed.
    async fn reconciled(&self, ended: Ended<ReconcileResult>) -> Result<Reconciled<'_>, Failure> {
        let (result, failure) = match ended {
            Ended::Completed(result) => (Some(result), None),
            Ended::Badly { error, .. } => (None, Some(error)),
        };
        let walk = match &result {
            Some(result) => result.walk,
            None => self.asked(self.database.store.walk_of_run(&self.run.run_id).await)?,
        };
        let findings = match walk {
            Some(walk) => self.asked(self.database.store.findings(walk).await)?,
            None => Vec::new(),
        };
        Ok(Reconciled::new(&self.run, result, failure, findings))
    }

    fn asked<T>(&self, answer: Result<T, store::Error>) -> Result<T, Failure> {
        answer.map_err(|error| self.database.failed(&error))
    }

    fn ended_badly(&self, error: &RunError) -> Failure {
        let Run { workflow_id, run_id, status, .. } = &self.run;
        let message = format!("{workflow_id} {status}: {}: {}", error.kind, error.message);
        if error.kind == FailureKind::MassFall.as_str() {
            let next = "tenantry reconcile --apply --force, once Stripe's dashboard says the same";
            return Failure::new(Exit::Findings, message, next);
        }
        Failure::new(Exit::Failed, message, wait::follow(&self.temporal, workflow_id, run_id))
    }
}
