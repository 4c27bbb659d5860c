//! `psql`: one statement and its rows, or a session that stays open.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command;
use crate::deadline::{self, Interrupted};

/// Columns and rows in psql's answer, and the end of an answer: characters that no text of ours holds.
const FIELD: char = '\u{1f}';
const RECORD: char = '\u{1e}';
const END: char = '\u{1d}';

/// No statement of a test takes that long, not even one that waits for a lock.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a session that waits looks whether the user has had enough.
const LOOK: Duration = Duration::from_millis(100);

/// Rows as text, column by column; NULL is the empty text.
pub type Rows = Vec<Vec<String>>;

/// Runs SQL in a session of its own.
pub(crate) fn run(bin: &Path, url: &str, sql: &str) -> Result<Rows> {
    let mut psql = psql(bin, url);
    psql.args(["--set", "ON_ERROR_STOP=1", "--command", sql]);
    Ok(rows(&command::stdout(&mut psql)?))
}

/// An open session: what it has begun stays begun, and its locks stay held, until it ends that or is
/// dropped. Dropping it closes it, and Postgres rolls back what was not committed.
#[derive(Debug)]
pub struct Session {
    psql: Child,
    stdin: ChildStdin,
    said: Receiver<Said>,
    statements: u64,
}

/// A line of psql's, with its end.
#[derive(Debug)]
enum Said {
    Stdout(String),
    Stderr(String),
}

impl Session {
    pub(crate) fn open(bin: &Path, url: &str) -> Result<Self> {
        let mut psql = psql(bin, url);
        // Without notices and warnings, whatever comes on stderr is an error.
        psql.env("PGOPTIONS", "-c client_min_messages=error").env("LC_ALL", "C");
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = psql.spawn().context("cannot run psql")?;
        let stdin = psql.stdin.take().context("psql has no stdin")?;
        let (sender, said) = mpsc::channel();
        forward(psql.stdout.take(), sender.clone(), Said::Stdout);
        forward(psql.stderr.take(), sender, Said::Stderr);
        let mut session = Self { psql, stdin, said, statements: 0 };
        session.run("SELECT 1")?;
        Ok(session)
    }

    /// Runs one statement and answers its rows, after as long as it takes (60 s at most, an error
    /// that closes the session).
    ///
    /// An error of the statement is an `Err` with psql's message, and the session stays usable; inside
    /// a transaction Postgres then refuses everything up to the `ROLLBACK`.
    pub fn run(&mut self, sql: &str) -> Result<Rows> {
        self.statements += 1;
        let end = format!("{END}{}", self.statements);
        // The semicolon on a line of its own: the text may end with a comment, or with one already.
        let text = format!("{sql}\n;\n\\echo {end}\n\\warn {end}\n");
        // A psql that is gone has said why, which is read below.
        let _ = self.stdin.write_all(text.as_bytes());
        let (rows, errors) = self.answer(&format!("{end}\n")).inspect_err(|_| self.close())?;
        if errors.is_empty() { Ok(self::rows(&rows)) } else { bail!("{}: {sql}", command::tail(&errors)) }
    }

    /// What comes on stdout and on stderr up to the end, which comes on both.
    fn answer(&self, end: &str) -> Result<(String, String)> {
        let limit = Instant::now() + PATIENCE;
        let (mut rows, mut errors, mut ends) = (String::new(), String::new(), 0);
        while ends < 2 {
            match self.said.recv_timeout(LOOK) {
                Ok(Said::Stdout(line) | Said::Stderr(line)) if line == end => ends += 1,
                Ok(Said::Stdout(line)) => rows.push_str(&line),
                Ok(Said::Stderr(line)) => errors.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => bail!("the session has ended: {}", command::tail(&errors)),
                Err(RecvTimeoutError::Timeout) if deadline::interrupted() => return Err(Interrupted.into()),
                Err(RecvTimeoutError::Timeout) if Instant::now() < limit => {}
                Err(RecvTimeoutError::Timeout) => bail!("no answer after {PATIENCE:?}"),
            }
        }
        Ok((rows, errors))
    }

    fn close(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

/// A `psql` that reads no settings but these.
fn psql(bin: &Path, url: &str) -> Command {
    let mut psql = Command::new(bin.join("psql"));
    psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
    psql.arg("--field-separator").arg(FIELD.to_string()).arg("--record-separator").arg(RECORD.to_string());
    let (url, password) = split_password(url);
    // The password is not for the command line, where everybody on the machine can read it.
    psql.arg("--dbname").arg(url).env("PGCONNECT_TIMEOUT", "60").env("PGPASSWORD", password);
    psql
}

/// The URL without its password, and the password.
fn split_password(url: &str) -> (String, &str) {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.split_once('@')?;
        let (role, password) = login.split_once(':')?;
        Some((format!("{scheme}://{role}@{place}"), password))
    });
    parts.unwrap_or_else(|| (url.to_owned(), ""))
}

/// psql ends the last row with a newline, so that no rows and one empty value are told apart.
fn rows(text: &str) -> Rows {
    let Some(text) = text.strip_suffix('\n') else { return Vec::new() };
    text.split(RECORD).map(|record| record.split(FIELD).map(String::from).collect()).collect()
}

/// Sends line by line until the pipe ends or nobody listens any more.
fn forward(pipe: Option<impl Read + Send + 'static>, sender: Sender<Said>, said: fn(String) -> Said) {
    let Some(pipe) = pipe else { return };
    let mut pipe = BufReader::new(pipe);
    thread::spawn(move || {
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send(said(text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{rows, split_password};

    #[test]
    fn no_rows_and_an_empty_value_are_two_things() {
        assert!(rows("").is_empty());
        assert_eq!(rows("\n"), [[""]]);
        assert_eq!(rows("1\u{1f}a\nb\u{1e}2\u{1f}\n"), [["1", "a\nb"], ["2", ""]]);
    }

    #[test]
    fn a_password_leaves_the_url() {
        let expected = ("postgres://me@127.0.0.1:1/db".to_owned(), "secret");
        assert_eq!(split_password("postgres://me:secret@127.0.0.1:1/db"), expected);
    }
}
