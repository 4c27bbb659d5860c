//! Lines on stderr about work that takes long.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often a long step says that it is still alive.
const EVERY: Duration = Duration::from_secs(10);

/// Writes past the test harness, which would keep a print until the test fails: a first `cargo test`
/// that installs for a minute must not look stuck.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says that the work begins, every ten seconds that it goes on, and how long it took.
pub(crate) fn during<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("{what} ..."));
    let began = Instant::now();
    let (done, ended) = mpsc::channel::<()>();
    let outcome = thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                say(&format!("{what} ... {} s", began.elapsed().as_secs()));
            }
        });
        let outcome = work();
        drop(done);
        outcome
    });
    if outcome.is_ok() {
        say(&format!("{what}: done in {} s", began.elapsed().as_secs()));
    }
    outcome
}
