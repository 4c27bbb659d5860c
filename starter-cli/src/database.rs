//! The database as a command meets it: where it is, how far its schema is, and in which words
//! it is said that it does not answer.

use std::error::Error;

use domain::ids::TenantId;
use domain::license::LicenseRules;
use store::{DatabaseConfig, MIGRATIONS, SchemaState, Store};

use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::settings::lookup;

/// The version that this build writes and reads.
pub(crate) fn expected_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// The database of `DATABASE_URL`.
pub(crate) struct Database {
    pub(crate) config: DatabaseConfig,
    pub(crate) store: Store,
}

impl Database {
    /// The settings, parsed. Connects when first used.
    pub(crate) fn from_env(master: TenantId) -> Result<Self, Failure> {
        let config = DatabaseConfig::from_env(lookup).map_err(Failure::setting)?.of_a_person();
        let rules = LicenseRules::from_env(lookup).map_err(Failure::setting)?;
        let store = Store::new(&config, master, rules);
        Ok(Self { config, store })
    }

    /// How far its schema is.
    pub(crate) async fn schema(&self) -> Result<SchemaState, Failure> {
        self.store.schema().await.map_err(|error| self.failed(&error))
    }

    /// A query on an older schema would fail with words that help nobody.
    pub(crate) async fn refuse_old_schema(&self) -> Result<(), Failure> {
        match self.schema().await? {
            SchemaState::Current(_) | SchemaState::Ahead(_) => Ok(()),
            SchemaState::Behind(found) => {
                let (place, expected) = (self.config.place(), expected_version());
                let message = format!("the schema at {place} is version {found}, and this build needs {expected}");
                Err(Failure::new(Exit::Refused, message, "tenantry migrate --master-tenant UUID"))
            }
        }
    }

    /// It did not answer, or not with what was expected.
    pub(crate) fn failed(&self, error: &store::Error) -> Failure {
        let place = self.config.place();
        let cause = error.source().map_or_else(|| error.to_string(), chain);
        match error {
            store::Error::Unavailable(_) => Failure::new(
                Exit::Unreachable,
                format!("cannot reach Postgres at {place}: {cause}"),
                "start it, or correct DATABASE_URL",
            ),
            store::Error::Refused(refusal) => {
                Failure::new(Exit::Refused, format!("{refusal}"), "run `tenantry doctor` to see what the settings say")
            }
            store::Error::Contradiction(_) | store::Error::Unreadable { .. } => Failure::new(
                Exit::Failed,
                format!("cannot read the database at {place}: {cause}"),
                "run `tenantry doctor`; a newer build may be needed",
            ),
        }
    }
}
