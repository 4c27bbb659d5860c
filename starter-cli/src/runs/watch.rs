//! `tenantry runs watch`: follows a run live, a line for each step that begins, is tried again or ends.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use chrono::Utc;
use domain::advice::word;
use indicatif::{ProgressBar, ProgressStyle};
use temporalio_client::{Client, WorkflowExecutionDescription, WorkflowExecutionStatus};

use super::found::{FoundRun, describe};
use super::history::{History, Outcome, Step};
use super::resolve::Which;
use super::show::Shown;
use super::timeline::{clock, spell};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs watch create-tenant-cus_QXg1oyoEfW2bZ3
  tenantry runs watch import-subscription-sub_1Mow
  tenantry runs watch create-tenant-cus_QXg1oyoEfW2bZ3 --output json

It ends with the run: exit code 0 if that completed, 1 if not. Ctrl-C leaves the run alone. With
--output json the run is printed once it has ended, as `tenantry runs show` has it.";

const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(120);

/// Which one.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

/// Follows it.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let described = args.which.resolve(&client, &temporal).await?;
    let id = described.id().to_owned();
    let mut watch = Watch { client: &client, temporal: &temporal, lines: Lines::new(output) };
    watch.lines.say(&format!("{id}, run {}", described.run_id()));
    let ended = tokio::select! {
        ended = watch.until_ended(described) => Some(ended?),
        _ = tokio::signal::ctrl_c() => None,
    };
    watch.lines.end();
    match ended {
        Some(described) => tell_end(Shown::read(&client, &temporal, &described).await?, output),
        None => {
            let next = format!("tenantry runs watch {}", word(&id));
            Err(Failure::new(Exit::Failed, format!("{id} was left before its end; it goes on"), next))
        }
    }
}

fn tell_end(shown: Shown, output: Output) -> Result<Exit, Failure> {
    let FoundRun { workflow_id, status, started_at, closed_at, .. } = &shown.run;
    let took = closed_at.map_or_else(String::new, |closed| format!(" after {}", spell(closed - *started_at)));
    match output {
        Output::Json => output.print(&shown),
        Output::Text => drop(writeln!(std::io::stdout(), "{status}{took}")),
    }
    if *status == "completed" {
        return Ok(Exit::Done);
    }
    let why = shown.failure.as_ref().map_or_else(String::new, |failure| format!(": {}", failure.line()));
    let message = format!("{workflow_id} {status}{why}");
    Err(Failure::new(Exit::Failed, message, format!("tenantry runs why {}", word(workflow_id))))
}

struct Watch<'a> {
    client: &'a Client,
    temporal: &'a TemporalConfig,
    lines: Lines,
}

impl Watch<'_> {
    /// The run as it is described when it, or the last of its chain, has ended.
    async fn until_ended(
        &mut self,
        described: WorkflowExecutionDescription,
    ) -> Result<WorkflowExecutionDescription, Failure> {
        let mut described = described;
        let mut read: Option<(usize, History)> = None;
        loop {
            let history = self.read(&described, read).await?;
            self.lines.show(&history.1.steps);
            read = Some(history);
            let (id, run_id) = (described.id().to_owned(), described.run_id().to_owned());
            if described.status() == WorkflowExecutionStatus::ContinuedAsNew {
                described = self.look(&id, None).await?;
                self.lines.go_on(described.run_id());
                read = None;
            } else if described.close_time().is_some() {
                return Ok(described);
            } else {
                tokio::time::sleep(BETWEEN_LOOKS).await;
                described = self.look(&id, Some(&run_id)).await?;
            }
        }
    }

    /// A history that has not grown is not read again; how often its steps were tried is no part of it.
    async fn read(
        &self,
        described: &WorkflowExecutionDescription,
        before: Option<(usize, History)>,
    ) -> Result<(usize, History), Failure> {
        let length = described.history_length();
        match before {
            Some((read, mut history)) if read == length => {
                history.update(described);
                Ok((read, history))
            }
            Some(_) | None => Ok((length, History::read(self.client, self.temporal, described).await?)),
        }
    }

    async fn look(&self, id: &str, run_id: Option<&str>) -> Result<WorkflowExecutionDescription, Failure> {
        let gone = || Failure::new(Exit::NotFound, format!("{id} is gone"), "tenantry runs list");
        describe(self.client, self.temporal, id, run_id).await?.ok_or_else(gone)
    }
}

/// What was said of each step, so that only news is.
struct Lines {
    /// On a terminal, below the lines.
    bar: Option<ProgressBar>,
    is_silent: bool,
    said: HashMap<usize, (Outcome, i32)>,
}

impl Lines {
    fn new(output: Output) -> Self {
        let is_silent = output == Output::Json;
        let bar = (!is_silent && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, is_silent, said: HashMap::new() }
    }

    fn show(&mut self, steps: &[Step]) {
        for (n, step) in steps.iter().enumerate() {
            let stands = (step.outcome, step.tries);
            if self.said.insert(n, stands) != Some(stands) {
                self.say(&line(step));
            }
        }
        let under_way: Vec<String> = steps.iter().filter(|step| step.ended_at.is_none()).map(Step::named).collect();
        if let Some(bar) = &self.bar {
            bar.set_message(if under_way.is_empty() { "between two steps".to_owned() } else { under_way.join(", ") });
        }
    }

    fn go_on(&mut self, run_id: &str) {
        self.said.clear();
        self.say(&format!("goes on as run {run_id}"));
    }

    fn say(&self, line: &str) {
        let print = || drop(writeln!(std::io::stdout(), "{line}"));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None if self.is_silent => {}
            None => print(),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A step that has ended says when; of one that has not, it is news.
fn line(step: &Step) -> String {
    let at = clock(step.ended_at.unwrap_or_else(Utc::now));
    let tries = match (step.tries, step.outcome) {
        (..=1, _) => String::new(),
        (tries, Outcome::Running) => format!(", try {tries}"),
        (
            tries,
            Outcome::Waiting
            | Outcome::Retrying
            | Outcome::Done
            | Outcome::Failed
            | Outcome::TimedOut
            | Outcome::Cancelled
            | Outcome::Abandoned,
        ) => format!(", {tries} tries"),
    };
    let took = if step.ended_at.is_some() { step.took().map(|took| format!(", {took}")) } else { None };
    format!("{at}  {}{tries}{}: {}", step.named(), took.unwrap_or_default(), step.stands_at())
}
