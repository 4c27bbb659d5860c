//! The settings that concern Postgres.

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// How long Postgres is waited for.
#[derive(Clone, Copy)]
struct Limits {
    /// For a connection.
    acquire: Duration,
    /// For a statement with its locks, in milliseconds.
    statement: &'static str,
    /// For each lock, in milliseconds.
    lock: &'static str,
}

/// A step that asks Postgres has 5 seconds. A connection and one slow statement fit into them, so
/// that the step can still say what it waited for.
const STEP: Limits = Limits { acquire: Duration::from_secs(2), statement: "2500", lock: "2000" };
/// A person has more, and nobody tries again for them.
const PERSON: Limits = Limits { acquire: Duration::from_secs(5), statement: "15000", lock: "10000" };
/// Connections that a program keeps whose callers cannot wait for a new one.
const READY_CONNECTIONS: u32 = 2;

/// `DATABASE_URL` and `DATABASE_MAX_CONNECTIONS`.
#[derive(Clone)]
pub struct DatabaseConfig {
    options: PgConnectOptions,
    connections_max: u32,
    limits: Limits,
}

/// A setting that is missing or wrong. It never repeats the value, which holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set.
    #[error("DATABASE_URL is not set; set it to postgres://user:password@host:5432/database")]
    UrlMissing,
    /// Not a URL of Postgres.
    #[error("DATABASE_URL is not a URL of Postgres; set it to postgres://user:password@host:5432/database")]
    UrlWrong,
    /// Not a number of connections.
    #[error("DATABASE_MAX_CONNECTIONS is not a whole number from 1 to 1000")]
    ConnectionsWrong,
}

impl DatabaseConfig {
    /// The settings that `lookup` knows by their names.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let url = set("DATABASE_URL").ok_or(ConfigError::UrlMissing)?;
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let options = PgConnectOptions::from_str(&url).ok().filter(|_| is_postgres).ok_or(ConfigError::UrlWrong)?;
        let connections_max = match set("DATABASE_MAX_CONNECTIONS") {
            None => 10,
            Some(text) => text.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or(ConfigError::ConnectionsWrong)?,
        };
        Ok(Self { options, connections_max, limits: STEP })
    }

    /// The same with the limits of a person's command, not of a step.
    pub fn of_a_person(self) -> Self {
        Self { limits: PERSON, ..self }
    }

    /// Where it points to, without user and password.
    pub fn place(&self) -> String {
        let database = self.options.get_database().unwrap_or("(default)");
        format!("{}:{}/{database}", self.options.get_host(), self.options.get_port())
    }

    pub(crate) fn pool(&self) -> PgPool {
        self.pool_options().connect_lazy_with(self.limited())
    }

    /// With some connections made before they are asked for.
    pub(crate) fn ready_pool(&self) -> PgPool {
        let ready = READY_CONNECTIONS.min(self.connections_max);
        // A connection that is gone shows at its next statement, which its caller repeats or refuses;
        // asking each time beforehand would be a second round trip for every batch of events.
        self.pool_options().min_connections(ready).test_before_acquire(false).connect_lazy_with(self.limited())
    }

    fn pool_options(&self) -> PgPoolOptions {
        PgPoolOptions::new().max_connections(self.connections_max).acquire_timeout(self.limits.acquire)
    }

    fn limited(&self) -> PgConnectOptions {
        let session = [
            ("statement_timeout", self.limits.statement),
            ("lock_timeout", self.limits.lock),
            // Whatever the server's default: what was answered after a commit must outlive a crash, see
            // <https://www.postgresql.org/docs/current/wal-async-commit.html>.
            ("synchronous_commit", "on"),
        ];
        self.options.clone().application_name("tenantry").options(session)
    }

    /// For migrations, which may well take longer than a step.
    pub(crate) fn unhurried(&self) -> PgPool {
        PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone())
    }
}

impl std::fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatabaseConfig({}, at most {} connections)", self.place(), self.connections_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &[(&str, &str)], expected: Result<&str, ConfigError>) {
        let lookup = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let found = DatabaseConfig::from_env(lookup).map(|config| format!("{config:?}"));
        assert_eq!(found, expected.map(str::to_owned));
    }

    #[test]
    fn a_wrong_setting_is_named_and_a_right_one_never_shows_its_password() {
        let url = ("DATABASE_URL", "postgres://ann:secret@127.0.0.1:5433/tenantry");
        check(&[url], Ok("DatabaseConfig(127.0.0.1:5433/tenantry, at most 10 connections)"));
        check(&[], Err(ConfigError::UrlMissing));
        check(&[("DATABASE_URL", "")], Err(ConfigError::UrlMissing));
        check(&[("DATABASE_URL", "mysql://ann:secret@host/tenantry")], Err(ConfigError::UrlWrong));
        check(&[url, ("DATABASE_MAX_CONNECTIONS", "none")], Err(ConfigError::ConnectionsWrong));
        check(&[url, ("DATABASE_MAX_CONNECTIONS", "0")], Err(ConfigError::ConnectionsWrong));
    }
}
