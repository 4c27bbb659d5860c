//! Ten thousand tenants are imported while Stripe fails and the worker is killed, and each ends as
//! what it was made to be.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::import_customers::Outcome;
use e2e::World;
use serde_json::{Value, json};

const TENANTS: usize = 10_000;
const CUSTOMERS: usize = 12_000;
const SUBSCRIPTIONS: usize = 11_000;
/// Customers who share their e-mail with others.
const SHARING: usize = 300;
/// The worker is killed at each 20th call, which is a page.
const PAGES_A_KILL: u64 = 20;
const KILLS: usize = 11;
const CALLS_A_FAULT: u64 = 15;
const EVENTS_MAX: i64 = 10_000;

fn tenant(n: usize) -> String {
    format!("10000000-0000-4000-8000-{n:012}")
}

/// What was made for a tenant, and so what has to become of it.
struct Made {
    outcome: Outcome,
    /// What its licence subscription says, where one is imported.
    quantity: Option<usize>,
    /// How many of its subscriptions nobody has tagged.
    untagged: u64,
}

/// A customer that is to be made.
struct Customer {
    email: String,
    tag: Option<String>,
    subscriptions: Vec<Subscription>,
}

/// A subscription that is to be made.
struct Subscription {
    quantity: usize,
    is_add_on: bool,
    tag: Option<String>,
}

fn licence(quantity: usize, tag: Option<String>) -> Subscription {
    Subscription { quantity, is_add_on: false, tag }
}

/// Ways to be a tenant. Each takes a stretch of the numbers from 1 to 10,000.
fn make(n: usize) -> (Made, Vec<Customer>) {
    let quantity = n % 97 + 1;
    // Stripe keeps the case that somebody typed.
    let email = if n.is_multiple_of(2) { format!("owner{n}@example.com") } else { format!("OWNER{n}@Example.com") };
    let customer = |tag, subscriptions| Customer { email: email.clone(), tag, subscriptions };
    let made = |outcome, quantity, untagged| Made { outcome, quantity, untagged };
    match n {
        1..=9_400 => {
            let is_tagged = !n.is_multiple_of(20);
            let mut subscriptions = vec![licence(quantity, is_tagged.then(|| tenant(n)))];
            if n <= 370 {
                subscriptions.push(Subscription { quantity: 1, is_add_on: true, tag: Some(tenant(n)) });
            }
            (made(Outcome::Imported, Some(quantity), u64::from(!is_tagged)), vec![customer(None, subscriptions)])
        }
        // Three share the e-mail, and one of them has bought.
        9_401..=9_440 => {
            let one = customer(None, vec![licence(quantity, None)]);
            (made(Outcome::Imported, Some(quantity), 1), vec![customer(None, vec![]), one, customer(None, vec![])])
        }
        9_441..=9_470 => (made(Outcome::Ambiguous, None, 0), (0..3).map(|_| customer(None, vec![])).collect()),
        9_471..=9_500 => {
            let all = (0..3).map(|_| customer(None, vec![licence(quantity, None)]));
            (made(Outcome::Ambiguous, None, 0), all.collect())
        }
        9_501..=9_700 => (made(Outcome::NoLiveSubscription, None, 0), vec![customer(None, vec![])]),
        9_701..=9_900 => (made(Outcome::NoCustomer, None, 0), vec![]),
        // Its row names another customer.
        9_901..=9_950 => (made(Outcome::Failed, None, 0), vec![customer(None, vec![licence(quantity, None)])]),
        // Its customer is tagged as another tenant's.
        _ => (made(Outcome::Failed, None, 0), vec![customer(Some(tenant(1)), vec![licence(quantity, None)])]),
    }
}

/// Customers of nobody here.
fn strangers() -> Vec<Customer> {
    let subscriptions = |n: usize| if n.is_multiple_of(2) { vec![licence(3, None)] } else { vec![] };
    let one = |n| Customer { email: format!("stranger{n}@example.com"), tag: None, subscriptions: subscriptions(n) };
    (0..CUSTOMERS - TENANTS).map(one).collect()
}

fn settle(world: &World) -> Result<BTreeMap<String, Made>> {
    world.rows(&format!(
        "INSERT INTO tenants (tenant, client_name, email)
         SELECT ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Old', 'owner' || n || '@example.com'
         FROM generate_series(1, {TENANTS}) n"
    ))?;
    world.rows(&format!(
        "INSERT INTO stripe_customers (tenant, stripe_customer_external_id, billing_tenant)
         SELECT ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'cus_another' || n, '{}'
         FROM generate_series(9901, 9950) n",
        e2e::MASTER
    ))?;
    let (mut made, mut customers) = (BTreeMap::new(), Vec::new());
    for n in 1..=TENANTS {
        let (one, theirs) = make(n);
        made.insert(tenant(n), one);
        customers.extend(theirs);
    }
    customers.extend(strangers());
    sell(world, &customers)?;
    Ok(made)
}

fn sell(world: &World, customers: &[Customer]) -> Result<()> {
    let forms: Vec<_> = customers.iter().map(form_of_customer).collect();
    let ids = world.stripe.make_many("/customers", &forms)?;
    ensure!(ids.len() == CUSTOMERS, "{} customers", ids.len());
    let emails: Vec<_> = customers.iter().map(|one| one.email.to_lowercase()).collect();
    let mut shared: BTreeMap<_, usize> = BTreeMap::new();
    emails.iter().for_each(|email| *shared.entry(email).or_default() += 1);
    let sharing: usize = shared.into_values().filter(|of_one| *of_one > 1).sum();
    ensure!(sharing == SHARING, "{sharing} share an e-mail");
    let (seats, extra) = (world.stripe.price()?, world.stripe.price()?);
    let sold: Vec<_> =
        ids.iter().zip(customers).flat_map(|(id, of)| of.subscriptions.iter().map(move |one| (id, one))).collect();
    let quantities: Vec<_> = sold.iter().map(|(_, one)| one.quantity.to_string()).collect();
    let forms = sold.iter().zip(&quantities).map(|((customer, one), quantity)| {
        let price = if one.is_add_on { &extra } else { &seats };
        let mut form =
            vec![("customer", customer.as_str()), ("items[0][price]", price), ("items[0][quantity]", quantity)];
        form.extend(one.tag.as_deref().map(|tag| ("metadata[tenant_id]", tag)));
        form.extend(one.is_add_on.then_some(("metadata[addon_key]", "extra")));
        form
    });
    let forms: Vec<_> = forms.collect();
    ensure!(world.stripe.make_many("/subscriptions", &forms)?.len() == SUBSCRIPTIONS, "{} were sold", forms.len());
    Ok(())
}

fn form_of_customer(customer: &Customer) -> Vec<(&str, &str)> {
    let mut form = vec![("email", customer.email.as_str()), ("source", "tok_visa")];
    form.extend(customer.tag.as_deref().map(|tag| ("metadata[tenant_id]", tag)));
    form
}

#[test]
fn ten_thousand_tenants_come_through_faults_and_kills() -> Result<()> {
    let world = World::named("import-many").without_worker()?;
    let made = settle(&world)?;
    world.stripe.forget_requests()?;
    let kinds = ["server_error", "reset_before", "too_many_requests", "html_bad_gateway", "reset_after"];
    world.stripe.fault_every(CALLS_A_FAULT, "/v1/*", &kinds)?;
    let kills = begin_and_kill(&world)?;
    ensure!(kills == KILLS, "killed {kills} times");
    world.start_worker(&[])?;
    let run = world.run(&format!("sync-stripe-customers-{}", world.task_queue()));
    let result = World::imported(&run)?;
    let struck = world.stripe.faults_struck()?;
    ensure!(struck >= (CUSTOMERS + SUBSCRIPTIONS) as u64 / 100 / CALLS_A_FAULT, "{struck} faults struck");
    world.stripe.forget_faults()?;
    assert_as_made(&world, &made, &result, Outcome::Imported)?;
    assert_tagged_once(&world, &made, &result)?;
    assert_short_runs(&world, &run.workflow_id)?;
    let before = world.imported_rows()?;
    let again = world.import(&json!({}))?;
    assert_as_made(&world, &made, &again, Outcome::Already)?;
    ensure!(again["tagged"] == 0, "{again}");
    ensure!(world.imported_rows()? == before, "{before:?} became {:?}", world.imported_rows()?);
    Ok(())
}

/// Twenty pages without a cache take half a minute and more.
const BETWEEN_KILLS: Duration = Duration::from_secs(300);

/// Starts the import and kills the worker at every 20th page, while the page is on its way. Without
/// a cache no task waits for the worker that is gone.
fn begin_and_kill(world: &World) -> Result<usize> {
    let uncached = [("WORKER_CACHED_WORKFLOWS", "0")];
    world.start_worker(&uncached)?;
    let (mut run, mut kills) = (None, 0);
    while kills < KILLS {
        // The lists alone: the account is read at each start.
        let held = world.stripe.hold("GET", "/v1/*s", "before", PAGES_A_KILL - 1)?;
        if kills > 0 {
            world.start_worker(&uncached)?;
        }
        let run = match &run {
            Some(run) => run,
            None => run.insert(world.start_import(&json!({}))?),
        };
        world.stripe.wait_until_held_within(&held, BETWEEN_KILLS)?;
        world.kill_worker()?;
        world.stripe.release(&held)?;
        run.give_up_the_attempt()?;
        kills += 1;
    }
    Ok(kills)
}

/// Every tenant has its outcome, its count and nobody else's customer. What came new is `fresh`.
fn assert_as_made(world: &World, made: &BTreeMap<String, Made>, result: &Value, fresh: Outcome) -> Result<()> {
    let as_it_is_now = |made: &Made| if made.outcome == Outcome::Imported { fresh } else { made.outcome };
    for outcome in Outcome::ALL {
        let expected = made.values().filter(|one| as_it_is_now(one) == outcome).count();
        ensure!(result["totals"][outcome.as_str()] == expected, "{expected} {outcome} were made: {result}");
    }
    let outcomes = world.outcomes(result)?;
    ensure!(outcomes.len() == TENANTS, "{} have an outcome", outcomes.len());
    let counts = "SELECT tenant, coalesce(licensed_user_count::text, '') FROM tenants WHERE NOT is_master_billing";
    let counts: BTreeMap<_, _> =
        world.rows(counts)?.into_iter().map(|mut row| (row.remove(0), row.remove(0))).collect();
    for (tenant, one) in made {
        let (said, count) = (&outcomes[tenant], &counts[tenant]);
        ensure!(said.outcome == as_it_is_now(one).as_str(), "{tenant}: {said:?}");
        ensure!(*count == one.quantity.map(|count| count.to_string()).unwrap_or_default(), "{tenant} has {count}");
    }
    let wrong = world.value(
        "SELECT count(*) FROM stripe_subscriptions s JOIN tenants t USING (tenant)
         JOIN stripe_customers c ON c.stripe_customer_id = s.stripe_customer_id
         WHERE c.tenant <> s.tenant OR NOT s.is_add_on AND s.quantity IS DISTINCT FROM t.licensed_user_count",
    )?;
    ensure!(wrong == "0", "{wrong} rows do not fit");
    let licences = made.values().filter(|one| one.quantity.is_some()).count();
    ensure!(world.value("SELECT count(*) FROM stripe_subscriptions")? == (licences + 370).to_string());
    ensure!(world.value("SELECT count(*) FROM license_changes")? == licences.to_string());
    Ok(())
}

/// Whoever was not tagged is now, and nobody was written twice.
fn assert_tagged_once(world: &World, made: &BTreeMap<String, Made>, result: &Value) -> Result<()> {
    let untagged: u64 = made.values().map(|one| one.untagged).sum();
    ensure!(result["tagged"] == untagged && result["follow_ups"] == 0, "{untagged} were to be tagged: {result}");
    let mut written: Vec<_> =
        world.stripe.requests()?.into_iter().filter(|one| one.effect).map(|one| one.path).collect();
    written.sort();
    let writes = written.len();
    written.dedup();
    ensure!(writes as u64 == untagged && written.len() == writes, "{writes} writes of {}", written.len());
    Ok(())
}

/// No run of the chain has a long history, and there is more than one.
fn assert_short_runs(world: &World, workflow_id: &str) -> Result<()> {
    let query = format!("WorkflowId = '{workflow_id}'");
    let listed = world.temporal.cli(&["workflow", "list", "--query", &query, "--output", "json"])?;
    let listed: Value = serde_json::from_str(&listed)?;
    let runs = listed.as_array().context("a list of runs")?;
    let lengths: Vec<i64> = runs.iter().filter_map(|run| run["historyLength"].as_str()?.parse().ok()).collect();
    ensure!(lengths.len() > 1 && lengths.iter().all(|events| *events < EVENTS_MAX), "{lengths:?}");
    Ok(())
}
