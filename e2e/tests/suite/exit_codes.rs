//! The exit codes, each of which a command ends with, and which are told alike wherever they are told.

use anyhow::{Context, Result, ensure};
use e2e::World;

const START: [&str; 6] = ["start", "tenant", "--email", "a@b.c", "--client-name", "A"];

#[test]
fn each_code_has_its_command() -> Result<()> {
    let world = World::named("exit-codes").start()?;
    let purchase = world.stripe.buy(10)?;
    let start = |subscription: &str| {
        let names = ["--customer", &purchase.customer, "--subscription", subscription, "--wait"];
        world.tenantry(&[&START[..], &names].concat())
    };
    start("sub_1Lost")?.exits(1)?;
    start(&purchase.subscription)?.exits(0)?;
    world.tenantry(&START[..3])?.exits(2)?;
    world.tenantry(&["tenant", "show", "cus_1Nobody"])?.exits(3)?;
    world.tenantry(&["schema", "moonlight"])?.exits(3)?;
    start(&purchase.subscription)?.exits(4)?;
    let away = [("DATABASE_URL", "postgres://a:b@127.0.0.1:9/none")];
    world.tenantry_with(&["tenant", "show", &purchase.customer], &away)?.exits(5)?;
    world.tenantry_with(&["doctor"], &away)?.exits(6)?;
    Ok(())
}

#[test]
fn they_are_told_alike_everywhere() -> Result<()> {
    let world = World::named("exit-help").without_worker()?;
    let help = world.tenantry(&["--help"])?.exits(0)?.stdout;
    let (_, table) = help.split_once("Exit codes:\n").context("no table in --help")?;
    let told: Vec<(&str, &str)> = table.lines().filter_map(|line| line.trim().split_once("  ")).collect();
    let codes: Vec<&str> = told.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6"]);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    for (code, means) in &told {
        ensure!(readme.contains(&format!("\n| {code} | {means} |\n")), "the README lacks: | {code} | {means} |");
    }
    let manual = world.tenantry(&["man"])?.exits(0)?.stdout;
    ensure!(told.iter().all(|(_, means)| manual.contains(&means.replace('-', "\\-"))), "{manual}");
    Ok(())
}
