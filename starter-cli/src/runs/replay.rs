//! `tenantry runs replay`: starts a failed run again, as it was or corrected. With `--failed` it is
//! [`replay_failed`] that does.

use clap::value_parser;
use clap_complete::engine::ArgValueCompleter;
use domain::replay::{Correction, ReplayInput};
use temporalio_client::Client;

use super::correction::Corrected;
use super::decision;
use super::ending::Waiting;
use super::found::FoundRun;
use super::replay_failed::{How, Many};
use super::replay_plan::Plan;
use super::workflow_type::WorkflowType;
use super::{found, history, replay_failed, resolve, start_again};
use crate::completions::run_ids;
use crate::confirm::{self, Declined};
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, time};
use crate::run::Run;
use crate::settings::{self, lookup};
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs replay create-tenant-cus_QXg1oyoEfW2bZ3 --wait
  tenantry runs replay create-tenant-cus_QXg --set stripe_subscription_id=sub_1MowQVLkdIwHu7ix
  tenantry runs replay create-tenant-cus_QXg --set client_name='Ann & Co' --set checkout_session_id= \\
      --yes --wait --timeout 60
  tenantry runs replay change-license-count-190f0b43 --dry-run
  tenantry runs replay --failed --dry-run
  tenantry runs replay --failed --kind StripeNotFound --since 2h --reason 'ticket 4711' \\
      --yes --report runs.ndjson

A replay is a new run under the same workflow id: steps that are done answer at once. It is refused
where the latest run did not fail (exit code 4), or where a correction would lead a purchase whose
tenant is there to another one. --set is checked like the input of a start; an empty value leaves
the field out. A change of licences is decided once more, on the number that it was decided on
before. With --wait: exit code 1 if it failed again.

--failed starts all again that failed and fit: onboardings, and imports of one subscription, some
each second, as a batch that Temporal keeps. What else failed is named, with what to do about it. Each
is started only where its last run failed, so two operators never start the same one beside each other.
Ctrl-C leaves the batch running; `tenantry runs batch` shows, stops and resumes it. Exit code 1 if some
failed again, 4 if somebody else was faster with all of them.";

/// Which run, and what is to be another about it.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The run, by its workflow id or the beginning of it
    #[arg(value_name = "ID", add = ArgValueCompleter::new(run_ids), required_unless_present = "failed", conflicts_with = "failed")]
    id: Option<String>,
    #[command(flatten)]
    many: Many,
    /// Set a field of its input; give it again for several
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<Correction>,
    /// Only say what would be started
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Wait until it has ended, and show how (exit code 1 if it failed again)
    #[arg(long, conflicts_with_all = ["dry_run", "failed"])]
    wait: bool,
    /// Wait no longer than this; the run itself goes on
    #[arg(long, value_name = "SECS", requires = "wait", value_parser = value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

/// Starts it again.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    if args.many.filter.failed {
        let how = How { set: &args.set, dry_run: args.dry_run, yes: args.yes };
        return replay_failed::run(&args.many, how, output).await;
    }
    args.many.refuse_beside_an_id()?;
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let found = resolve::latest(&client, &temporal, args.id.as_deref().unwrap_or_default()).await?;
    Replay { args: &args, client, temporal, found, output }.carry_out().await
}

struct Replay<'a> {
    args: &'a Args,
    client: Client,
    temporal: TemporalConfig,
    /// The latest run.
    found: FoundRun,
    output: Output,
}

impl Replay<'_> {
    async fn carry_out(self) -> Result<Exit, Failure> {
        let FoundRun { workflow_id, workflow_type, run_id, .. } = &self.found;
        self.refuse_unless_failed()?;
        let was = history::input(&self.client, &self.temporal, workflow_id, run_id).await?;
        let mut corrected = Corrected::new((workflow_id, workflow_type), &was, &self.args.set)?;
        let database = database(&corrected).await?;
        if let Some(database) = &database {
            corrected.refuse_moving(&self.found, database).await?;
            decision::recall(&mut corrected.input, &self.args.set, run_id, database).await?;
        }
        let plan = Plan::new(&self.found, &corrected, database.as_ref()).await?;
        if self.args.dry_run {
            self.output.print(&plan);
            return Ok(Exit::Done);
        }
        match self.agreed(corrected.input, &plan, database.as_ref()).await? {
            Some(input) => self.start(input).await,
            None => {
                self.output.print(&Declined::new("nothing was started"));
                Ok(Exit::Done)
            }
        }
    }

    /// The server would refuse it too, but only after somebody was asked.
    fn refuse_unless_failed(&self) -> Result<(), Failure> {
        if is_failed(self.found.status) { Ok(()) } else { Err(self.in_the_way(&self.found)) }
    }

    /// The input to start with, once whoever is there has agreed. A replay of the same input is not
    /// asked about: it is what was asked for.
    async fn agreed(
        &self,
        mut input: ReplayInput,
        plan: &Plan,
        database: Option<&Database>,
    ) -> Result<Option<ReplayInput>, Failure> {
        let is_decision = matches!(input, ReplayInput::ChangeLicense(_));
        if self.args.yes || !is_decision && plan.changes.is_empty() {
            decision::refuse_undecided(&input)?;
            if self.output == Output::Text && !plan.changes.is_empty() {
                anstream::eprintln!("{}\n", plan.text());
            }
            return Ok(Some(input));
        }
        confirm::refuse_unasked(&format!("{} would be started again", plan.workflow_id), "--dry-run")?;
        if let (ReplayInput::ChangeLicense(_), Some(database)) = (&input, database) {
            anstream::eprintln!("{}\n", plan.text());
            return Ok(decision::confirmed(&mut input, database).await?.then_some(input));
        }
        Ok(confirm::said_yes(&plan.text(), "Start it again like this?").then_some(input))
    }

    async fn start(self, input: ReplayInput) -> Result<Exit, Failure> {
        let Some(run) = start_again::start(&self.client, &self.temporal, &self.found, &input).await? else {
            let id = &self.found.workflow_id;
            let latest = found::describe(&self.client, &self.temporal, id, None).await?;
            let latest = latest.map_or_else(|| self.found.clone(), |run| FoundRun::new(&run, &self.temporal));
            return Err(self.in_the_way(&latest));
        };
        if self.args.wait {
            let Self { client, temporal, output, args, .. } = &self;
            let waiting = Waiting { client, temporal, run, timeout: args.timeout, output: *output };
            return waiting.finish(&input).await;
        }
        self.output.print(&run);
        Ok(Exit::Done)
    }

    /// Shows the run that is there, and says why none is started beside it.
    fn in_the_way(&self, latest: &FoundRun) -> Failure {
        self.output.print(&Run {
            workflow_id: latest.workflow_id.clone(),
            run_id: latest.run_id.clone(),
            status: latest.status,
            started: false,
            link: latest.link.clone(),
        });
        refused(latest)
    }
}

fn refused(latest: &FoundRun) -> Failure {
    let FoundRun { workflow_id, workflow_type, run_id, status, tenant_id, .. } = latest;
    let at = latest.closed_at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
    let (what, next) = match (*status, tenant_id) {
        ("completed", Some(tenant)) => (
            format!("{workflow_id} is done: run {run_id} completed{at}, its tenant is {tenant}"),
            format!("tenantry tenant show {tenant}"),
        ),
        // It may have been stopped, and then says how it goes on.
        ("completed", None) if WorkflowType::of(workflow_type) == Some(WorkflowType::ReplayBatch) => (
            format!("{workflow_id} is over: run {run_id} completed{at}"),
            format!("tenantry runs batch show {workflow_id}"),
        ),
        ("completed", None) => {
            (format!("{workflow_id} is done: run {run_id} completed{at}"), format!("tenantry runs show {workflow_id}"))
        }
        (status, _) if is_failed(status) => (
            format!("somebody else started {workflow_id} again meanwhile: run {run_id}, which is {status}{at}"),
            format!("tenantry runs why {workflow_id}"),
        ),
        (status, _) => {
            (format!("{workflow_id} is {status}: run {run_id}"), format!("tenantry runs watch {workflow_id}"))
        }
    };
    Failure::new(Exit::Refused, format!("{what}; nothing was started"), next)
}

/// After these the server lets the workflow id be used again.
fn is_failed(status: &str) -> bool {
    matches!(status, "failed" | "timed_out" | "terminated" | "cancelled")
}

/// What an input needs of the database: whose a corrected purchase is, and what a change of licences
/// was decided on.
async fn database(corrected: &Corrected) -> Result<Option<Database>, Failure> {
    let is_asked = match corrected.input {
        ReplayInput::CreateTenant(_) => !corrected.changes.is_empty(),
        ReplayInput::ChangeLicense(_) => true,
        ReplayInput::ImportSubscription(_) | ReplayInput::SyncStripeCustomers(_) | ReplayInput::Reconcile(_) => false,
    };
    if !is_asked {
        return Ok(None);
    }
    let database = Database::from_env(settings::master()?)?;
    database.refuse_old_schema().await?;
    Ok(Some(database))
}
