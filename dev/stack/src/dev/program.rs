//! A program of ours: started with its settings, and started again when it dies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use stack::process::Launch;
use stack::{Process, binaries, http};

use super::plan::Plan;

/// How long it may take to be ready, and to stop.
pub(super) const START: Duration = Duration::from_secs(60);
pub(super) const STOP: Duration = Duration::from_secs(5);

/// One that dies more often than this within [`TROUBLE_WINDOW`] is not being killed by hand.
const TROUBLE_DEATHS: usize = 5;
const TROUBLE_WINDOW: Duration = Duration::from_secs(30);

/// Names and values, as a process gets them.
pub(super) type Settings = Vec<(&'static str, String)>;

/// One that runs, or has just died.
#[derive(Debug)]
pub(super) struct Program {
    launch: Launch,
    process: Process,
    deaths: Vec<Instant>,
}

impl Program {
    /// Starts it and waits until it says on its private listener that it is ready.
    pub(super) fn start(plan: &Plan, name: &'static str, binary: &str, settings: &Settings) -> Result<Self> {
        let launch = Launch::new(name, &binaries::binary(binary)?, &plan.log(binary));
        let launch = launch.isolated().env(settings.iter().cloned()).farewell("TERM", STOP);
        let process = launch.spawn()?;
        let admin = settings.iter().find(|(name, _)| *name == "ADMIN_ADDR").map(|(_, address)| address);
        let admin = admin.context("it has no ADMIN_ADDR")?;
        let is_ready = || answers(admin, "/readyz");
        process.until(&format!("{name} to be ready"), START, is_ready).map_err(|error| {
            let data = plan.data.display();
            anyhow!("{error:#}\n(If the data does not fit together any more, remove {data}.)")
        })?;
        Ok(Self { launch, process, deaths: Vec::new() })
    }

    /// Starts it again if it died; that it keeps dying is an error.
    pub(super) fn look_after(&mut self) -> Result<()> {
        let Some(exit) = self.process.exit() else { return Ok(()) };
        self.note_a_death()?;
        self.process = self.launch.spawn()?;
        println!("{} ended ({exit}) and was started again, pid {}", self.process.name(), self.process.pid());
        Ok(())
    }

    fn note_a_death(&mut self) -> Result<()> {
        self.deaths.retain(|death| death.elapsed() < TROUBLE_WINDOW);
        self.deaths.push(Instant::now());
        if self.deaths.len() > TROUBLE_DEATHS {
            bail!("{} keeps dying: {}", self.process.name(), self.process.last_words());
        }
        Ok(())
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Whether somebody answers 200 there.
pub(super) fn answers(address: &str, path: &str) -> Option<()> {
    http::get(address, path, &[]).is_ok_and(|answer| answer.status == 200).then_some(())
}
