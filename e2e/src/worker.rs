//! A world's worker: the real binary, started, killed, stopped, held and looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use stack::process::{Exit, Launch};
use stack::{Process, binaries, deadline, http};

use crate::run::Run;
use crate::world::World;

const START: Duration = Duration::from_secs(60);

impl World {
    /// Starts the worker, with more settings, and waits until it is ready.
    pub fn start_worker(&self, settings: &[(&str, &str)]) -> Result<()> {
        let before = self.worker_log().len();
        let process = self.launch_worker(settings)?;
        process.until("the worker to be ready", START, || {
            let admin = admin_address(self.worker_log().get(before..)?)?;
            http::get(&admin, "/readyz", &[]).is_ok_and(|answer| answer.status == 200).then_some(())
        })?;
        *self.worker() = Some(process);
        Ok(())
    }

    /// Starts a worker that is not expected to become ready.
    pub fn launch_worker(&self, settings: &[(&str, &str)]) -> Result<Process> {
        Launch::new("worker", &binaries::binary("worker")?, &self.worker_log_path())
            .isolated()
            .env(self.environment())
            .env(settings.iter().copied())
            .spawn()
    }

    /// Starts a worker in a folder, whose `.env` it then reads.
    pub fn launch_worker_in(&self, folder: &Path) -> Result<Process> {
        let script = format!("cd '{}' && exec '{}'", folder.display(), binaries::binary("worker")?.display());
        Launch::new("worker", Path::new("/bin/sh"), &self.worker_log_path())
            .isolated()
            .env(self.environment())
            .args(["-c", &script])
            .spawn()
    }

    /// A folder of this world's own.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Kills the worker without warning.
    pub fn kill_worker(&self) -> Result<()> {
        let exit = self.worker().take().context("no worker runs")?.kill9()?;
        ensure!(exit == Exit::Signal(9), "the worker had ended before it was killed: {exit}");
        Ok(())
    }

    /// Asks the worker to stop and answers how long that took.
    pub fn stop_worker(&self) -> Result<Duration> {
        let worker = self.worker().take().context("no worker runs")?;
        let began = Instant::now();
        let exit = worker.terminate(Duration::from_secs(35))?;
        ensure!(exit == Exit::Code(0), "the worker ended badly: {exit}");
        Ok(began.elapsed())
    }

    /// The same while a step is held: it goes on when the worker drains and `meanwhile` has looked.
    pub fn drain_worker(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<Duration> {
        std::thread::scope(|scope| {
            let stopping = scope.spawn(|| self.stop_worker());
            // It no longer takes work, and has not gone yet.
            deadline::poll("the worker to drain", Duration::from_secs(60), || {
                Ok(self.worker_log().contains("draining").then_some(()))
            })?;
            meanwhile()?;
            self.release()?;
            stopping.join().expect("stopping panicked")
        })
    }

    /// Waits until the worker stopped at its hold point, and answers which one that is.
    pub fn wait_until_held(&self) -> Result<String> {
        deadline::poll("the worker to stop at its hold point", START, || {
            Ok(fs::read_to_string(self.dir.join("held")).ok().filter(|place| !place.is_empty()))
        })
    }

    /// The same of a step of that run, which is held for as long as a step can be.
    pub fn wait_until_held_in(&self, run: &Run) -> Result<()> {
        self.wait_until_held()?;
        run.keep_the_attempt()
    }

    /// Lets the held step go on.
    pub fn release(&self) -> Result<()> {
        Ok(fs::write(self.dir.join("released"), "")?)
    }

    /// All that this world's workers wrote.
    pub fn worker_log(&self) -> String {
        fs::read(self.worker_log_path()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// `GET` of the worker's admin listener.
    pub fn admin(&self, path: &str) -> Result<http::Response> {
        http::get(&admin_address(&self.worker_log()).context("no worker has started")?, path, &[])
    }

    fn worker(&self) -> MutexGuard<'_, Option<Process>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn worker_log_path(&self) -> PathBuf {
        self.dir.join("worker.log")
    }
}

/// Where the last worker of this log has its health and metrics; it takes any free port.
fn admin_address(log: &str) -> Option<String> {
    let line = log.lines().rev().find(|line| line.contains("health and metrics"))?;
    let port = line.split("127.0.0.1:").nth(1)?;
    let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("127.0.0.1:{digits}"))
}
