//! Work in bulk: tenants that exist already, and workflows on the second queue.

use anyhow::Result;
use serde_json::Value;

use crate::run::Run;
use crate::world::World;

impl World {
    /// A tenant that nobody bought here, without customer and count.
    pub fn add_tenant(&self, tenant: &str, email: &str) -> Result<()> {
        let sql = format!("INSERT INTO tenants (tenant, client_name, email) VALUES ('{tenant}', 'Old', '{email}')");
        self.rows(&sql).map(drop)
    }

    /// Starts a workflow on the bulk queue, through the official CLI.
    pub fn start_in_bulk(&self, workflow: &str, workflow_id: &str, input: &str) -> Result<Run> {
        let queue = format!("{}-bulk", self.task_queue());
        let names = ["--type", workflow, "--workflow-id", workflow_id, "--task-queue", &queue];
        let more = ["--id-conflict-policy", "Fail", "--input", input, "--output", "json"];
        let started = self.temporal.cli(&[&["workflow", "start"][..], &names, &more].concat())?;
        let started: Value = serde_json::from_str(&started)?;
        Ok(Run::new(self.temporal, workflow_id, started["runId"].as_str().map(str::to_owned)))
    }
}
