//! The closing table: what was bought, what became of it, where to look, what to try.

use std::path::Path;

use anyhow::Result;
use stack::{binaries, workspace};

use super::demo::Purchase;
use super::plan::{DATABASE, Plan};
use super::servers::Servers;

/// Prints it; after `--once` nothing runs any more, so there is nothing to try.
pub(super) fn print(plan: &Plan, servers: &Servers, purchase: &Purchase, once: bool) -> Result<()> {
    print_purchase(plan, purchase);
    if !once {
        print_places(plan, servers);
        print_commands(plan, servers, purchase)?;
    }
    Ok(())
}

fn print_purchase(plan: &Plan, purchase: &Purchase) {
    println!("\nA purchase became a tenant in {:.1} s.\n", purchase.took.as_secs_f32());
    row("bought", &format!("{} × {} by {}", purchase.licenses, purchase.price, purchase.client_name));
    row("customer", &format!("{}  {}", purchase.customer, purchase.email));
    row("subscription", &purchase.subscription);
    row("tenant", &purchase.tenant);
    row("licences", &purchase.licenses.to_string());
    row("run", &plan.run_link(&purchase.workflow_id, &purchase.run_id));
}

fn print_places(plan: &Plan, servers: &Servers) {
    println!();
    row("Temporal UI", &plan.ui());
    row("Temporal", &servers.temporal.address());
    row("Postgres", &format!("{}/{DATABASE}", servers.postgres.address()));
    row("Stripe double", &format!("http://{}", plan.stripe_address()));
    row("worker", &format!("http://{}/metrics  (pid {})", plan.worker_address(), servers.worker.pid()));
    row("logs", &relative(&plan.logs));
    row("settings", &relative(&plan.env_file));
}

fn print_commands(plan: &Plan, servers: &Servers, purchase: &Purchase) -> Result<()> {
    let tenantry = relative(&binaries::binary("tenantry")?);
    println!("\nTry next, in another terminal:\n");
    println!("  source {}", relative(&plan.env_file));
    println!("  {tenantry} tenant show {}", purchase.customer);
    println!("  {tenantry} doctor");
    println!("  {tenantry} start tenant --email you@demo.example --client-name 'Second Company' --wait");
    println!("  \"$TEMPORAL_CLI\" workflow show --workflow-id {}", purchase.workflow_id);
    println!("  kill -9 {}    # the worker: it is started again and goes on where it was", servers.worker.pid());
    println!("\nCtrl-C stops everything; the data stays.");
    Ok(())
}

fn row(name: &str, value: &str) {
    println!("  {name:<14} {value}");
}

/// As a reader in the checkout would type it.
fn relative(path: &Path) -> String {
    path.strip_prefix(workspace::root()).unwrap_or(path).display().to_string()
}
