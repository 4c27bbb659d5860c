//! Stripe fails, at each call of a change of licences and in every way: the number is right, it is
//! billed once, and one schedule is made.

use anyhow::{Context, Result, ensure};
use e2e::{Run, Tenant, World};
use serde_json::json;

const FAULTS: [&str; 7] = [
    "too_many_requests",
    "server_error",
    "html_bad_gateway",
    "empty_gateway_timeout",
    "hang",
    "reset_after",
    "unauthorized",
];

/// A call of the change that is swept.
#[derive(Clone, Copy, Debug)]
enum Call {
    /// The list of the customer's subscriptions.
    List,
    /// A read of the subscription, after so many others.
    Read(u64),
    /// The write of the number.
    Set,
    /// The release of the schedule that waits.
    Release,
    /// The making of a schedule.
    Attach,
    /// The write of its phases.
    Write,
}

/// In their order.
const OF_AN_INCREASE: [Call; 7] =
    [Call::List, Call::Read(0), Call::Read(1), Call::Release, Call::Read(2), Call::Set, Call::Read(3)];
const OF_A_DECREASE: [Call; 7] =
    [Call::List, Call::Read(0), Call::Read(1), Call::Attach, Call::Read(2), Call::Write, Call::Read(3)];
/// Those that put back what waited, after a card was declined, apart from the write: that is the
/// same step as of a decrease, and its path is that of the release before.
const OF_A_PUT_BACK: [Call; 5] = [Call::Read(3), Call::Read(4), Call::Attach, Call::Read(5), Call::Read(6)];

struct Case {
    what: String,
    tenant: Tenant,
    run: Run,
}

impl Call {
    fn method(self) -> &'static str {
        match self {
            Self::List | Self::Read(_) => "GET",
            Self::Set | Self::Release | Self::Attach | Self::Write => "POST",
        }
    }

    /// Paths that name no tenant strike whichever of the sweep comes first.
    fn path(self, subscription: &str) -> String {
        match self {
            Self::List => "/v1/subscriptions".to_owned(),
            Self::Read(_) | Self::Set => format!("/v1/subscriptions/{subscription}"),
            Self::Release => "/v1/subscription_schedules/*/release".to_owned(),
            Self::Attach => "/v1/subscription_schedules".to_owned(),
            Self::Write => "/v1/subscription_schedules/sub_sched_*".to_owned(),
        }
    }

    fn skip(self) -> u64 {
        match self {
            Self::Read(skip) => skip,
            Self::List | Self::Set | Self::Release | Self::Attach | Self::Write => 0,
        }
    }
}

/// What a tenant with ten licences is before its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Plain,
    /// Six are to come.
    Waiting,
    /// Six are to come, and the card declines.
    Poor,
}

/// Every fault at every one of these calls, each with a tenant of its own.
fn sweep(world: &World, calls: &[Call], before: Before, quantity: i64) -> Result<Vec<Case>> {
    let cases: Vec<_> = calls.iter().flat_map(|call| FAULTS.map(|fault| (*call, fault))).collect();
    let tenants = tenants(world, cases.len(), before)?;
    for ((call, fault), tenant) in cases.iter().zip(&tenants) {
        world.stripe.fault(call.method(), &call.path(&tenant.purchase.subscription), fault, call.skip())?;
    }
    let started = cases.iter().zip(tenants).map(|((call, fault), tenant)| {
        let run = world.start_license_change(&tenant.id, quantity, &json!({}))?;
        Ok(Case { what: format!("{fault} at {call:?}"), tenant, run })
    });
    started.collect()
}

/// So many tenants, made side by side.
fn tenants(world: &World, count: usize, before: Before) -> Result<Vec<Tenant>> {
    let purchases = (0..count).map(|_| world.stripe.buy(10)).collect::<Result<Vec<_>>>()?;
    let onboardings = purchases.iter().map(|purchase| world.onboard(purchase)).collect::<Result<Vec<_>>>()?;
    let mut tenants = Vec::new();
    for (purchase, run) in purchases.into_iter().zip(onboardings) {
        let id = run.result()?["tenant_id"].as_str().context("a tenant")?.to_owned();
        tenants.push(Tenant { id, purchase });
    }
    if before != Before::Plain {
        let runs = tenants.iter().map(|tenant| world.start_license_change(&tenant.id, 6, &json!({})));
        runs.collect::<Result<Vec<_>>>()?.iter().try_for_each(|run| run.result().map(drop))?;
    }
    if before == Before::Poor {
        let decline = |tenant: &Tenant| world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail");
        tenants.iter().try_for_each(decline)?;
    }
    Ok(tenants)
}

#[test]
fn every_fault_at_every_call_of_an_increase_bills_once() -> Result<()> {
    let world = World::named("license-faults-more").start()?;
    let cases = sweep(&world, &OF_AN_INCREASE, Before::Waiting, 15)?;
    for Case { what, tenant, run } in &cases {
        let result = run.result().with_context(|| what.clone())?;
        ensure!(result["outcome"] == "changed" && result["taken_back"] == 6, "{what}: {result}");
        world.assert_licenses(tenant, 15, None).with_context(|| what.clone())?;
        let invoices = world.stripe.invoices(&tenant.purchase.subscription)?;
        ensure!(invoices.len() == 2, "{what}: {} invoices", invoices.len());
    }
    assert_eq!(world.stripe.faults_struck()?, cases.len() as u64, "each fault must have struck once");
    keys_grow_only_after_an_answered_500(&world, &cases)
}

#[test]
fn every_fault_at_every_call_of_a_decrease_makes_one_schedule() -> Result<()> {
    let world = World::named("license-faults-less").start()?;
    let cases = sweep(&world, &OF_A_DECREASE, Before::Plain, 6)?;
    for Case { what, tenant, run } in &cases {
        let result = run.result().with_context(|| what.clone())?;
        ensure!(result["outcome"] == "scheduled", "{what}: {result}");
        world.assert_licenses(tenant, 10, Some(6)).with_context(|| what.clone())?;
        let made = world.stripe.get(&format!("/subscription_schedules?customer={}", tenant.purchase.customer))?;
        ensure!(made["data"].as_array().map(Vec::len) == Some(1), "{what}: {made}");
    }
    assert_eq!(world.stripe.faults_struck()?, cases.len() as u64, "each fault must have struck once");
    Ok(())
}

#[test]
fn every_fault_at_every_call_of_a_put_back_leaves_what_waited() -> Result<()> {
    let world = World::named("license-faults-back").start()?;
    let cases = sweep(&world, &OF_A_PUT_BACK, Before::Poor, 15)?;
    for Case { what, tenant, run } in &cases {
        let (kind, message) = run.failure().with_context(|| what.clone())?;
        ensure!(kind == "PaymentDeclined" && message.contains("waits again"), "{what}: {kind}: {message}");
        ensure!(!message.contains("could not"), "{what}: {message}");
        world.assert_licenses(tenant, 10, Some(6)).with_context(|| what.clone())?;
    }
    assert_eq!(world.stripe.faults_struck()?, cases.len() as u64, "each fault must have struck once");
    Ok(())
}

/// The sweeps above are about every call there is: those of changes that nothing disturbs.
#[test]
fn the_calls_of_a_change_are_those_that_are_swept() -> Result<()> {
    let world = World::named("license-calls").start()?;
    let tenant = world.tenant_with(10)?;
    let path = Call::Set.path(&tenant.purchase.subscription);
    for (quantity, swept) in [(6, OF_A_DECREASE), (15, OF_AN_INCREASE)] {
        world.stripe.forget_requests()?;
        world.change_licenses(&tenant, quantity)?;
        let seen: Vec<_> =
            world.stripe.requests()?.iter().map(|r| (r.method.clone(), kind_of(&r.path, &path))).collect();
        let swept =
            swept.map(|call| (call.method().to_owned(), kind_of(&call.path(&tenant.purchase.subscription), &path)));
        assert_eq!(seen, swept, "to {quantity}");
    }
    Ok(())
}

/// A path without the schedule's id.
fn kind_of(path: &str, subscription: &str) -> String {
    let of_schedule = path.strip_prefix("/v1/subscription_schedules/");
    match of_schedule {
        _ if path == subscription => "the subscription".to_owned(),
        Some(rest) if rest.ends_with("/release") => "a release".to_owned(),
        Some(_) => "a schedule".to_owned(),
        None => path.to_owned(),
    }
}

/// After an answered 500 the next key is taken; after no answer, and after a proxy's page, the
/// same one. What took effect is not sent again at all.
fn keys_grow_only_after_an_answered_500(world: &World, cases: &[Case]) -> Result<()> {
    let requests = world.stripe.requests()?;
    for Case { what, tenant, run } in cases {
        let run_id = run.run_id.as_deref().context("a started run has an id")?;
        let numbers: &[u32] = match what.strip_suffix(" at Set") {
            Some("server_error") => &[1, 2],
            Some("reset_after") | None => &[1],
            Some(_) => &[1, 1],
        };
        let expected: Vec<_> = numbers.iter().map(|n| format!("{run_id}/setLicenseQuantity/{n}")).collect();
        let path = Call::Set.path(&tenant.purchase.subscription);
        let is_set = |key: &String| key.contains("/setLicenseQuantity/");
        let sent = requests.iter().filter(|r| r.method == "POST" && r.path == path);
        let keys: Vec<_> = sent.filter_map(|r| r.key.clone()).filter(is_set).collect();
        assert_eq!(keys, expected, "{what}");
    }
    Ok(())
}
