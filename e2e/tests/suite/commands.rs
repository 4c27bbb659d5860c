//! `tenantry` as operators and scripts use it: what it prints and how it exits.

use anyhow::{Result, ensure};
use e2e::World;
use serde_json::Value;

#[test]
fn an_onboarding_is_started_shown_and_not_started_twice() -> Result<()> {
    let world = World::named("cli-start").start()?;
    let purchase = world.stripe.buy(10)?;
    let start = ["start", "tenant", "--email", "Ann@Example.com", "--client-name", "Ann's Company"];
    let names = ["--customer", &purchase.customer, "--subscription", &purchase.subscription, "--licenses", "10"];
    let start = [&start[..], &names].concat();
    let first = world.tenantry(&[&start[..], &["--wait"]].concat())?.exits(0)?;
    ensure!(first.stdout.contains(&format!("create-tenant-{}", purchase.customer)), "{}", first.stdout);
    let tenant = world.value("SELECT tenant FROM stripe_customers")?;
    world.assert_onboarded(&purchase, &tenant)?;
    let second = world.tenantry(&start)?.exits(4)?;
    ensure!(second.stderr.contains("next: "), "{}", second.stderr);
    for name in [&tenant, &purchase.customer, &purchase.subscription] {
        let shown = world.tenantry(&["tenant", "show", name])?.exits(0)?;
        for word in
            [&tenant, &purchase.customer, &purchase.subscription, "licences      10", "last change   0 -> 10", "run "]
        {
            ensure!(shown.stdout.contains(word), "{word} is not in:\n{}", shown.stdout);
        }
        let shown: Value =
            serde_json::from_str(&world.tenantry(&["tenant", "show", name, "--output", "json"])?.exits(0)?.stdout)?;
        assert_eq!((&shown["tenant_id"], &shown["licensed_user_count"]), (&tenant.as_str().into(), &10.into()));
    }
    Ok(())
}

#[test]
fn an_onboarding_that_runs_is_shown_and_left_alone() -> Result<()> {
    let world = World::named("cli-running").setting("TENANTRY_HOLD_AT", "before:importSubscription").start()?;
    let purchase = world.stripe.buy(10)?;
    let names = ["--customer", &purchase.customer, "--subscription", &purchase.subscription, "--licenses", "10"];
    let start =
        [&["start", "tenant", "--email", "a@b.c", "--client-name", "A", "--output", "json"][..], &names].concat();
    let started: Value = serde_json::from_str(&world.tenantry(&start)?.exits(0)?.stdout)?;
    world.wait_until_held()?;
    let refused = world.tenantry(&start)?.exits(4)?;
    let shown: Value = serde_json::from_str(&refused.stdout)?;
    assert_eq!((&shown["run_id"], &shown["status"]), (&started["run_id"], &"running".into()));
    let error: Value = serde_json::from_str(&refused.stderr)?;
    assert_eq!(error["code"], 4);
    // Meanwhile the run answers where it stands, and carries a summary for the UI.
    let run = world.run(&format!("create-tenant-{}", purchase.customer));
    let state = run.state()?;
    assert_eq!((&state["step"], state["done"].as_array().map(Vec::len)), (&"importSubscription".into(), Some(3)));
    let summary = format!("{}, 10 licences", purchase.customer);
    ensure!(run.readable_history()?.contains(&summary), "the run has no summary");
    world.release()?;
    run.result()?;
    let migrated = world.tenantry(&["migrate", "--master-tenant", e2e::MASTER, "--output", "json"])?.exits(0)?;
    let migrated: Value = serde_json::from_str(&migrated.stdout)?;
    assert_eq!(migrated["from_version"], migrated["to_version"]);
    Ok(())
}

#[test]
fn a_failed_onboarding_is_explained_and_started_again() -> Result<()> {
    let world = World::named("cli-failed").start()?;
    let purchase = world.stripe.buy(10)?;
    let start = |subscription: &str| {
        let names = ["--customer", &purchase.customer, "--subscription", subscription, "--wait"];
        world.tenantry(&[&["start", "tenant", "--email", "a@b.c", "--client-name", "A"][..], &names].concat())
    };
    let failed = start("sub_1Lost")?.exits(1)?;
    ensure!(failed.stderr.contains("sub_1Lost does not exist at Stripe in TEST mode"), "{}", failed.stderr);
    ensure!(failed.everything().contains("StripeNotFound"), "{}", failed.everything());
    start(&purchase.subscription)?.exits(0)?;
    world.assert_onboarded(&purchase, &world.value("SELECT tenant FROM stripe_customers")?)
}

#[test]
fn each_kind_of_trouble_has_its_exit_code() -> Result<()> {
    let world = World::named("cli-codes").without_worker()?;
    let usage: [&[&str]; 8] = [
        &["start", "tenant", "--email", "ann.example.com", "--client-name", "A"],
        &["start", "tenant", "--email", "a@b.c", "--client-name", " "],
        &["start", "tenant", "--email", "a@b.c", "--client-name", "A", "--customer", "sub_1"],
        &["start", "tenant", "--email", "a@b.c", "--client-name", "A", "--licenses", "-1"],
        &["start", "tenant", "--client-name", "A"],
        &["tenant", "show", "someone"],
        &["migrate", "--master-tenant", "7"],
        &["frobnicate"],
    ];
    for args in usage {
        let said = world.tenantry(args)?.exits(2)?;
        ensure!(!said.stderr.is_empty() && said.stdout.is_empty(), "{args:?}: {said:?}");
    }
    world.tenantry(&["tenant", "show", "cus_1Nobody"])?.exits(3)?;
    world.tenantry(&["tenant", "show", "99999999-9999-4999-8999-999999999999"])?.exits(3)?;
    let away = [("DATABASE_URL", "postgres://a:b@127.0.0.1:9/none"), ("TEMPORAL_ADDRESS", "127.0.0.1:9")];
    world.tenantry_with(&["tenant", "show", "cus_1"], &away)?.exits(5)?;
    world.tenantry_with(&["migrate", "--master-tenant", e2e::MASTER], &away)?.exits(5)?;
    let said = world
        .tenantry_with(&["start", "tenant", "--email", "a@b.c", "--client-name", "A", "--output", "json"], &away)?;
    let error: Value = serde_json::from_str(&said.exits(5)?.stderr)?;
    ensure!(
        ["code", "message", "next"].iter().all(|field| error[field].is_string() || error[field].is_number()),
        "{error}"
    );
    world.tenantry(&["migrate", "--master-tenant", e2e::MASTER])?.exits(0)?;
    // A database has one master billing tenant, for good.
    let other = "99999999-9999-4999-8999-999999999999";
    let said = world.tenantry(&["migrate", "--master-tenant", other])?.exits(4)?;
    ensure!(said.stderr.contains(e2e::MASTER), "{}", said.stderr);
    assert_eq!(world.value("SELECT count(*) FROM tenants")?, "1");
    Ok(())
}

#[test]
fn the_doctor_finds_what_is_wrong_and_says_what_to_do() -> Result<()> {
    let world = World::named("cli-doctor").start()?;
    let green = world.tenantry(&["doctor"])?.exits(0)?.stdout;
    for word in ["TEST mode", "2026-09-30.endive", "as this build expects", "FailureKind are registered", "server 1."] {
        ensure!(green.contains(word), "{word} is not in:\n{green}");
    }
    let check = |settings: &[(&str, &str)], words: &[&str]| -> Result<()> {
        let said = world.tenantry_with(&["doctor"], settings)?.exits(6)?;
        ensure!(words.iter().all(|word| said.everything().contains(word)), "{words:?} not in:\n{}", said.everything());
        Ok(())
    };
    check(&[("MASTER_BILLING_TENANT_ID", "")], &["MASTER_BILLING_TENANT_ID"])?;
    check(&[("STRIPE_SECRET_KEY", "sk_test_REPLACE_ME")], &["STRIPE_SECRET_KEY is a placeholder"])?;
    check(&[("DATABASE_URL", "postgres://a:b@127.0.0.1:9/none")], &["127.0.0.1:9"])?;
    check(&[("TEMPORAL_ADDRESS", "127.0.0.1:9")], &["127.0.0.1:9"])?;
    check(&[("STRIPE_API_BASE", "http://127.0.0.1:9")], &["127.0.0.1:9"])?;
    check(&[("TEMPORAL_NAMESPACE", "elsewhere")], &["elsewhere"])?;
    check(&[("WORKER_MAX_ACTIVITIES", "0")], &["WORKER_MAX_ACTIVITIES is not a whole number"])?;
    let untaught = World::named("cli-untaught").untaught_temporal().without_worker()?;
    check(
        &[("TEMPORAL_ADDRESS", &untaught.temporal.address())],
        &["temporal operator search-attribute create", "--name FailureKind --type Keyword"],
    )?;
    let json = world.tenantry_with(&["doctor", "--output", "json"], &[("MASTER_BILLING_TENANT_ID", "")])?.exits(6)?;
    let _: Value = serde_json::from_str(&json.stdout)?;
    world.rows("UPDATE stripe_accounts SET stripe_account_external_id = 'acct_another'")?;
    check(&[], &["acct_another"])
}
