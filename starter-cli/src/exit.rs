//! How a command ended, as a number that scripts can rely on.

use std::process::ExitCode;

/// The exit codes of `tenantry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Tried, and failed.
    Failed = 1,
    /// A flag or a setting is missing or wrong; nothing was tried.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// The state of things forbids it: it runs already, it is done already, the schema is too old.
    Refused = 4,
    /// Temporal, Postgres or Stripe does not answer.
    Unreachable = 5,
    /// It was looked at, and something is wrong with it.
    Findings = 6,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Stands at the end of `tenantry --help`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  done
  1  failed
  2  a flag or a setting is missing or wrong
  3  not found
  4  refused by the state of things (runs already, is done already)
  5  cannot reach Temporal, Postgres or Stripe
  6  findings (`doctor` is red, events do not add up, drift is left, tenants wait for a person)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_table() {
        let all =
            [Exit::Done, Exit::Failed, Exit::Usage, Exit::NotFound, Exit::Refused, Exit::Unreachable, Exit::Findings];
        let listed: Vec<&str> =
            TABLE.lines().skip(1).map(|line| line.trim_start().split(' ').next().unwrap_or_default()).collect();
        assert_eq!(listed, all.map(|exit| exit.code().to_string()));
    }
}
