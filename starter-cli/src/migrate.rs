//! `tenantry migrate`: brings the schema up, forward only, and makes the master billing tenant.

use domain::ids::TenantId;
use schemars::JsonSchema;
use serde::Serialize;
use store::{SchemaState, Store};

use crate::database::{Database, expected_version};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows};
use crate::settings::MASTER;

const HELP: &str = "\
Examples:
  tenantry migrate --master-tenant 0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11
  MASTER_BILLING_TENANT_ID=0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11 tenantry migrate

Twice is as good as once, and two at once wait for each other.";

/// For which installation.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The tenant that owns the Stripe account, its catalogue and its events; any UUID, the same
    /// one for good
    #[arg(long, value_name = "UUID", env = MASTER, hide_env_values = true)]
    master_tenant: TenantId,
}

/// What was done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Migrated {
    from_version: i64,
    to_version: i64,
    master_tenant_id: String,
    database: String,
}

/// Migrates.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let database = Database::from_env(args.master_tenant)?;
    let from_version = match database.schema().await? {
        SchemaState::Current(version) | SchemaState::Behind(version) => version,
        SchemaState::Ahead(version) => return Err(ahead(version, &database.config.place())),
    };
    Store::migrate(&database.config, args.master_tenant).await.map_err(|error| database.failed(&error))?;
    output.print(&Migrated {
        from_version,
        to_version: expected_version(),
        master_tenant_id: args.master_tenant.to_string(),
        database: database.config.place(),
    });
    Ok(Exit::Done)
}

fn ahead(version: i64, place: &str) -> Failure {
    let message = format!(
        "the schema at {place} is version {version}, newer than this build, which knows {}",
        expected_version()
    );
    Failure::new(Exit::Refused, message, "use the build that made it, or a newer one; nothing was changed")
}

impl Report for Migrated {
    fn text(&self) -> String {
        let Self { from_version, to_version, .. } = self;
        let schema = if from_version == to_version {
            format!("version {to_version}, nothing to do")
        } else {
            format!("version {from_version} -> {to_version}")
        };
        let mut rows = Rows::default();
        rows.push("database", &self.database);
        rows.push("schema", schema);
        rows.push("master tenant", &self.master_tenant_id);
        rows.to_string()
    }
}
