//! The worker is killed with SIGKILL at every step, before and after the step's effect.

use anyhow::{Context, Result, ensure};
use domain::create_tenant::Step;
use e2e::World;

#[test]
fn a_killed_worker_leaves_one_tenant_and_no_effect_twice() -> Result<()> {
    let steps = Step::ALL.map(Step::as_str);
    let places: Vec<String> =
        steps.iter().flat_map(|step| [format!("before:{step}"), format!("after:{step}")]).collect();
    // Side by side: nearly all of the time goes into waiting for the dead attempt to time out.
    std::thread::scope(|scope| {
        let sweeps: Vec<_> = places.iter().map(|place| scope.spawn(|| kill_at(place))).collect();
        sweeps.into_iter().try_for_each(|sweep| sweep.join().expect("a sweep panicked"))
    })
}

fn kill_at(place: &str) -> Result<()> {
    let name = format!("kill-{}", place.replace(':', "-").to_lowercase());
    let world = World::named(&name).without_worker()?;
    world.start_worker(&[("TENANTRY_HOLD_AT", place)])?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    // Else a purchase that was killed too early, or never, would pass.
    ensure!(world.wait_until_held()? == place, "killed elsewhere than {place}");
    world.kill_worker()?;
    let step = place.split_once(':').map(|(_, step)| step.to_owned()).context("a place is before or after a step")?;
    let under_way = run.under_way()?;
    // The server may have given it up by now.
    ensure!(under_way.iter().any(|(name, _)| *name == step), "killed {place}, and {under_way:?} is under way");
    world.start_worker(&[])?;
    let result = run.result().with_context(|| format!("killed {place}"))?;
    ensure!(result["created"] == true, "killed {place}: {result}");
    ensure!(world.tenants()? == 1, "killed {place}: {} tenants", world.tenants()?);
    world
        .assert_onboarded(&purchase, result["tenant_id"].as_str().unwrap_or_default())
        .with_context(|| format!("killed {place}"))
}
