//! One thing that was looked at, and what was found.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Failure;

/// A service that does not answer must not hang the command.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Nothing fails today; somebody should look.
    Warning,
    /// Nothing works, or soon will not.
    Red,
    /// Not looked at: what it depends on is red.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Red => "red",
            Self::Skipped => "skipped",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do about it.
    pub(super) next: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), next: None }
    }

    pub(super) fn warning(name: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, found: found.into(), next: Some(next.into()) }
    }

    pub(super) fn red(name: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Red, found: found.into(), next: Some(next.into()) }
    }

    pub(super) fn skipped(name: &'static str, depends_on: &'static str) -> Self {
        let found = format!("not looked at: {depends_on} is red");
        Self { name, verdict: Verdict::Skipped, found, next: None }
    }

    pub(super) fn failed(name: &'static str, failure: &Failure) -> Self {
        Self::red(name, failure.message(), failure.next())
    }

    pub(super) fn is_red(&self) -> bool {
        self.verdict == Verdict::Red
    }
}

/// The answer, or the red line that says there was none in time.
pub(super) async fn in_time<T>(name: &'static str, asking: impl Future<Output = T>) -> Result<T, Check> {
    let late = |_| {
        let found = format!("no answer in {} seconds", TIMEOUT.as_secs());
        Check::red(name, found, "see whether it is overloaded, or the way to it is blocked")
    };
    tokio::time::timeout(TIMEOUT, asking).await.map_err(late)
}
