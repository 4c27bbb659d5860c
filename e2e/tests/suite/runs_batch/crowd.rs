//! Many onboardings that failed for good at their fourth step, and what must be true of them once
//! they have been started again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::create_tenant::CreateTenantInput;
use e2e::{Purchase, Said, World};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use stack::deadline;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, Url, WorkflowStartOptions};
use workflows::CreateTenant;

/// Started at the same time.
const AT_ONCE: usize = 50;
/// Of a crowd of hundreds, where much else runs beside it.
const PATIENCE: Duration = Duration::from_secs(300);
/// Purchases whose rows and tags are looked at one by one.
const LOOKED_AT: usize = 3;

/// The id under which a purchase is onboarded.
pub(crate) fn id(purchase: &Purchase) -> String {
    format!("create-tenant-{}", purchase.customer)
}

/// That many purchases, sold.
pub(crate) fn sell(world: &World, count: usize) -> Result<Vec<Purchase>> {
    let price = world.stripe.price()?;
    let customer = vec![("email", "ann@example.com"), ("source", "tok_visa"), ("metadata[pending_tenant]", "true")];
    let customers = world.stripe.make_many("/customers", &vec![customer; count])?;
    let form =
        |customer| vec![("customer", customer), ("items[0][price]", price.as_str()), ("items[0][quantity]", "7")];
    let forms: Vec<_> = customers.iter().map(|customer| form(customer.as_str())).collect();
    let subscriptions = world.stripe.make_many("/subscriptions", &forms)?;
    let sold = customers.into_iter().zip(subscriptions);
    Ok(sold.map(|(customer, subscription)| Purchase { customer, subscription, quantity: 7 }).collect())
}

/// That many purchases whose onboardings failed at their fourth step: when the subscription is read
/// for the second time, Stripe says that there is none. The cause is gone afterwards.
pub(crate) fn failed(world: &World, count: usize) -> Result<Vec<Purchase>> {
    let sold = sell(world, count)?;
    for purchase in &sold {
        world.stripe.fault("GET", &format!("/v1/subscriptions/{}", purchase.subscription), "not_found", 1)?;
    }
    start(world, &sold)?;
    wait_for(world, "Failed", count)?;
    ensure!(world.stripe.faults_struck()? == count as u64, "{} faults struck", world.stripe.faults_struck()?);
    world.stripe.forget_faults()?;
    Ok(sold)
}

/// Starts their onboardings, without a process for each.
pub(crate) fn start(world: &World, purchases: &[Purchase]) -> Result<()> {
    let (address, queue) = (world.temporal.address(), world.task_queue());
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let target: Url = format!("http://{address}").parse()?;
        let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
        let client = Client::new(connection, ClientOptions::new("default").build())?;
        let starts = stream::iter(purchases).map(|purchase| {
            let (client, queue) = (&client, &queue);
            async move {
                let input: CreateTenantInput = serde_json::from_value(World::call_of_the_store(purchase))?;
                let options = WorkflowStartOptions::new(queue.clone(), id(purchase)).build();
                client.start_workflow(CreateTenant::run, input.into(), options).await?;
                Ok(())
            }
        });
        starts.buffer_unordered(AT_ONCE).try_collect().await
    })
}

/// How many runs of onboardings the world's list has with that status.
pub(crate) fn listed(world: &World, status: &str) -> Result<usize> {
    let query = format!(
        "TaskQueue = '{}' AND WorkflowType = 'createTenantWorkflow' AND ExecutionStatus = '{status}'",
        world.task_queue()
    );
    let counted = world.temporal.cli(&["workflow", "count", "--query", &query, "--output", "json"])?;
    let counted: Value = serde_json::from_str(&counted)?;
    Ok(counted["count"].as_str().unwrap_or("0").parse()?)
}

/// Waits until the world's list, which lags, has that many.
pub(crate) fn wait_for(world: &World, status: &str, count: usize) -> Result<()> {
    let what = format!("{count} runs to be {status}");
    deadline::poll_every(&what, PATIENCE, Duration::from_millis(250), || {
        Ok((listed(world, status)? == count).then_some(()))
    })
}

/// Each was onboarded once: one failed run and one that completed, one row of each kind, one write of
/// each object, and nobody's run was terminated.
pub(crate) fn assert_onboarded_once(world: &World, purchases: &[Purchase]) -> Result<()> {
    let count = purchases.len();
    wait_for(world, "Completed", count)?;
    for (status, expected) in [("Failed", count), ("Terminated", 0), ("Running", 0), ("Canceled", 0)] {
        ensure!(listed(world, status)? == expected, "{} runs are {status}", listed(world, status)?);
    }
    let counts = world.rows(
        "SELECT (SELECT count(*) FROM tenants WHERE NOT is_master_billing AND licensed_user_count = 7),
                (SELECT count(*) FROM stripe_customers), (SELECT count(*) FROM stripe_subscriptions),
                (SELECT count(*) FROM license_changes), (SELECT count(*) FROM tenants)",
    )?;
    let (each, tenants) = (count.to_string(), (count + 1).to_string());
    ensure!(counts == [vec![each.clone(), each.clone(), each.clone(), each, tenants]], "{counts:?}");
    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    let ours = world.stripe.requests()?.into_iter().filter(|request| request.effect && request.key.is_some());
    ours.for_each(|request| *writes.entry(request.path).or_default() += 1);
    ensure!(writes.len() == 2 * count, "{} objects were written", writes.len());
    ensure!(writes.values().all(|times| *times == 1), "written more than once: {writes:?}");
    for purchase in purchases.iter().take(LOOKED_AT) {
        let customer = &purchase.customer;
        let tenant = world
            .value(&format!("SELECT tenant FROM stripe_customers WHERE stripe_customer_external_id = '{customer}'"))?;
        world.assert_onboarded(purchase, &tenant)?;
    }
    Ok(())
}

/// `tenantry runs replay --failed --yes`.
pub(crate) fn replay(world: &World, flags: &[&str]) -> Result<Said> {
    world.tenantry(&[&["runs", "replay", "--failed", "--yes"][..], flags].concat())
}

/// What a command said with `--output json`.
pub(crate) fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("no document: {text}"))
}

/// `tenantry runs batch …` as JSON.
pub(crate) fn batch(world: &World, args: &[&str]) -> Result<Value> {
    let said = world.tenantry(&[&["runs", "batch"][..], args, &["--output", "json"]].concat())?.exits(0)?;
    document(&said.stdout)
}

/// Waits until the batch says so of itself.
pub(crate) fn wait_until(world: &World, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    deadline::poll_every(what, PATIENCE, Duration::from_millis(200), || {
        let said = world.tenantry(&["runs", "batch", "show", name, "--output", "json"])?;
        // Nobody answers while the worker is away.
        let shown = serde_json::from_str::<Value>(&said.stdout).ok();
        Ok(shown.filter(&is_so))
    })
}
