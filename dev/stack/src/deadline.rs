//! Waiting: until something is so, until time is up, or until the user has had enough.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The error of a wait that [`interrupt`] ended.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Ends every wait of this process, now and later, with [`Interrupted`].
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Whether [`interrupt`] was called.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Asks again and again until there is an answer; `what` completes "timed out waiting for …".
pub fn poll<T>(what: &str, limit: Duration, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    poll_within(what, limit, [Duration::from_millis(2), Duration::from_millis(50)], ask)
}

/// [`poll`] for an `ask` that costs something, such as one that runs a program.
pub fn poll_every<T>(
    what: &str,
    limit: Duration,
    pause: Duration,
    ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    poll_within(what, limit, [pause, pause], ask)
}

/// The pause doubles from the first to the longest.
fn poll_within<T>(
    what: &str,
    limit: Duration,
    [first, longest]: [Duration; 2],
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    let mut pause = first;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if interrupted() {
            return Err(Interrupted.into());
        }
        if Instant::now() >= end {
            bail!("timed out after {} s waiting for {what}", limit.as_secs_f32());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::poll_every;

    #[test]
    fn a_slow_poll_asks_as_often_as_it_is_told() {
        let (began, mut asked) = (Instant::now(), 0);
        let third = poll_every("the third time", Duration::from_secs(20), Duration::from_millis(30), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(third.expect("an answer"), 3);
        assert!(began.elapsed() >= Duration::from_millis(60), "{:?}", began.elapsed());
    }
}
