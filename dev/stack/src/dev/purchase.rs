//! One purchase, made the way the store makes it: customer, price, payment method and subscription
//! at Stripe, then `createTenantWorkflow` at Temporal.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stack::{command, deadline};

use super::plan::{Plan, TASK_QUEUE};
use super::servers::Servers;
use super::shop::Shop;

pub(super) const LICENSES: u64 = 10;

/// A purchase takes a second or two; a worker that is killed meanwhile costs some more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks with the CLI.
const LOOK: Duration = Duration::from_millis(200);

/// What was bought, and what became of it.
#[derive(Debug)]
pub(super) struct Purchase {
    pub(super) began: Instant,
    pub(super) client_name: String,
    pub(super) email: String,
    pub(super) customer: String,
    pub(super) subscription: String,
    pub(super) item: String,
    pub(super) tenant: String,
    /// A link to the run that made the tenant.
    pub(super) run: String,
    pub(super) took: Duration,
}

/// Buys and waits; anything but a tenant with the licences that were paid for is an error.
pub(super) fn buy(plan: &Plan, servers: &mut Servers) -> Result<Purchase> {
    let began = Instant::now();
    let shop = Shop::new(plan);
    let number = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let email = format!("owner-{number}@demo.example");
    let client_name = format!("Demo Company {number}");

    let customer = shop.customer(&email, &client_name)?;
    let (subscription, item) = shop.subscribe(&customer, &shop.price()?, LICENSES)?;
    let input = json!({
        "email": email,
        "client_name": client_name,
        "stripe_customer_id": customer,
        "stripe_subscription_id": subscription,
        "initial_license_count": LICENSES,
    });
    let workflow_id = format!("create-tenant-{customer}");
    let run_id = start(servers, &workflow_id, &input)?;
    let run = plan.run_link(&workflow_id, &run_id);
    let result = wait(servers, &workflow_id, &run_id).with_context(|| format!("look at {run}"))?;
    let tenant = check(&shop, &customer, &result)?;
    let took = began.elapsed();
    Ok(Purchase { began, client_name, email, customer, subscription, item, tenant, run, took })
}

/// With the official CLI, so that nothing of ours is needed to start a purchase.
fn start(servers: &Servers, workflow_id: &str, input: &Value) -> Result<String> {
    let input = input.to_string();
    let mut args = vec!["workflow", "start", "--type", "createTenantWorkflow", "--task-queue", TASK_QUEUE];
    args.extend(["--workflow-id", workflow_id, "--input", &input, "--output", "json"]);
    let started: Value = serde_json::from_str(&servers.temporal.cli(&args)?)?;
    text(&started, "runId")
}

/// Looks after the servers meanwhile: the worker may be killed half way.
fn wait(servers: &mut Servers, workflow_id: &str, run_id: &str) -> Result<Value> {
    let run = ["--workflow-id", workflow_id, "--run-id", run_id, "--output", "json"];
    let mut stuck_at = String::new();
    let waited = deadline::poll_every("the demo purchase", PATIENCE, LOOK, || {
        servers.look_after()?;
        let described = servers.temporal.cli(&[&["workflow", "describe"], &run[..]].concat())?;
        let described: Value = serde_json::from_str(&described)?;
        stuck_at = described["pendingActivities"][0]["lastFailure"]["message"].as_str().unwrap_or_default().to_owned();
        let running = described["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING";
        Ok((!running).then_some(()))
    });
    waited.with_context(|| format!("the demo purchase did not end ({stuck_at})"))?;
    let output = command::output(&mut servers.temporal.cli_command(&[&["workflow", "result"], &run[..]].concat()))?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    if answer["status"] != "COMPLETED" {
        bail!("the demo purchase failed: {}", reason(&answer));
    }
    Ok(answer["result"].clone())
}

/// The innermost message of the run's failure, else all that the server says.
fn reason(answer: &Value) -> String {
    let mut failure = &answer["closeEvent"]["workflowExecutionFailedEventAttributes"]["failure"];
    while failure["cause"].is_object() {
        failure = &failure["cause"];
    }
    failure["message"].as_str().map_or_else(|| answer["closeEvent"].to_string(), String::from)
}

/// The tenant has what was paid for, and the store can see that it is done.
fn check(shop: &Shop, customer: &str, result: &Value) -> Result<String> {
    let tenant = text(result, "tenant_id")?;
    let licenses = result["licensed_user_count"].as_u64().context("the result has no licensed_user_count")?;
    if licenses != LICENSES {
        bail!("{LICENSES} licences were bought and tenant {tenant} has {licenses}");
    }
    if !shop.is_onboarded(customer)? {
        bail!("tenant {tenant} is there, but {customer} is not marked onboarded=true at Stripe");
    }
    Ok(tenant)
}

fn text(object: &Value, field: &str) -> Result<String> {
    object[field].as_str().map(String::from).with_context(|| format!("no `{field}` in {object}"))
}
