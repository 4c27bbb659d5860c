//! Does Postgres answer, and is the database the one that this build expects?

use store::{AccountRow, SchemaState};

use super::check::{Check, in_time};
use super::inbox;
use crate::database::{Database, expected_version};
use crate::failure::Failure;

/// The oldest that the schema is written for.
const OLDEST_MAJOR: u32 = 15;

const POSTGRES: &str = "Postgres";
const SCHEMA: &str = "schema";
const MASTER: &str = "master tenant";

/// What was found; the account as far as it could be read.
pub(super) struct Found {
    pub(super) checks: Vec<Check>,
    pub(super) account: Option<Option<AccountRow>>,
}

/// Each check needs the one before.
pub(super) async fn look(database: Option<&Database>) -> Found {
    let Some(database) = database else {
        return nothing_after(Vec::new(), &[POSTGRES, SCHEMA, MASTER], "a setting of the database");
    };
    let server = server(database).await;
    if server.is_red() {
        return nothing_after(vec![server], &[SCHEMA, MASTER], POSTGRES);
    }
    let (schema, is_usable) = schema(database).await;
    if !is_usable {
        return nothing_after(vec![server, schema], &[MASTER], SCHEMA);
    }
    let master = master(database).await;
    let account = in_time("Stripe account", database.store.account()).await.ok().and_then(Result::ok);
    let mut checks = vec![server, schema, master];
    checks.extend(inbox::look(database).await);
    Found { checks, account }
}

fn nothing_after(mut checks: Vec<Check>, names: &[&'static str], depends_on: &'static str) -> Found {
    checks.extend(names.iter().chain(&inbox::NAMES).map(|name| Check::skipped(name, depends_on)));
    Found { checks, account: None }
}

async fn server(database: &Database) -> Check {
    match asked(POSTGRES, database, database.store.server_version()).await {
        Err(red) => red,
        Ok(version) if is_old(&version) => {
            Check::red(POSTGRES, format!("version {version}"), format!("move to Postgres {OLDEST_MAJOR} or later"))
        }
        Ok(version) => Check::ok(POSTGRES, format!("version {version} at {}", database.config.place())),
    }
}

fn is_old(version: &str) -> bool {
    let major = version.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major < OLDEST_MAJOR)
}

/// And whether this build can read it.
async fn schema(database: &Database) -> (Check, bool) {
    let expected = expected_version();
    match asked(SCHEMA, database, database.store.schema()).await {
        Err(red) => (red, false),
        Ok(SchemaState::Current(version)) => {
            (Check::ok(SCHEMA, format!("version {version}, as this build expects")), true)
        }
        Ok(SchemaState::Behind(version)) => {
            let found = format!("version {version}, and this build needs {expected}");
            (Check::red(SCHEMA, found, "tenantry migrate"), false)
        }
        Ok(SchemaState::Ahead(version)) => {
            let found = format!("version {version}, newer than this build, which knows {expected}");
            (Check::warning(SCHEMA, found, "use a newer build; this one goes on, since migrations only add"), true)
        }
    }
}

async fn master(database: &Database) -> Check {
    match asked(MASTER, database, database.store.master_of_the_database()).await {
        Err(red) => red,
        Ok(Some(master)) if master == database.store.master() => {
            Check::ok(MASTER, "is the one of MASTER_BILLING_TENANT_ID")
        }
        Ok(Some(master)) => Check::red(
            MASTER,
            format!("is {master}, and MASTER_BILLING_TENANT_ID names another"),
            "correct MASTER_BILLING_TENANT_ID, or DATABASE_URL",
        ),
        Ok(None) => Check::red(MASTER, "there is none", "tenantry migrate --master-tenant UUID"),
    }
}

async fn asked<T>(
    name: &'static str,
    database: &Database,
    asking: impl Future<Output = Result<T, store::Error>>,
) -> Result<T, Check> {
    let failed = |failure: Failure| Check::failed(name, &failure);
    in_time(name, asking).await?.map_err(|error| failed(database.failed(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_15_are_old() {
        for (version, expected) in [("14.11", true), ("15.18 (Debian 15.18-0+deb12u1)", false), ("18beta1", false)] {
            assert_eq!(is_old(version), expected, "{version}");
        }
    }
}
