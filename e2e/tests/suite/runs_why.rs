//! `tenantry runs why`: what is said of real runs that ended in different ways, and which command is
//! to be run next.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Run, World};
use serde_json::{Value, json};
use stack::deadline;

const NOBODY: &str = "33333333-3333-4333-8333-333333333333";

/// What is said of a run.
struct Said {
    document: Value,
    text: String,
}

fn why(world: &World, run: &Run) -> Result<Said> {
    let args = ["runs", "why", &run.workflow_id];
    let text = world.tenantry(&args)?.exits(0)?.stdout;
    let document = world.tenantry(&[&args[..], &["--output", "json"]].concat())?.exits(0)?.stdout;
    Ok(Said { document: serde_json::from_str(&document)?, text })
}

impl Said {
    /// The paragraph has these words, and the command is that.
    fn says(&self, words: &[&str], next: &str) -> Result<()> {
        let explanation = self.document["explanation"].as_str().context("no explanation")?;
        for word in words {
            ensure!(explanation.contains(word), "{word:?} is not in: {explanation}");
            ensure!(self.text.contains(word), "{word:?} is not in: {}", self.text);
        }
        ensure!(self.document["next"] == next, "{} is next, not {next}: {explanation}", self.document["next"]);
        ensure!(self.text.contains(next), "{}", self.text);
        Ok(())
    }

    fn again(&self) -> &str {
        self.document["again"].as_str().unwrap_or_default()
    }
}

#[test]
fn an_onboarding_that_failed_says_what_to_correct() -> Result<()> {
    let world = World::named("why-onboarding").start()?;
    let (first, second) = (world.tenant_with(10)?, world.stripe.buy(5)?);
    let fails = |change: (&str, Value), id: &str| -> Result<(Run, Said)> {
        let mut call = World::call_of_the_store(&second);
        call[change.0] = change.1;
        let run = world.start_with(&format!("create-tenant-{}_{id}", second.customer), &call.to_string())?;
        run.failure()?;
        let said = why(&world, &run)?;
        Ok((run, said))
    };
    let (run, said) = fails(("stripe_subscription_id", json!("sub_1Lost")), "lost")?;
    said.says(
        &[
            "The onboarding failed at its step resolvePurchase (look at cus_",
            "sub_1Lost does not exist at Stripe in TEST mode; correct it and start it again",
            "the id is misspelt, or it is one of the other mode",
            "with a corrected one it goes on where it stopped",
        ],
        &format!("tenantry runs replay {} --set stripe_subscription_id=sub_…", run.workflow_id),
    )?;
    assert_eq!((said.again(), &said.document["step"]), ("once_corrected", &json!("resolvePurchase")));
    assert_eq!(said.document["failure_kind"], "StripeNotFound");
    let (run, said) = fails(("email", json!("nobody")), "mail")?;
    said.says(
        &["failed before its first step: email", "nothing was written"],
        &format!("tenantry runs replay {} --set email=…", run.workflow_id),
    )?;
    let (run, said) = fails(("stripe_customer_id", json!(first.purchase.customer)), "other")?;
    said.says(
        &[
            &format!("{} belongs to {}, not to {}", second.subscription, second.customer, first.purchase.customer),
            "nothing is guessed",
        ],
        &format!("tenantry runs replay {}", run.workflow_id),
    )?;
    assert_eq!(said.again(), "once_mended");
    let mut call = World::call_of_the_store(&first.purchase);
    call["tenant_id"] = json!(NOBODY);
    let run = world.start_with(&format!("create-tenant-{}_again", first.purchase.customer), &call.to_string())?;
    run.failure()?;
    why(&world, &run)?.says(
        &["already belongs to tenant", "nothing is taken away from a tenant"],
        &format!("tenantry runs replay {} --set tenant_id=", run.workflow_id),
    )?;
    let done = world.run(&format!("create-tenant-{}", first.purchase.customer));
    let said = why(&world, &done)?;
    said.says(&["The onboarding is done", "Nothing has to be done"], &format!("tenantry tenant why {}", first.id))?;
    assert_eq!(said.again(), "not_needed");
    Ok(())
}

#[test]
fn a_run_that_a_replay_overtook_says_so() -> Result<()> {
    let world = World::named("why-overtaken").start()?;
    let mut purchase = world.stripe.buy(10)?;
    let right = std::mem::replace(&mut purchase.subscription, "sub_1Lost".to_owned());
    let first = world.onboard(&purchase)?;
    first.failure()?;
    purchase.subscription = right;
    let second = world.onboard(&purchase)?;
    second.result()?;
    let run_id = first.run_id.as_deref().context("an id")?;
    let said = world.tenantry(&["runs", "why", &first.workflow_id, "--run", run_id])?.exits(0)?.stdout;
    for words in
        ["sub_1Lost does not exist", "This run is not the latest", "is completed", "tenantry runs why create-tenant-"]
    {
        ensure!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    ensure!(!said.contains("runs replay"), "{said}");
    Ok(())
}

#[test]
fn each_workflow_has_its_own_way_on() -> Result<()> {
    let world = World::named("why-others").start()?;
    let tenant = world.tenant_with(10)?;
    let subscription = world.stripe.buy(2)?.subscription;
    let import = format!("import-subscription-{subscription}");
    let input = json!({"tenant_id": NOBODY, "stripe_subscription_id": subscription}).to_string();
    let run = world.start_in_bulk("importSubscriptionWorkflow", &import, &input)?;
    run.failure()?;
    why(&world, &run)?.says(
        &["The import failed at its step resolveImport", NOBODY, "does not exist here", "in this database"],
        &format!("tenantry runs replay {import} --set tenant_id=…"),
    )?;
    world.stripe.pay_with(&tenant.purchase.customer, "pm_card_chargeCustomerFail")?;
    let run = world.start_license_change(&tenant.id, 15, &json!({}))?;
    run.failure()?;
    let said = why(&world, &run)?;
    said.says(
        &[
            "The licence change failed at its step setLicenseQuantity (set sub_",
            "Your card was declined",
            "decide anew",
        ],
        &format!("tenantry license set {} 15", tenant.id),
    )?;
    let lost = subscription.replace("sub_", "sub_1Lost");
    let input = json!({"stripe_subscription_id": lost}).to_string();
    let id = format!("sync-subscription-{lost}");
    let run = world.start_workflow("syncSubscriptionWorkflow", &id, "AllowDuplicate", &input)?;
    run.failure()?;
    why(&world, &run)?.says(
        &[
            "The sync failed at its step syncSubscription",
            "does not exist at Stripe in TEST mode",
            "Its events are kept",
        ],
        &format!("tenantry events replay --status failed --subscription {lost}"),
    )
}

#[test]
fn a_run_that_a_person_ended_says_what_stays() -> Result<()> {
    let world = World::named("why-ended").setting("TENANTRY_HOLD_AT", "after:createTenant").start()?;
    let run = world.onboard(&world.stripe.buy(1)?)?;
    world.wait_until_held_in(&run)?;
    let said = why(&world, &run)?;
    let id = run.workflow_id.as_str();
    said.says(
        &[
            "The onboarding has run for",
            "resolvePurchase is done; under way: createTenant (make tenant",
            "try 1",
            "Nobody has to do anything",
        ],
        &format!("tenantry runs watch {id}"),
    )?;
    let cancelling = world.tenantry_at_work(&["runs", "cancel", id, "--reason", "ticket 4711"])?;
    deadline::poll("the run to be asked to end", Duration::from_secs(60), || {
        Ok((run.count_events("EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED")? > 0).then_some(()))
    })?;
    world.release()?;
    cancelling.ended()?.exits(0)?;
    let said = why(&world, &run)?;
    said.says(
        &[
            "A person cancelled the onboarding (\"ticket 4711\")",
            "ResolvePurchase, createTenant are done, and that stays",
            "goes on where it stopped",
        ],
        &format!("tenantry runs replay {id}"),
    )?;
    assert_eq!((said.again(), &said.document["failure_kind"]), ("helps", &json!("Cancelled")));
    world.stop_worker()?;
    let run = world.onboard(&world.stripe.buy(1)?)?;
    run.terminate()?;
    why(&world, &run)?.says(
        &["A person terminated the onboarding (\"a test\")", "No step is done."],
        &format!("tenantry runs replay {}", run.workflow_id),
    )
}
