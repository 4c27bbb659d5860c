//! Runs of `changeLicenseCountWorkflow`, one of each kind of way that it takes.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Ending, World};
use serde_json::json;

use crate::histories::{Named, name};

/// Those that nothing disturbs.
pub(crate) fn runs(world: &World) -> Result<Named> {
    let tenant = world.tenant_with(10)?;
    let change = |called: &'static str, quantity: i64, outcome: &str| -> Result<_> {
        let run = world.start_license_change(&tenant.id, quantity, &json!({}))?;
        let result = run.result()?;
        ensure!(result["outcome"] == outcome, "{called}: {result}");
        Ok(name(called, &run))
    };
    let mut all = vec![
        change("scheduled", 6, "scheduled")?,
        change("taken_back", 10, "unchanged")?,
        change("nothing", 10, "unchanged")?,
        change("changed", 12, "changed")?,
    ];
    change("waiting", 6, "scheduled")?;
    all.push(change("over_a_waiting_one", 15, "changed")?);
    let misfit = world.start_license_change(&tenant.id, 0, &json!({}))?;
    misfit.failure()?;
    let refused = world.start_license_change(&tenant.id, 20, &json!({"from": 3}))?;
    refused.failure()?;
    all.extend([name("misfit", &misfit), name("refused", &refused)]);
    Ok(all)
}

/// Those that take back what they did on the way.
pub(crate) fn taken_back(world: &World) -> Result<Named> {
    let tenant = world.tenant_with(10)?;
    world.change_licenses(&tenant, 6)?;
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail")?;
    let declined = world.start_license_change(&tenant.id, 15, &json!({}))?;
    let (kind, _) = declined.failure()?;
    ensure!(kind == "PaymentDeclined", "{kind}");
    Ok(vec![name("declined", &declined)])
}

/// One that a person ends between its two writes.
pub(crate) fn cancelled(world: &World) -> Result<Named> {
    let tenant = world.tenant_with(10)?;
    let run = world.start_license_change(&tenant.id, 6, &json!({}))?;
    world.wait_until_held()?;
    run.cancel()?;
    world.release()?;
    let ending = run.ending(Duration::from_secs(60))?;
    ensure!(ending == Ending::Cancelled, "{ending:?}");
    Ok(vec![name("cancelled", &run)])
}
