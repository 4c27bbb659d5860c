//! The queries that were checked at compile time, against the schema as it is today: a migration
//! that breaks one, and a query whose check was not renewed, are found here.

use anyhow::{Context, Result, ensure};
use e2e::World;
use serde_json::Value;
use stack::workspace;

#[test]
fn every_checked_query_fits_the_migrated_schema() -> Result<()> {
    let world = World::named("queries").without_worker()?;
    let mut checked = 0;
    for entry in std::fs::read_dir(workspace::root().join(".sqlx"))? {
        let path = entry?.path();
        let query: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let sql = query["query"].as_str().context("a check without its query")?;
        // Locks cannot be prepared, and are not worth it.
        if !sql.starts_with("LOCK") {
            world.rows(&format!("PREPARE checked AS {sql}")).with_context(|| path.display().to_string())?;
        }
        checked += 1;
    }
    ensure!(checked > 20, "only {checked} queries");
    Ok(())
}
