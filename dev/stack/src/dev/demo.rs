//! One purchase, made the way the store makes it: customer, price, payment method and subscription
//! at Stripe, then `createTenantWorkflow` at Temporal.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stack::{command, deadline, http};

use super::plan::{BEARER, Plan, TASK_QUEUE};
use super::servers::Servers;

const LICENSES: u64 = 10;

/// In cents, a licence and month.
const UNIT_AMOUNT: &str = "4900";

/// How the price of an earlier start is found again.
const LOOKUP_KEY: &str = "tenantry_demo_licence";

/// A purchase takes a second or two; a worker that is killed meanwhile costs some more.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks with the CLI.
const LOOK: Duration = Duration::from_millis(200);

/// What was bought, and what became of it.
#[derive(Debug)]
pub(super) struct Purchase {
    pub(super) client_name: String,
    pub(super) email: String,
    pub(super) customer: String,
    pub(super) subscription: String,
    pub(super) price: String,
    pub(super) tenant: String,
    pub(super) licenses: u64,
    pub(super) workflow_id: String,
    pub(super) run_id: String,
    pub(super) took: Duration,
}

/// Buys and waits; anything but a tenant with the licences that were paid for is an error.
pub(super) fn buy(plan: &Plan, servers: &mut Servers) -> Result<Purchase> {
    let began = Instant::now();
    let store = Store { address: plan.stripe_address() };
    let number = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let email = format!("owner-{number}@demo.example");
    let client_name = format!("Demo Company {number}");

    let customer = store.customer(&email, &client_name)?;
    let price = store.price()?;
    let subscription = store.subscription(&customer, &price)?;
    let workflow_id = format!("create-tenant-{customer}");
    let input = json!({
        "email": email,
        "client_name": client_name,
        "stripe_customer_id": customer,
        "stripe_subscription_id": subscription,
        "initial_license_count": LICENSES,
    });
    let run_id = start(servers, &workflow_id, &input)?;
    let result = wait(plan, servers, &workflow_id, &run_id)?;
    let (tenant, licenses) = check(&store, &customer, &result)?;
    let took = began.elapsed();
    Ok(Purchase { client_name, email, customer, subscription, price, tenant, licenses, workflow_id, run_id, took })
}

/// The store's side of Stripe.
struct Store {
    address: String,
}

impl Store {
    fn customer(&self, email: &str, name: &str) -> Result<String> {
        let customer =
            self.post("/v1/customers", &[("email", email), ("name", name), ("metadata[pending_tenant]", "true")])?;
        let customer = id(&customer)?;
        let card = id(&self.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", &customer)])?)?;
        let default = [("invoice_settings[default_payment_method]", card.as_str())];
        self.post(&format!("/v1/customers/{customer}"), &default)?;
        Ok(customer)
    }

    /// Made once: the next start finds it.
    fn price(&self) -> Result<String> {
        let path = format!("/v1/prices?lookup_keys%5B%5D={LOOKUP_KEY}");
        let known = self.ask(http::get(&self.address, &path, &self.headers())?)?;
        if let Some(price) = known["data"].get(0) {
            return id(price);
        }
        let product = id(&self.post("/v1/products", &[("name", "Demo licence")])?)?;
        let form = [
            ("product", product.as_str()),
            ("currency", "usd"),
            ("unit_amount", UNIT_AMOUNT),
            ("recurring[interval]", "month"),
            ("lookup_key", LOOKUP_KEY),
        ];
        id(&self.post("/v1/prices", &form)?)
    }

    fn subscription(&self, customer: &str, price: &str) -> Result<String> {
        let quantity = LICENSES.to_string();
        let form = [("customer", customer), ("items[0][price]", price), ("items[0][quantity]", quantity.as_str())];
        id(&self.post("/v1/subscriptions", &form)?)
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        self.ask(http::post_form(&self.address, path, &self.headers(), form)?)
            .with_context(|| format!("the Stripe double refused POST {path}"))
    }

    fn ask(&self, answer: http::Response) -> Result<Value> {
        if answer.status != 200 {
            bail!("status {}: {}", answer.status, answer.body);
        }
        Ok(serde_json::from_str(&answer.body)?)
    }

    fn headers(&self) -> [(&'static str, &'static str); 1] {
        [("Authorization", BEARER)]
    }
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
fn wait(plan: &Plan, servers: &mut Servers, workflow_id: &str, run_id: &str) -> Result<Value> {
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
    waited.with_context(|| {
        format!("the demo purchase did not end ({stuck_at}), look at {}", plan.run_link(workflow_id, run_id))
    })?;
    let output = command::output(&mut servers.temporal.cli_command(&[&["workflow", "result"], &run[..]].concat()))?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    if answer["status"] != "COMPLETED" {
        bail!("the demo purchase failed: {}; look at {}", reason(&answer), plan.run_link(workflow_id, run_id));
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
fn check(store: &Store, customer: &str, result: &Value) -> Result<(String, u64)> {
    let tenant = text(result, "tenant_id")?;
    let licenses = result["licensed_user_count"].as_u64().context("the result has no licensed_user_count")?;
    if licenses != LICENSES {
        bail!("{LICENSES} licences were bought and tenant {tenant} has {licenses}");
    }
    let path = format!("/v1/customers/{customer}");
    let tagged = store.ask(http::get(&store.address, &path, &store.headers())?)?;
    if tagged["metadata"]["onboarded"] != "true" {
        bail!("tenant {tenant} is there, but {customer} is not marked onboarded=true at Stripe");
    }
    Ok((tenant, licenses))
}

fn id(object: &Value) -> Result<String> {
    text(object, "id")
}

fn text(object: &Value, field: &str) -> Result<String> {
    object[field].as_str().map(String::from).with_context(|| format!("no `{field}` in {object}"))
}
