//! The container files agree with each other and with the program, as far as their text can say.
//! Nothing is built here: that takes an engine.

use std::collections::BTreeSet;
use std::path::Path;

use stack::{binaries, workspace};

/// The address of the shim inside the compose network, and its path that Stripe is told.
const WEBHOOK: &str = "http://webhook:8787/api/webhooks/stripe";

#[test]
fn every_setting_of_the_containers_is_a_setting_of_ours() {
    let example = read(".env.example");
    let known: BTreeSet<&str> = example.lines().filter_map(|line| Some(bare(line).split_once('=')?.0)).collect();
    let (compose, dockerfile) = (read("docker-compose.yml"), read("deploy/Dockerfile"));
    // Those of the Postgres image are its own.
    let ours = settings(&compose).filter(|(name, _)| !name.starts_with("POSTGRES_"));
    let names: Vec<&str> = ours.map(|(name, _)| name).chain(image_settings(&dockerfile)).collect();
    let unknown: Vec<&&str> = names.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "not in .env.example: {unknown:?}");
    for needed in ["DATABASE_URL", "STRIPE_WEBHOOK_SECRET_THIN", "WEBHOOK_ADDR", "ADMIN_ADDR"] {
        assert!(names.contains(&needed), "{needed} is not found in {names:?}");
    }
}

#[test]
fn the_images_carry_every_program() {
    let dockerfile = read("deploy/Dockerfile");
    let built = words(&dockerfile, "target/release/");
    let copied = words(&dockerfile, "/out/");
    assert_eq!(built, copied, "what is built is what is copied");
    assert_eq!(built, BTreeSet::from(["stripe-sim", "tenantry", "webhook", "worker"]));
    for program in built {
        binaries::binary(program).expect("the workspace has it");
    }
}

#[test]
fn the_double_signs_with_the_secrets_that_the_shim_knows() {
    let compose = read("docker-compose.yml");
    let setting = |wanted: &str| settings(&compose).find(|(name, _)| *name == wanted).expect(wanted).1;
    let flag = |name: &str| compose.lines().find_map(|line| line.trim().strip_prefix(name)).expect(name);
    assert_eq!(flag("- --webhook-secret="), setting("STRIPE_WEBHOOK_SECRET"));
    assert_eq!(flag("- --webhook-thin-secret="), setting("STRIPE_WEBHOOK_SECRET_THIN"));
    assert_eq!(flag("- --webhook="), WEBHOOK);
    assert!(read("deploy/Dockerfile").contains(" WEBHOOK_ADDR=0.0.0.0:8787 "));
    assert!(compose.contains("\n  webhook:\n"));
}

#[test]
fn every_port_is_published_on_loopback_only() {
    let compose = read("docker-compose.yml");
    let is_port = |line: &&str| line.starts_with("- \"") && line.ends_with('"') && line.contains(':');
    let published: Vec<&str> = compose.lines().map(str::trim).filter(is_port).collect();
    assert!(published.len() >= 6, "{published:?}");
    assert!(published.iter().all(|port| port.starts_with("- \"127.0.0.1:")), "{published:?}");
}

/// `NAME` and value of each line that gives a variable one.
fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    text.lines().filter_map(move |line| line.trim().split_once(": ")).filter(move |(name, _)| is_name(name))
}

/// Variables that the image itself sets for our programs, not for their build.
fn image_settings(dockerfile: &str) -> impl Iterator<Item = &str> {
    let assignments = dockerfile.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(str::split_whitespace);
    assignments.filter_map(|one| Some(one.split_once('=')?.0)).filter(|name| !name.starts_with("CARGO_"))
}

/// What follows the prefix, wherever it begins a word.
fn words<'t>(text: &'t str, prefix: &str) -> BTreeSet<&'t str> {
    text.split_whitespace().filter_map(|word| word.strip_prefix(prefix)).collect()
}

fn bare(line: &str) -> &str {
    line.strip_prefix("# ").unwrap_or(line)
}

fn read(path: impl AsRef<Path>) -> String {
    let path = workspace::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
