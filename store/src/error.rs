//! What a query can end with, and whether trying again helps.

use domain::failure::{Classify, FailureKind, Retry};
use domain::refusal::Refusal;

/// Why a call to the store did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked contradicts what is known; nothing was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Postgres did not answer, or answered that it cannot now, or not with this schema.
    #[error("failed to ask Postgres")]
    Unavailable(#[source] sqlx::Error),
    /// Postgres holds the write to be wrong.
    #[error("failed to write: Postgres refuses it, which is a mistake in Tenantry; report it with its cause")]
    Contradiction(#[source] sqlx::Error),
    /// A row holds what this version cannot read.
    #[error("failed to read {column} of {table}; run the version of Tenantry that wrote it, and start it again")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

impl Classify for Error {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Unavailable(_) => FailureKind::DatabaseUnavailable,
            Self::Contradiction(_) | Self::Unreadable { .. } => FailureKind::ConflictError,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Refused(refusal) => refusal.retry(),
            Self::Unavailable(_) => Retry::Backoff,
            Self::Contradiction(_) | Self::Unreadable { .. } => Retry::Never,
        }
    }
}

impl From<sqlx::Error> for Error {
    /// Postgres's class 22 is data that does not fit and 23 a constraint that says no, see
    /// <https://www.postgresql.org/docs/current/errcodes-appendix.html>. Neither passes by
    /// waiting; everything else does, or is mended by a person while the step waits.
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
        match code.as_deref().and_then(|code| code.get(..2)) {
            Some("22" | "23") => Self::Contradiction(error),
            Some(_) | None => Self::Unavailable(error),
        }
    }
}

/// A column holds what this version cannot read.
pub(crate) fn unreadable(table: &'static str, column: &'static str) -> Error {
    Error::Unreadable { table, column }
}
