//! `tenantry runs replay --failed`: starts many failed runs again, as a batch that Temporal keeps.
//!
//! Everything is looked at and checked before anything is started: the plan is shown, the inputs are
//! read and corrected, and one that cannot be is refused by its name.

use std::path::PathBuf;

use clap::value_parser;
use domain::names::workflow;
use domain::replay::{Correction, ReplayInput};
use domain::replay_batch::{BatchName, Item, ReplayBatchInput, StartRate};

use super::batch::candidates::{self, Candidate};
use super::batch::finish::Begun;
use super::batch::plan::{Plan, failed_runs};
use super::batch::report::Replayed;
use super::batch::start::{self, Named};
use super::correction::Corrected;
use super::filter::Filter;
use super::found::find;
use crate::confirm;
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ndjson::ReportFile;
use crate::operator::By;
use crate::output::{Output, Report};
use crate::settings::{self, lookup};
use crate::temporal::TemporalConfig;

/// Which runs, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Many {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// With --failed: no more than the newest so many of them
    #[arg(long, value_name = "N", requires = "failed", value_parser = value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// With --failed: how many to start a second, 1 to 100
    #[arg(long, value_name = "N", requires = "failed", allow_negative_numbers = true)]
    rate: Option<StartRate>,
    /// With --failed: what to call the batch; without it, the time
    #[arg(long, value_name = "NAME", requires = "failed")]
    name: Option<BatchName>,
    #[command(flatten)]
    by: By,
    /// With --failed: only start the batch, do not wait until it has ended
    #[arg(long, requires = "failed", conflicts_with = "report")]
    no_wait: bool,
    /// With --failed: write one line of JSON for each run into this file
    #[arg(long, value_name = "FILE", requires = "failed")]
    report: Option<PathBuf>,
}

/// What it has in common with the replay of a single run.
pub(super) struct How<'a> {
    pub(super) set: &'a [Correction],
    pub(super) dry_run: bool,
    pub(super) yes: bool,
}

/// Plans, asks, starts and follows.
pub(super) async fn run(many: &Many, how: How<'_>, output: Output) -> Result<Exit, Failure> {
    if many.filter.stuck {
        let message = "a run that is stuck has not failed: it goes on by itself once it can";
        return Err(Failure::new(Exit::Usage, message, "leave out --stuck"));
    }
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let found = find(&client, &temporal, &many.filter, None, output).await?;
    let limit = many.limit.and_then(|limit| usize::try_from(limit).ok());
    let (candidates, skipped) = candidates::among((&client, &temporal), found.runs, how.set, limit).await?;
    refuse_one_purchase_for_all(how.set, candidates.len())?;
    refuse_moving(&candidates).await?;
    let plan = Plan::new(&candidates, skipped);
    if how.dry_run {
        output.print(&plan);
        return Ok(Exit::Done);
    }
    if candidates.is_empty() {
        if let Some(file) = many.report.as_deref().map(ReportFile::create).transpose()? {
            file.end("run the same command again")?;
        }
        return Ok(nothing(plan, true, output));
    }
    let input = many.input(candidates.iter().map(Candidate::item).collect())?;
    if !how.yes && !confirmed(&plan, candidates.len())? {
        return Ok(nothing(plan, false, output));
    }
    let file = many.report.as_deref().map(ReportFile::create).transpose()?;
    let name = many.name.clone().unwrap_or_else(start::name);
    if output == Output::Text && how.yes {
        anstream::eprintln!("{}\n", plan.text());
    }
    let (run, interrupts) = start::start(&client, &temporal, (&name, Named::Anew), input, output).await?;
    let begun = Begun { client: &client, temporal: &temporal, run, output, skipped: plan.into_skipped() };
    if many.no_wait { begun.leave(interrupts).await } else { begun.finish(interrupts, file).await }
}

impl Many {
    /// A run that is named needs no narrowing down, and its history says nothing of an operator.
    pub(super) fn refuse_beside_an_id(&self) -> Result<(), Failure> {
        let Filter { failed: _, stuck, types, kinds, tenant, customer, since } = &self.filter;
        let is_narrowed = *stuck
            || !types.is_empty()
            || !kinds.is_empty()
            || tenant.is_some()
            || customer.is_some()
            || since.is_some();
        if !is_narrowed && self.by.is_silent() {
            return Ok(());
        }
        let message =
            "--type, --kind, --tenant, --customer, --since, --stuck, --operator and --reason go with --failed";
        Err(Failure::new(Exit::Usage, message, "leave them out, or take --failed instead of the id"))
    }

    fn input(&self, items: Vec<Item>) -> Result<ReplayBatchInput, Failure> {
        let input = ReplayBatchInput {
            operator: self.by.operator()?,
            reason: self.by.reason.clone(),
            rate: self.rate.unwrap_or_default(),
            patience_secs: Default::default(),
            items: start::items(items)?,
            carried: Vec::new(),
        };
        start::refuse_too_large(&input)?;
        Ok(input)
    }
}

/// What says whose a purchase is cannot be the same for several.
fn refuse_one_purchase_for_all(set: &[Correction], candidates: usize) -> Result<(), Failure> {
    let Some(one) = set.iter().find(|one| one.names_a_purchase()).filter(|_| candidates > 1) else { return Ok(()) };
    let message = format!("{} says whose a purchase is, and {} would get the same", one.field, failed_runs(candidates));
    Err(Failure::new(Exit::Usage, message, "correct each by its id: tenantry runs replay ID --set FIELD=VALUE"))
}

/// A correction must not lead a purchase whose tenant is there to another one.
async fn refuse_moving(candidates: &[Candidate]) -> Result<(), Failure> {
    let moved = |one: &&Candidate| one.run.workflow_type == workflow::CREATE_TENANT && !one.changes.is_empty();
    let mut moved = candidates.iter().filter(moved).peekable();
    if moved.peek().is_none() {
        return Ok(());
    }
    let database = Database::from_env(settings::master()?)?;
    database.refuse_old_schema().await?;
    for Candidate { run, input, changes } in moved {
        let corrected = Corrected { input: ReplayInput::from(input.clone()), changes: changes.clone() };
        corrected.refuse_moving(run, &database).await?;
    }
    Ok(())
}

fn confirmed(plan: &Plan, count: usize) -> Result<bool, Failure> {
    confirm::refuse_unasked(&format!("{} would be started again", failed_runs(count)), "--dry-run")?;
    Ok(confirm::said_yes(&plan.text(), "Start them again?"))
}

/// For a program it has the shape of every other.
fn nothing(plan: Plan, is_empty: bool, output: Output) -> Exit {
    match output {
        Output::Text if is_empty => output.print(&plan),
        Output::Text | Output::Json => {
            output.print(&Replayed { started: false, batch: None, skipped: plan.into_skipped() });
        }
    }
    Exit::Done
}
