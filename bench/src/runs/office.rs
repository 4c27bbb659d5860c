//! Where runs have failed: some for good, some for a cause that can be mended.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Double, MASTER, SECRET_KEY};
use serde_json::{Value, json};
use stack::temporal::TemporalOptions;
use stack::{Process, Temporal, binaries, command, deadline, ports};

use super::starts::Starter;
use crate::database::Database;
use crate::machine;
use crate::receiver::log;
use crate::town::start_worker;

const NAME: &str = "office";
const QUANTITY: &str = "10";
/// While the worker looks for this one, it finds a licence in no subscription.
const NO_PRICE: &str = "price_nobodyHasThis";
/// The kind of failure that follows.
const KIND: &str = "AmbiguousSubscription";
const PATIENCE: Duration = Duration::from_secs(1_800);
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks at the memory of a command that runs for less than a second.
const BETWEEN_SAMPLES: Duration = Duration::from_millis(2);
/// The most that a batch may be asked to start a second.
const RATE: &str = "100";

/// Everything real but Stripe; dropping it ends all.
#[derive(Debug)]
pub(super) struct Office {
    settings: Vec<(&'static str, String)>,
    worker: Process,
    temporal: Temporal,
    starter: Starter,
    /// Ids and inputs of the older half of what can be mended.
    older: Vec<(String, Value)>,
    _stripe: Double,
}

/// One list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) runs: usize,
    pub(super) secs: f64,
    /// The most resident memory at once, in bytes.
    pub(super) memory: u64,
}

impl Office {
    /// Opens it with that many runs that failed for good, and `mendable` older and newer ones each
    /// that did not.
    pub(super) fn open(database: &Database, failed: usize, mendable: usize) -> Result<Self> {
        let url = database.create(NAME)?;
        let stripe = Double::start("acct_measured")?;
        let temporal = Temporal::start(TemporalOptions::new(ports::free()?, &log("temporal")?))?;
        let settings = vec![
            ("DATABASE_URL", url),
            ("TEMPORAL_ADDRESS", temporal.address()),
            ("STRIPE_API_BASE", stripe.base()),
            ("STRIPE_SECRET_KEY", SECRET_KEY.to_owned()),
            ("MASTER_BILLING_TENANT_ID", MASTER.to_owned()),
        ];
        let worker = start_worker(&[&settings[..], &[("LICENSE_PRICE_IDS", NO_PRICE.to_owned())]].concat())?;
        let starter = Starter::connect(&temporal.address())?;
        let mut purchases = buy(&stripe, 2 * mendable)?;
        let newer = purchases.split_off(mendable);
        let office = Self { settings, worker, temporal, starter, older: purchases, _stripe: stripe };
        office.fail(&office.older)?;
        office.fail(&(0..failed).map(|n| (format!("create-tenant-failed-{n}"), json!({}))).collect::<Vec<_>>())?;
        office.fail(&newer)?;
        Ok(office)
    }

    /// `tenantry runs list --failed`, its time and its memory.
    pub(super) fn list(&self, limit: Option<usize>) -> Result<Listed> {
        let limit = limit.map(|limit| limit.to_string());
        let mut args = vec!["runs", "list", "--failed", "--output", "json"];
        args.extend(limit.iter().flat_map(|limit| ["--limit", limit.as_str()]));
        let began = Instant::now();
        let mut child = self.tenantry(&args)?.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("it has a stdout")?;
        // It is read meanwhile: a pipe that is full would hold the command up.
        let reader = thread::spawn(move || serde_json::from_reader::<_, Value>(stdout));
        let mut memory = 0;
        let status = loop {
            memory = machine::peak_memory(child.id()).unwrap_or(0).max(memory);
            match child.try_wait()? {
                Some(status) => break status,
                None => thread::sleep(BETWEEN_SAMPLES),
            }
        };
        let secs = began.elapsed().as_secs_f64();
        ensure!(status.success(), "the list ended with {status}");
        let Ok(listed) = reader.join() else { anyhow::bail!("the list could not be read") };
        let runs = listed?["runs"].as_array().map_or(0, Vec::len);
        Ok(Listed { runs, secs, memory })
    }

    /// Takes away why the mendable ones failed.
    pub(super) fn mend(&mut self) -> Result<()> {
        self.worker.terminate(PATIENCE)?;
        self.worker = start_worker(&self.settings)?;
        Ok(())
    }

    /// Has a batch start the newest so many of them again, and waits for its end.
    pub(super) fn replay_newest(&self, runs: usize) -> Result<()> {
        let limit = runs.to_string();
        let args = ["runs", "replay", "--failed", "--kind", KIND, "--limit", &limit, "--rate", RATE, "--yes"];
        command::stdout(&mut self.tenantry(&args)?).map(drop)
    }

    /// Starts the older ones again as fast as the server takes it, and waits for their end.
    pub(super) fn start_the_rest(&self) -> Result<()> {
        self.starter.start_all(&self.older)?;
        let all = self.older.len() * 2;
        deadline::poll_every(
            "the runs to be finished",
            PATIENCE,
            PAUSE,
            || Ok((self.completed()? >= all).then_some(())),
        )
    }

    /// How many onboardings are done.
    pub(super) fn completed(&self) -> Result<usize> {
        self.starter.count("WorkflowType = 'createTenantWorkflow' AND ExecutionStatus = 'Completed'")
    }

    /// The most that the server had at once, in bytes.
    pub(super) fn memory_of_temporal(&self) -> Result<u64> {
        machine::peak_memory(self.temporal.process().pid())
    }

    fn fail(&self, runs: &[(String, Value)]) -> Result<()> {
        let failed = || self.starter.count("ExecutionStatus = 'Failed'");
        let expected = failed()? + runs.len();
        self.starter.start_all(runs)?;
        deadline::poll_every("the runs to fail", PATIENCE, PAUSE, || Ok((failed()? >= expected).then_some(())))
    }

    fn tenantry(&self, args: &[&str]) -> Result<Command> {
        let mut tenantry = Command::new(binaries::binary("tenantry")?);
        command::isolate(&mut tenantry);
        tenantry.args(args).envs(self.settings.iter().map(|(name, value)| (*name, value)));
        Ok(tenantry)
    }
}

/// Purchases: the ids of their onboardings, and the inputs that the store would give.
fn buy(stripe: &Double, purchases: usize) -> Result<Vec<(String, Value)>> {
    let price = stripe.price()?;
    let emails: Vec<_> = (0..purchases).map(|n| format!("owner-{n}@example.com")).collect();
    let forms: Vec<_> = emails.iter().map(|email| vec![("email", email.as_str()), ("source", "tok_visa")]).collect();
    let customers = stripe.make_many("/customers", &forms)?;
    let subscription =
        |customer| vec![("customer", customer), ("items[0][price]", price.as_str()), ("items[0][quantity]", QUANTITY)];
    let forms: Vec<_> = customers.iter().map(|customer| subscription(customer.as_str())).collect();
    let subscriptions = stripe.make_many("/subscriptions", &forms)?;
    let sold = customers.into_iter().zip(subscriptions).zip(emails);
    Ok(sold.map(|((customer, subscription), email)| onboarding(&customer, &subscription, &email)).collect())
}

fn onboarding(customer: &str, subscription: &str, email: &str) -> (String, Value) {
    let input = json!({
        "email": email,
        "client_name": "A Company",
        "stripe_customer_id": customer,
        "stripe_subscription_id": subscription,
    });
    (format!("create-tenant-{customer}"), input)
}
