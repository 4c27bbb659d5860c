//! A batch that this command has started, to its end: the bar, the table, the file, the exit code.

use domain::replay_batch::ReplayBatchState;
use temporalio_client::Client;
use tokio::signal::unix::Signal;

use super::candidates::Skipped;
use super::report::{BatchReport, Replayed};
use super::{follow, look};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ndjson::ReportFile;
use crate::output::{Output, Report};
use crate::run::Run;
use crate::runs::found::{self, FoundRun};
use crate::temporal::TemporalConfig;
use crate::wait::Ended;

/// A batch under way.
pub(crate) struct Begun<'a> {
    pub(crate) client: &'a Client,
    pub(crate) temporal: &'a TemporalConfig,
    pub(crate) run: Run,
    pub(crate) output: Output,
    pub(crate) skipped: Vec<Skipped>,
}

impl Begun<'_> {
    /// Shows what was started, and leaves it.
    pub(crate) async fn leave(self, mut interrupts: Signal) -> Result<Exit, Failure> {
        let (next, left) = (follow::look(&self.run.workflow_id), follow::left(&self.run));
        let output = self.output;
        let so_far = tokio::select! {
            so_far = self.so_far() => so_far?,
            _ = interrupts.recv() => return Err(left),
        };
        output.print(&so_far);
        if output == Output::Text {
            eprintln!("{next}");
        }
        Ok(Exit::Done)
    }

    /// Waits for its end, and says what became of each.
    pub(crate) async fn finish(mut self, mut interrupts: Signal, file: Option<ReportFile>) -> Result<Exit, Failure> {
        if self.output == Output::Text {
            // Before the wait: who ends it early still has the id.
            anstream::eprintln!("{}\n", self.run.text());
        }
        let run = (&self.run, &mut interrupts);
        let ended = match follow::until_ended(run, self.client, self.temporal, self.output).await {
            Ok(ended) => ended,
            Err(left) => {
                let output = self.output;
                if output == Output::Json
                    && let Ok(so_far) = self.so_far().await
                {
                    output.print(&so_far);
                }
                return Err(left);
            }
        };
        self.run.status = ended.status();
        let state = match ended {
            Ended::Completed(state) => state,
            Ended::Badly { error, .. } => {
                let state = self.state().await?.unwrap_or_default();
                ReplayBatchState { error: state.error.or(Some(error)), ..state }
            }
        };
        let output = self.output;
        let replayed = self.replayed(state).await?;
        output.print(&replayed);
        let Some(batch) = &replayed.batch else { return Ok(Exit::Done) };
        if let Some(file) = file {
            file.write(&batch.items, &format!("tenantry runs batch show {} --report FILE", batch.name))?;
        }
        batch.exit()
    }

    /// What the latest run of its chain says, if a worker answers.
    async fn state(&self) -> Result<Option<ReplayBatchState>, Failure> {
        let latest = found::describe(self.client, self.temporal, &self.run.workflow_id, None).await?;
        let Some(latest) = latest else { return Ok(None) };
        Ok(look::state(self.client, self.temporal, &FoundRun::new(&latest, self.temporal)).await)
    }

    async fn so_far(self) -> Result<Replayed, Failure> {
        let state = self.state().await?.unwrap_or_default();
        self.replayed(state).await
    }

    async fn replayed(self, state: ReplayBatchState) -> Result<Replayed, Failure> {
        let batch = BatchReport::new((self.client, self.temporal), &self.run, state).await?;
        Ok(Replayed { started: true, batch: Some(batch), skipped: self.skipped })
    }
}
