//! Somebody at a terminal, who is asked and answers.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use stack::{binaries, deadline, unique};

use crate::World;

/// Runs a command on a terminal of its own; what is typed comes in by a pipe. Whoever runs the tests
/// in the background may have SIGINT ignored, and a command would inherit that.
const TERMINAL: &str = "\
import os, pty, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
/// A loaded machine takes its time to plan.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a terminal makes SIGINT of.
const CTRL_C: &str = "\u{3}";

/// A person, and the `tenantry` in front of them.
#[derive(Debug)]
pub struct Person {
    screen: PathBuf,
    keyboard: ChildStdin,
    python: Child,
}

impl World {
    /// Types `tenantry …` at a terminal.
    pub fn person(&self, args: &[&str]) -> Result<Person> {
        let screen = self.folder().join(format!("screen-{}", unique::number()));
        let mut python = Command::new("python3");
        stack::command::isolate(&mut python);
        python.args(["-c", TERMINAL]).arg(binaries::binary("tenantry")?).args(args);
        python.envs(self.environment()).current_dir(self.folder());
        python.stdin(Stdio::piped()).stdout(File::create(&screen)?);
        let mut python = python.spawn()?;
        let keyboard = python.stdin.take().context("a keyboard")?;
        Ok(Person { screen, keyboard, python })
    }
}

impl Person {
    /// All that stands on the screen.
    pub fn screen(&self) -> String {
        std::fs::read(&self.screen).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Waits until it stands there.
    pub fn wait_for(&self, question: &str) -> Result<()> {
        let seen = deadline::poll(question, PATIENCE, || Ok(self.screen().contains(question).then_some(())));
        seen.with_context(|| format!("on the screen:\n{}", self.screen()))
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) -> Result<()> {
        self.presses(&format!("{line}\n"))
    }

    /// Types a line; then all that was on the screen, and how the command exited.
    pub fn answers(mut self, line: &str) -> Result<(String, Option<i32>)> {
        self.types(line)?;
        self.ended()
    }

    /// Presses Ctrl-C; a command that it ends has the exit code of the terminal's program, 256 less
    /// the signal's number.
    pub fn interrupts(mut self) -> Result<(String, Option<i32>)> {
        self.presses(CTRL_C)?;
        self.ended()
    }

    fn presses(&mut self, keys: &str) -> Result<()> {
        Ok(self.keyboard.write_all(keys.as_bytes())?)
    }

    /// Waits for the command's end: all that is on the screen by then, and how it exited.
    pub fn ended(mut self) -> Result<(String, Option<i32>)> {
        let exit = deadline::poll("the command to end", PATIENCE, || Ok(self.python.try_wait()?));
        let exit = exit.with_context(|| format!("on the screen:\n{}", self.screen()))?;
        Ok((self.screen(), exit.code()))
    }
}

impl Drop for Person {
    /// A test that failed leaves nobody at a question.
    fn drop(&mut self) {
        let _ = self.python.kill();
        let _ = self.python.wait();
    }
}
