//! The closing page: what happened, where to look, what to try. No line but a link is wider than
//! 80 columns.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use stack::{binaries, workspace};

use super::change::{self, Change};
use super::plan::{DATABASE, Plan};
use super::purchase::{self, Purchase};
use super::servers::Servers;

/// Prints it; after `--once` nothing runs any more, so there is nothing to try.
pub(super) fn print(plan: &Plan, servers: &Servers, purchase: &Purchase, change: &Change, once: bool) -> Result<()> {
    print_story(purchase, change);
    print_names(purchase, change);
    if !once {
        print_places(plan, servers);
        print_commands(plan, servers, purchase)?;
    }
    Ok(())
}

fn print_story(purchase: &Purchase, change: &Change) {
    let (bought, changed) = (purchase::LICENSES, change::LICENSES);
    println!("\nA purchase became a tenant, and a change at Stripe its licence count:\n");
    moment(Duration::ZERO, &format!("{} buys {bought} licences.", purchase.client_name));
    moment(purchase.took, &format!("It is a tenant with {bought} licences."));
    moment(change.changed, &format!("At Stripe, somebody changes the quantity to {changed}."));
    moment(change.received, "The webhook shim has Stripe's event.");
    moment(change.counted, &format!("The tenant has {changed} licences."));
    println!();
}

fn print_names(purchase: &Purchase, change: &Change) {
    row("tenant", &purchase.tenant);
    row("customer", &format!("{}  {}", purchase.customer, purchase.email));
    row("subscription", &purchase.subscription);
    row("event", &change.event);
    row("onboarding", &purchase.run);
    row("sync", &change.run);
}

fn print_places(plan: &Plan, servers: &Servers) {
    println!();
    row("Temporal UI", &plan.ui());
    row("Temporal", &servers.temporal.address());
    row("Postgres", &format!("{}/{DATABASE}", servers.postgres.address()));
    row("Stripe double", &format!("http://{}", plan.stripe_address()));
    row("webhook shim", &plan.webhook_url());
    row("", &format!("http://{}/metrics  (pid {})", plan.webhook_admin_address(), servers.webhook.pid()));
    row("worker", &format!("http://{}/metrics  (pid {})", plan.worker_address(), servers.worker.pid()));
    row("logs", &relative(&plan.logs));
    row("settings", &relative(&plan.env_file));
}

fn print_commands(plan: &Plan, servers: &Servers, purchase: &Purchase) -> Result<()> {
    let tenantry = relative(&binaries::binary("tenantry")?);
    let Purchase { customer, subscription, item, .. } = purchase;
    println!("\nTry next, in another terminal:\n");
    println!("  source {}", relative(&plan.env_file));
    println!("  {tenantry} tenant why {customer}");
    println!("  {tenantry} tenant show {customer}");
    println!("  {tenantry} events list");
    println!("  {tenantry} runs list");
    println!("  {tenantry} runs show create-tenant-{customer}");
    println!("  {tenantry} doctor");
    println!("\nAnother change, as the customer would make it in Stripe's portal:\n");
    println!("  curl -u $STRIPE_SECRET_KEY: -d 'items[0][quantity]=15' \\");
    println!("    -d 'items[0][id]={item}' \\");
    println!("    $STRIPE_API_BASE/v1/subscriptions/{subscription}");
    println!("\nKill either meanwhile; it is started again, and nothing is lost:\n");
    println!("  kill -9 {:<8} # the worker", servers.worker.pid());
    println!("  kill -9 {:<8} # the webhook shim", servers.webhook.pid());
    println!("\nCtrl-C stops everything; the data stays.");
    Ok(())
}

fn moment(at: Duration, what: &str) {
    println!("  {:>5.1} s  {what}", at.as_secs_f32());
}

fn row(name: &str, value: &str) {
    println!("  {name:<14} {value}");
}

/// As a reader in the checkout would type it.
fn relative(path: &Path) -> String {
    path.strip_prefix(workspace::root()).unwrap_or(path).display().to_string()
}
