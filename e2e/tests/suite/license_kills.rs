//! The worker is killed with SIGKILL at every step of a change of licences, before and after the
//! step's effect: the number is right, it is billed once, and what waits is what should.

use anyhow::{Context, Result, ensure};
use e2e::{Ending, Run, Tenant, World};
use serde_json::json;

/// How a change goes, and so which steps it takes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Ten to fifteen, over a decrease that waits.
    Increase,
    /// Ten to six, when the period ends.
    Decrease,
    /// Ten to fifteen, which is declined: the decrease that waits is put back.
    Declined,
}

const SWEEP: [(Way, &[&str]); 3] = [
    (
        Way::Increase,
        &[
            "resolveLicenseChange",
            "releaseSchedule",
            "setLicenseQuantity",
            "importLicenseChange",
            "closeLicenseRequest",
        ],
    ),
    (Way::Decrease, &["attachSchedule", "writeSchedule"]),
    (Way::Declined, &["setLicenseQuantity", "attachSchedule", "writeSchedule"]),
];

#[test]
fn a_killed_worker_changes_licences_once() -> Result<()> {
    let steps = SWEEP.iter().flat_map(|(way, steps)| steps.iter().map(move |step| (*way, *step)));
    let places: Vec<_> = steps.flat_map(|(way, step)| ["before", "after"].map(|when| (way, when, step))).collect();
    // Side by side: nearly all of the time goes into waiting for the dead attempt to time out.
    std::thread::scope(|scope| {
        let sweeps: Vec<_> = places.iter().map(|(way, when, step)| scope.spawn(|| kill_at(*way, when, step))).collect();
        sweeps.into_iter().try_for_each(|sweep| sweep.join().expect("a sweep panicked"))
    })
}

fn kill_at(way: Way, when: &str, step: &str) -> Result<()> {
    let what = format!("{way:?}, killed {when} {step}");
    let place = format!("{when}:{step}");
    let name = format!("license-kill-{way:?}-{when}-{step}").to_lowercase();
    let world = World::named(&name).start()?;
    let tenant = way.prepare(&world)?;
    // The steps of the preparation are not held.
    world.stop_worker()?;
    world.start_worker(&[("TENANTRY_HOLD_AT", &place)])?;
    let run = way.start(&world, &tenant)?;
    ensure!(world.wait_until_held()? == place, "{what}: killed elsewhere");
    world.kill_worker()?;
    let under_way = run.under_way()?;
    // The server may have given it up by now.
    ensure!(under_way.len() == 1 && under_way[0].0 == step, "{what}, and {under_way:?} is under way");
    world.start_worker(&[])?;
    way.check(&world, &tenant, &run).context(what)
}

impl Way {
    fn prepare(self, world: &World) -> Result<Tenant> {
        let tenant = world.tenant_with(10)?;
        match self {
            Self::Increase => world.change_licenses(&tenant, 6).map(drop)?,
            Self::Decrease => {}
            Self::Declined => {
                world.change_licenses(&tenant, 6)?;
                world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail")?;
            }
        }
        Ok(tenant)
    }

    fn start(self, world: &World, tenant: &Tenant) -> Result<Run> {
        let quantity = match self {
            Self::Increase | Self::Declined => 15,
            Self::Decrease => 6,
        };
        world.start_license_change(&tenant.id, quantity, &json!({}))
    }

    fn check(self, world: &World, tenant: &Tenant, run: &Run) -> Result<()> {
        let (quantity, waiting, invoices, request) = match self {
            Self::Increase => (15, None, 2, "changed 10 15 -"),
            Self::Decrease => (10, Some(6), 1, "scheduled 10 6 -"),
            Self::Declined => (10, Some(6), 1, "PaymentDeclined 10 15 -"),
        };
        let ending = run.ending(std::time::Duration::from_secs(150))?;
        match (self, &ending) {
            (Self::Declined, Ending::Failed(kind, _)) if kind == "PaymentDeclined" => {}
            (Self::Increase | Self::Decrease, Ending::Completed(_)) => {}
            (Self::Increase | Self::Decrease | Self::Declined, _) => anyhow::bail!("it ended as {ending:?}"),
        }
        world.assert_licenses(tenant, quantity, waiting)?;
        let billed = world.stripe.invoices(&tenant.purchase.subscription)?.len();
        ensure!(billed == invoices, "{billed} invoices, expected {invoices}");
        let changes = world.value("SELECT count(*) FROM license_changes WHERE cause = 'license_change'")?;
        ensure!(changes == if quantity == 15 { "1" } else { "0" }, "{changes} changes of the count");
        let last = world.license_requests(tenant)?.pop();
        ensure!(last.as_deref() == Some(request), "{last:?}, expected {request}");
        Ok(())
    }
}
