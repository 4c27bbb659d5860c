//! A child that cannot outlive us, even when we die by SIGKILL.
//!
//! Between us and every server stands a small `/bin/sh` that holds the reading end of a pipe. When
//! we are gone, in whatever way, the pipe ends and the shell ends the server. It needs no binary of
//! ours (a library cannot know where its binaries are), works wherever `sh` does, and exits with
//! the server's status, so that a server which dies by itself is noticed.

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Positional: the signal that asks to stop, the grace in tenths of a second, then the command.
///
/// The pipe is moved to descriptor 3 first, because a background command reads `/dev/null`. After
/// the grace the whole group is killed, and with it whatever the server had started. PIPE is
/// ignored so that a parent which dies before it has read the pid does not take the guard along.
const SCRIPT: &str = r#"
stop=$1 grace=$2
shift 2
exec 3<&0 </dev/null
"$@" >&2 3<&- &
child=$!
trap '' PIPE
{
    read -r _ <&3
    kill -"$stop" "$child" 2>/dev/null
    while [ "$grace" -gt 0 ] && kill -0 "$child" 2>/dev/null; do
        sleep 0.1
        grace=$((grace - 1))
    done
    kill -KILL 0
} >/dev/null 2>&1 &
watcher=$!
exec 3<&-
echo "$child"
exec >/dev/null
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// The shell, and our end of the pipe.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    leash: Option<ChildStdin>,
}

/// How a guarded server is asked to stop when we are gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    pub(crate) signal: &'static str,
    pub(crate) grace: Duration,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A command that starts `program` behind a guard; environment, user and log are the caller's to add.
pub(crate) fn command(farewell: Farewell) -> Command {
    let tenths = farewell.grace.as_millis() / 100;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "guard", farewell.signal, &tenths.to_string()]);
    // Its own group: Ctrl-C reaches us alone, and we end the servers in order.
    command.process_group(0);
    command
}

impl Guard {
    /// Starts the guard and answers the pid of the server behind it.
    pub(crate) fn spawn(mut command: Command) -> Result<(Self, u32)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().context("cannot run /bin/sh")?;
        let leash = shell.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let guard = Self { shell, leash };
        match line.trim().parse() {
            Ok(pid) => Ok((guard, pid)),
            Err(_) => bail!("the guard did not report a pid"),
        }
    }

    /// How the server ended, if it has.
    pub(crate) fn exit(&mut self) -> Result<Option<Exit>> {
        Ok(self.shell.try_wait()?.map(exit_of))
    }
}

impl Drop for Guard {
    /// Lets the pipe end and collects the shell; the owner has already ended the server.
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.shell.wait();
    }
}

/// A shell reports a signal as 128 and its number.
fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) if code > 128 => Exit::Signal(code - 128),
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}
