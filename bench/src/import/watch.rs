//! A command that runs, and the memory of the process that works for it.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::city::document;
use crate::machine;

const BETWEEN_SAMPLES: Duration = Duration::from_millis(200);
/// Asking Postgres costs some of what is measured.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What was seen.
#[derive(Debug)]
pub(super) struct Watched {
    /// What the command printed.
    pub(super) result: Value,
    /// Until it ended.
    pub(super) secs: f64,
    /// Until everything was there, to the second.
    pub(super) rows_secs: f64,
    pub(super) memory: Memory,
}

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) start: u64,
    pub(super) most: u64,
    pub(super) end: u64,
}

impl Memory {
    fn sample(&mut self, now: u64) {
        if self.start == 0 {
            self.start = now;
        }
        self.most = self.most.max(now);
        self.end = now;
    }
}

/// Runs the command to its end. Meanwhile it samples the memory of `worker` and asks whether all is
/// there.
pub(super) fn until_ended(command: Command, worker: u32, is_whole: impl Fn() -> Result<bool>) -> Result<Watched> {
    watch(command, Some(worker), is_whole)
}

/// The same of a command that does the work itself.
pub(super) fn of_itself(command: Command) -> Result<Watched> {
    watch(command, None, || Ok(true))
}

fn watch(mut command: Command, worker: Option<u32>, is_whole: impl Fn() -> Result<bool>) -> Result<Watched> {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let pid = worker.unwrap_or(child.id());
    let (mut memory, mut looked, mut whole) = (Memory::default(), began, None);
    while child.try_wait()?.is_none() {
        memory.sample(machine::memory(pid).unwrap_or(memory.end));
        if whole.is_none() && looked.elapsed() >= BETWEEN_LOOKS {
            looked = Instant::now();
            whole = is_whole()?.then(|| began.elapsed());
        }
        thread::sleep(BETWEEN_SAMPLES);
    }
    let secs = began.elapsed();
    ensure!(is_whole()?, "it ended before all was there");
    Ok(Watched {
        result: said(child)?,
        secs: secs.as_secs_f64(),
        rows_secs: whole.unwrap_or(secs).as_secs_f64(),
        memory,
    })
}

fn said(child: Child) -> Result<Value> {
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    document(&output.stdout).context("what it printed cannot be read")
}
