//! `tenantry license set`: starts `changeLicenseCountWorkflow`, once whoever asks has seen what it
//! would cost.

use clap::value_parser;
use domain::change_license::{ChangeLicenseInput, ChangeLicenseResult, Outcome, Requester};
use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use domain::ids::TenantId;
use domain::words::LicenseCount;
use store::TenantView;
use temporalio_client::Client;
use workflows::ChangeLicense;

use super::change::{self, Running};
use super::quote::Quote;
use super::wanted::{Wanted, word};
use crate::confirm::{self, Declined};
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::operator;
use crate::output::{Output, Report, Rows, time};
use crate::run::{Run, RunEnded};
use crate::settings::lookup;
use crate::temporal::TemporalConfig;
use crate::wait::{self, Ended};

const HELP: &str = "\
Examples:
  tenantry license set cus_QXg1oyoEfW2bZ3 15
  tenantry license set cus_QXg1oyoEfW2bZ3 4
  tenantry license set 190f0b43-fe35-5e35-ba10-4f73c2b88e4d 15 --from 10 --yes --wait --timeout 60
  tenantry license set cus_QXg1oyoEfW2bZ3 4 --effective now --requested-by 'ticket 4711' --yes

An increase holds now and is charged at once; a card that is declined changes nothing. A decrease
holds when the paid period ends, and until then it waits: `license show` shows it, and setting the
present number again takes it back. Without --yes the preview of `license preview` is shown first,
and what you saw is what is changed: if Stripe has another number by then, nothing is. One change
runs at a time for each tenant (exit code 4). With --wait: exit code 1 if it failed.";

/// What to change.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    wanted: Wanted,
    /// Who asks for it, for `license history`; without it, your login name
    #[arg(long, value_name = "WHO", value_parser = operator::requester)]
    requested_by: Option<Requester>,
    /// Do not ask; Stripe is not asked for a preview either
    #[arg(long)]
    yes: bool,
    /// Wait until it has ended, and show how (exit code 1 if it failed)
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this; the run itself goes on
    #[arg(long, value_name = "SECS", requires = "wait", value_parser = value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

/// Asks, starts it, and waits for it if asked to.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    if !args.yes {
        let what = format!("the number of licences would become {}", args.wanted.quantity);
        confirm::refuse_unasked(&what, "`tenantry license preview`")?;
    }
    let (database, master) = super::database().await?;
    let temporal = TemporalConfig::from_env(lookup)?;
    let tenant = super::tenant(&database, master, &args.wanted.whose).await?;
    let client = temporal.connect().await?;
    let mut input = args.wanted.of(TenantId::from(tenant.tenant), args.requester());
    if !args.yes && !confirmed(&client, &temporal, &database, &tenant, &mut input).await? {
        output.print(&Declined::new("nothing was changed"));
        return Ok(Exit::Done);
    }
    let run = change::start(&client, &temporal, &input).await?;
    if args.wait {
        return finish(&client, &temporal, &args, &input, run, output).await;
    }
    output.print(&run);
    Ok(Exit::Done)
}

impl Args {
    fn requester(&self) -> Option<Requester> {
        self.requested_by.clone().or_else(operator::login)
    }
}

/// Whether to go on. What was shown is then what the change is decided on.
async fn confirmed(
    client: &Client,
    temporal: &TemporalConfig,
    database: &Database,
    tenant: &TenantView,
    input: &mut ChangeLicenseInput,
) -> Result<bool, Failure> {
    if let Some(running) = Running::find(client, temporal, input.tenant_id).await? {
        return Err(running.refuse(temporal));
    }
    let quote = Quote::of(database, tenant, input).await?;
    input.from = Some(quote.from);
    Ok(confirm::said_yes(&quote.text(), "Change it?"))
}

async fn finish(
    client: &Client,
    temporal: &TemporalConfig,
    args: &Args,
    input: &ChangeLicenseInput,
    mut run: Run,
    output: Output,
) -> Result<Exit, Failure> {
    let handle = run.handle::<ChangeLicense>(client, temporal);
    let shown = (args.timeout, output);
    let ended =
        wait::show_until_ended(&mut run, &handle, temporal, shown, async || change::standing(&handle).await).await?;
    match &ended {
        Ended::Completed(result) => {
            output.print(&RunEnded { run: &run, result: Some(result), failure: None });
            Ok(Exit::Done)
        }
        Ended::Badly { error, .. } => {
            let state = change::last_look(&handle).await;
            // A run that was cancelled says only here what became of what it had begun.
            let error = state.as_ref().and_then(|state| state.error.as_ref()).unwrap_or(error);
            output.print(&RunEnded::<ChangeLicenseResult> { run: &run, result: None, failure: Some(error) });
            let from = state.as_ref().and_then(|state| state.from);
            Err(ended_badly(&run, error, &next(input, from, error)))
        }
    }
}

fn ended_badly(run: &Run, error: &RunError, next: &str) -> Failure {
    let exit = if error.kind == FailureKind::TenantNotFound.as_str() { Exit::NotFound } else { Exit::Failed };
    let message = format!("{} {}: {}: {}", run.workflow_id, run.status, error.kind, error.message);
    Failure::new(exit, message, next)
}

/// What to do after a failure. The same command without the number that it was decided on would be
/// decided anew, on whatever Stripe has by then.
fn next(input: &ChangeLicenseInput, from: Option<LicenseCount>, error: &RunError) -> String {
    let ChangeLicenseInput { tenant_id, quantity, effective, .. } = input;
    let may_repeat = error.kind != FailureKind::ConflictError.as_str();
    match from.or(input.from).filter(|_| may_repeat) {
        Some(from) => {
            let effective = effective.map(|effective| format!(" --effective {}", word(effective))).unwrap_or_default();
            let command = format!("tenantry license set {tenant_id} {quantity}{effective} --from {from}");
            format!("mend what it names, and run `{command}`")
        }
        None => format!("look at `tenantry license show {tenant_id}`, then decide anew"),
    }
}

impl Report for RunEnded<'_, ChangeLicenseResult> {
    /// What the rows of [`Run`], which stand above it, do not say.
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push_status("ended", self.run.status);
        if let Some(result) = self.result {
            rows.push("licences", change_of(result));
            let taken_back = result.taken_back.map(|count| format!("the change to {count} that waited was taken back"));
            rows.push_some("", taken_back);
        }
        if let Some(failure) = self.failure {
            rows.push_status("failure", &failure.kind);
        }
        rows.to_string()
    }
}

fn change_of(result: &ChangeLicenseResult) -> String {
    let ChangeLicenseResult { outcome, from, to, effective_at, .. } = result;
    let at = effective_at.and_then(|at| chrono::DateTime::from_timestamp(at, 0));
    match (outcome, at) {
        (Outcome::Unchanged, _) => format!("{from}, as before"),
        (Outcome::Changed, _) | (Outcome::Scheduled, None) => format!("{from} -> {to}"),
        (Outcome::Scheduled, Some(at)) => format!("{from} -> {to}, from {} on", time(at)),
    }
}
