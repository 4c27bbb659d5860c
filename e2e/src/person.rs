//! Somebody at a terminal, who is asked and answers.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use stack::{binaries, deadline, unique};

use crate::World;

/// Runs a command on a terminal of its own; what is typed comes in by a pipe.
const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
/// A loaded machine takes its time to plan.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a terminal makes SIGINT of.
const CTRL_C: &str = "\u{3}";

/// A person, and the `tenantry` in front of them.
#[derive(Debug)]
pub struct Person {
    screen: PathBuf,
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
        Ok(Person { screen, python: python.spawn()? })
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

    /// Types a line; then all that was on the screen, and how the command exited.
    pub fn answers(self, word: &str) -> Result<(String, Option<i32>)> {
        self.types(&format!("{word}\n"))
    }

    /// Presses Ctrl-C; the exit code is that of the terminal's program, 256 less the signal's number.
    pub fn interrupts(self) -> Result<(String, Option<i32>)> {
        self.types(CTRL_C)
    }

    fn types(mut self, keys: &str) -> Result<(String, Option<i32>)> {
        let mut keyboard = self.python.stdin.take().context("a keyboard")?;
        keyboard.write_all(keys.as_bytes())?;
        let exit = self.python.wait()?;
        drop(keyboard);
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
