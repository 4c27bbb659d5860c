//! A server as a child process: started behind a guard, signalled, watched, ended.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command;
use crate::deadline;
pub use crate::guard::Exit;
use crate::guard::{self, Farewell, Guard};
use crate::unprivileged::User;

/// What to start, and how it is asked to stop when this process is gone.
#[derive(Debug)]
pub struct Launch {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    log: PathBuf,
    user: Option<User>,
    isolated: bool,
    farewell: Farewell,
}

impl Launch {
    /// A program whose output goes to the end of `log`; it is asked with TERM and has 10 s.
    pub fn new(name: &str, program: &Path, log: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            log: log.to_owned(),
            user: None,
            isolated: false,
            farewell: Farewell { signal: "TERM", grace: Duration::from_secs(10) },
        }
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds variables to the inherited environment.
    pub fn env(mut self, env: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Self {
        self.env.extend(env.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Takes away whatever the user's own shell and `.env` files say about Stripe, Temporal and the
    /// database, so that only the variables added here count.
    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }

    /// Runs as somebody else, if anybody is given.
    pub fn user(mut self, user: Option<User>) -> Self {
        self.user = user;
        self
    }

    /// The signal (`TERM`, `INT`, …) and the grace of the stop that comes when this process is gone.
    pub fn farewell(mut self, signal: &'static str, grace: Duration) -> Self {
        self.farewell = Farewell { signal, grace };
        self
    }

    /// Starts it, as often as it is called. That it runs does not mean that it answers.
    pub fn spawn(&self) -> Result<Process> {
        let mut command = guard::command(self.farewell);
        if self.isolated {
            command::isolate(&mut command);
        }
        command.arg(&self.program).args(&self.args).envs(self.env.iter().map(|(n, v)| (n, v)));
        command.stderr(open_log(&self.log)?);
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        let (guard, pid) = Guard::spawn(command).with_context(|| format!("cannot start {}", self.name))?;
        Ok(Process { name: self.name.clone(), pid, log: self.log.clone(), guard: Mutex::new(guard) })
    }
}

/// A running (or ended) server; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    guard: Mutex<Guard>,
}

impl Process {
    /// [`Launch`] for the plain case.
    pub fn spawn(name: &str, program: &Path, args: &[&str], env: &[(&str, &str)], log: &Path) -> Result<Self> {
        Launch::new(name, program, log).args(args.iter().copied()).env(env.iter().copied()).spawn()
    }

    /// The server's own pid, not the guard's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its output so far (and that of earlier processes with the same log).
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of its output, for an error message.
    pub fn last_words(&self) -> String {
        let tail = command::tail(&self.log());
        if tail.is_empty() { format!("its log {} is empty", self.log.display()) } else { tail }
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.exit().is_none()
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.guard().exit().ok().flatten()
    }

    /// Sends a signal by name (`TERM`, `INT`, `STOP`, …); one that has ended is left alone.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let mut guard = self.guard();
        if guard.exit()?.is_some() {
            return Ok(());
        }
        // The shell's builtin: no unsafe call, and no `kill` program that a small system may lack. Run
        // plainly: an interrupt is when processes are signalled, so it must not cut this short.
        let mut kill = Command::new("/bin/sh");
        let sent = kill.args(["-c", "kill -\"$1\" \"$2\"", "kill", signal, &self.pid.to_string()]).output()?;
        if !sent.status.success() && guard.exit()?.is_none() {
            bail!("cannot send {signal} to {}", self.name);
        }
        Ok(())
    }

    /// Kills it without warning and waits until it is gone.
    pub fn kill9(&self) -> Result<Exit> {
        self.signal("KILL")?;
        self.wait(Duration::from_secs(10))
    }

    /// Asks it to stop (TERM) and waits; what is still there after `grace` is killed.
    pub fn terminate(&self, grace: Duration) -> Result<Exit> {
        self.stop("TERM", grace)
    }

    /// Asks it to stop with a signal of its own and waits; what is still there after `grace` is killed.
    pub fn stop(&self, signal: &str, grace: Duration) -> Result<Exit> {
        self.signal(signal)?;
        match self.wait_patiently(grace) {
            Some(exit) => Ok(exit),
            None => self.kill9(),
        }
    }

    /// Waits until it has ended by itself.
    pub fn wait(&self, limit: Duration) -> Result<Exit> {
        self.wait_patiently(limit).with_context(|| format!("{} has not ended after {limit:?}", self.name))
    }

    /// Not cut short by an interrupt: this is how an interrupted process cleans up.
    fn wait_patiently(&self, limit: Duration) -> Option<Exit> {
        let end = Instant::now() + limit;
        loop {
            let exit = self.exit();
            if exit.is_some() || Instant::now() >= end {
                return exit;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Polls until `ask` answers; that the process ended meanwhile is an error with its last words.
    pub fn until<T>(&self, what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
        self.came_up(deadline::poll(what, limit, || self.or_its_end(ask())))
    }

    /// [`Process::until`] for an `ask` that runs a program.
    pub fn until_every<T>(
        &self,
        what: &str,
        limit: Duration,
        pause: Duration,
        mut ask: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        self.came_up(deadline::poll_every(what, limit, pause, || self.or_its_end(ask())))
    }

    fn or_its_end<T>(&self, answer: Option<T>) -> Result<Option<T>> {
        match (answer, self.exit()) {
            (Some(answer), _) => Ok(Some(answer)),
            (None, None) => Ok(None),
            (None, Some(exit)) => bail!("{} ended ({exit}): {}", self.name, self.last_words()),
        }
    }

    fn came_up<T>(&self, answer: Result<T>) -> Result<T> {
        answer.with_context(|| format!("{} did not come up, its log is {}", self.name, self.log.display()))
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody can be told of a failure here, and the guard's pipe ends it in any case.
        let _ = self.kill9();
    }
}

fn open_log(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().create(true).append(true).open(path).with_context(|| format!("cannot write {}", path.display()))
}
