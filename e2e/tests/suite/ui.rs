//! A person opens the Temporal UI and nothing else: what failed is found by its kind, its page says
//! why and what to do, and its replay says that nothing is left.
//!
//! The pages are the real ones, in a real browser. A picture of each is kept in `target/screenshots`.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Browser, Purchase, Run, World};
use serde_json::Value;
use stack::deadline;

/// Onboardings that failed, of which one was started again.
struct Scene {
    world: World,
    /// At its fourth step, by a subscription that was not there for a moment.
    lost: Purchase,
    failed: Run,
    replayed: Run,
    tenant: String,
    /// Failed in the same way, and left so.
    lost_too: Purchase,
    /// Failed in another way.
    contradicted: Purchase,
}

impl Scene {
    /// One for all tests: nothing of it changes any more.
    fn get() -> Result<&'static Self> {
        static SCENE: OnceLock<Result<Scene, String>> = OnceLock::new();
        let scene = SCENE.get_or_init(|| Self::set().map_err(|error| format!("{error:#}")));
        scene.as_ref().map_err(|error| anyhow::Error::msg(error.clone()))
    }

    fn set() -> Result<Self> {
        let world = World::named("ui").temporal_with_ui().start()?;
        let (lost, lost_too, mut contradicted) = (world.stripe.buy(10)?, world.stripe.buy(3)?, world.stripe.buy(5)?);
        for purchase in [&lost, &lost_too] {
            // The first read is that of `resolvePurchase`.
            let path = format!("/v1/subscriptions/{}", purchase.subscription);
            world.stripe.fault("GET", &path, "not_found", 1)?;
        }
        contradicted.subscription = world.stripe.buy(7)?.subscription;
        let failed = start(&world, &lost, 1)?;
        start(&world, &lost_too, 1)?;
        start(&world, &contradicted, 1)?;
        let replayed = start(&world, &lost, 0)?;
        let tenant = replayed.result()?["tenant_id"].as_str().context("a tenant")?.to_owned();
        let scene = Self { world, lost, failed, replayed, tenant, lost_too, contradicted };
        scene.wait_until_listed()?;
        Ok(scene)
    }

    /// What lists runs lags behind what runs.
    fn wait_until_listed(&self) -> Result<()> {
        let listed = |query: &str| -> Result<usize> {
            let answer = self.world.temporal.cli(&["workflow", "list", "--query", query, "--output", "json"])?;
            let runs: Value = serde_json::from_str(&answer)?;
            Ok(runs.as_array().map_or(0, Vec::len))
        };
        deadline::poll_every("four runs to be listed", Duration::from_secs(60), Duration::from_millis(200), || {
            let (failed, completed) = (listed("FailureKind IS NOT NULL")?, listed("ExecutionStatus='Completed'")?);
            Ok((failed == 3 && completed == 1).then_some(()))
        })
    }

    fn url(&self, path: &str) -> Result<String> {
        let ui = self.world.temporal.ui().context("this Temporal has a UI")?;
        Ok(format!("{ui}/namespaces/default/workflows{path}"))
    }

    /// A tab of a run's page.
    fn page(&self, run: &Run, tab: &str) -> Result<String> {
        let run_id = run.run_id.as_ref().context("a run has an id")?;
        self.url(&format!("/{}/{run_id}/{tab}", run.workflow_id))
    }
}

/// As an operator starts it, and starts it again.
fn start(world: &World, purchase: &Purchase, code: i32) -> Result<Run> {
    let Purchase { customer, subscription, quantity } = purchase;
    let quantity = quantity.to_string();
    let who = ["start", "tenant", "--email", "ann@example.com", "--client-name", "Ann's Company", "--output", "json"];
    let what = ["--customer", customer, "--subscription", subscription, "--licenses", &quantity, "--wait"];
    world.tenantry(&[&who[..], &what[..]].concat())?.exits(code)?;
    let mut run = world.run(&format!("create-tenant-{customer}"));
    let described = run.describe()?;
    run.run_id = described["workflowExecutionInfo"]["execution"]["runId"].as_str().map(str::to_owned);
    Ok(run)
}

#[test]
fn the_list_filtered_by_kind_has_what_failed_that_way_and_nothing_else() -> Result<()> {
    let scene = Scene::get()?;
    let mut browser = Browser::start()?;
    let check = |browser: &mut Browser, kind: &str, purchases: &[&Purchase]| -> Result<()> {
        browser.open(&scene.url(&format!("?query=%60FailureKind%60%3D%22{kind}%22"))?)?;
        let rows = browser.wait_for_rows(purchases.len())?;
        for purchase in purchases {
            let id = format!("create-tenant-{}", purchase.customer);
            let is_its = |row: &&String| row.contains(&id) && row.contains("FAILED");
            ensure!(rows.iter().filter(is_its).count() == 1, "{kind}: {id} is not one row of {rows:?}");
        }
        Ok(())
    };
    check(&mut browser, "ConflictError", &[&scene.contradicted])?;
    check(&mut browser, "StripeNotFound", &[&scene.lost, &scene.lost_too])?;
    browser.wait_for(&["FailureKind", "StripeNotFound"])?;
    browser.screenshot("failed-runs")
}

#[test]
fn a_failed_run_says_what_to_do_and_leads_to_those_like_it() -> Result<()> {
    let scene = Scene::get()?;
    let mut browser = Browser::start()?;
    let what = format!("{} does not exist at Stripe in TEST mode; correct it", scene.lost.subscription);
    browser.open(&scene.page(&scene.failed, "timeline")?)?;
    let import = format!("import {}", scene.lost.subscription);
    browser.wait_for(&["FAILED", "createTenantWorkflow", &what, &import])?;
    browser.screenshot("failed-run-timeline")?;

    browser.open(&scene.page(&scene.failed, "user-metadata")?)?;
    let id = &scene.failed.workflow_id;
    let (why, replay) = (format!("tenantry runs why {id}"), format!("tenantry runs replay {id}"));
    let summary = format!("{}, 10 licences", scene.lost.customer);
    let set = "--set stripe_subscription_id=sub_…";
    let text = browser.wait_for(&["StripeNotFound", &what, &why, &replay, set, &summary])?;
    for line in [
        format!("Tenant {}", scene.tenant),
        format!("Customer {}", scene.lost.customer),
        format!("Subscription {}", scene.lost.subscription),
        "Done resolvePurchase, createTenant, insertStripeCustomer".to_owned(),
        "Next importSubscription, setLicensedUserCount, tagSubscription, tagCustomer".to_owned(),
    ] {
        ensure!(text.lines().any(|said| said.trim() == line), "no line says {line:?}: {text}");
    }
    browser.screenshot("failed-run")?;

    let url = browser.follow("All runs that ended in StripeNotFound")?;
    ensure!(url.starts_with(&scene.url("?query=%60FailureKind%60")?), "it leads to {url}");
    let rows = browser.wait_for_rows(2)?;
    ensure!(rows.iter().any(|row| row.contains(&scene.lost_too.customer)), "{rows:?}");
    browser.screenshot("failed-runs-by-link")
}

#[test]
fn its_replay_says_whose_it_is_and_that_nothing_is_left() -> Result<()> {
    let scene = Scene::get()?;
    let mut browser = Browser::start()?;
    browser.open(&scene.page(&scene.replayed, "timeline")?)?;
    // Each step by the name of what it is about.
    let Purchase { customer, subscription, .. } = &scene.lost;
    let summaries = scene.replayed.summaries()?;
    let ids = [customer, subscription, &scene.tenant];
    ensure!(summaries.iter().all(|said| ids.iter().any(|id| said.contains(id.as_str()))), "{summaries:?}");
    let shown: Vec<_> = summaries.iter().map(String::as_str).chain(["COMPLETED"]).collect();
    browser.wait_for(&shown)?;
    for step in [format!("import {subscription}"), format!("tag {subscription}"), format!("tag {customer}")] {
        ensure!(summaries.contains(&step), "no step says {step:?}: {summaries:?}");
    }
    browser.screenshot("replayed-run-timeline")?;

    browser.open(&scene.page(&scene.replayed, "user-metadata")?)?;
    let tenant = format!("Tenant {}", scene.tenant);
    let text = browser.wait_for(&[&tenant, "tagSubscription, tagCustomer", "Next nothing"])?;
    ensure!(!text.contains("tenantry runs"), "nothing is to be done: {text}");
    browser.screenshot("replayed-run")?;

    // The tenant's runs: both that worked on it, and no other.
    browser.follow(&scene.tenant)?;
    let rows = browser.wait_for_rows(2)?;
    ensure!(rows.iter().all(|row| row.contains(customer)), "{rows:?}");
    Ok(())
}
