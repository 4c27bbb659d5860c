//! Runs of `importSubscriptionWorkflow`, one of each kind of way that it takes.

use std::time::Duration;

use anyhow::{Result, ensure};
use domain::names::workflow::IMPORT_SUBSCRIPTION;
use e2e::{Ending, Run, World};
use serde_json::json;

use crate::histories::{Named, name};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";

fn start(world: &World, subscription: &str) -> Result<Run> {
    let input = json!({"tenant_id": TENANT, "stripe_subscription_id": subscription}).to_string();
    world.start_in_bulk(IMPORT_SUBSCRIPTION, &format!("import-subscription-{subscription}"), &input)
}

pub(crate) fn runs(world: &World) -> Result<Named> {
    world.add_tenant(TENANT, "old@example.com")?;
    let purchase = world.stripe.buy(10)?;
    let whole = start(world, &purchase.subscription)?;
    whole.result()?;
    let lost = start(world, &format!("sub_1Lost{}", &purchase.subscription[4..]))?;
    lost.failure()?;
    let misfit = world.start_in_bulk(IMPORT_SUBSCRIPTION, &format!("import-misfit-{}", purchase.subscription), "{}")?;
    misfit.failure()?;
    let held = world.stripe.hold_all("GET", &format!("/v1/subscriptions/{}", purchase.subscription))?;
    let cancelled = start(world, &purchase.subscription)?;
    world.stripe.wait_until_held(&held)?;
    cancelled.cancel()?;
    world.stripe.release(&held)?;
    let ending = cancelled.ending(Duration::from_secs(60))?;
    ensure!(ending == Ending::Cancelled, "{ending:?}");
    Ok(vec![name("whole", &whole), name("lost", &lost), name("misfit", &misfit), name("cancelled", &cancelled)])
}
