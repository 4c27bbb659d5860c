//! Settings: what the code reads, what `README.md` tells of and what `.env.example` has are the same.

use std::collections::BTreeSet;

use crate::{ARROWS, assert_same, read, rust_files};

/// Settings that Temporal's SDK reads by itself, as far as a deployment may need them.
const READ_BY_THE_SDK: [&str; 10] = [
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_API_KEY",
    "TEMPORAL_TLS",
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "TEMPORAL_TLS_SERVER_NAME",
    "TEMPORAL_CONFIG_FILE",
    "TEMPORAL_PROFILE",
];

/// Names in the code that look like settings: of cargo, of a desktop, of Temporal's failures, and what
/// tests and shells set.
const NOT_SETTINGS: [&str; 7] = [
    "CARGO_PKG_VERSION",
    "NON_DETERMINISTIC_ERROR",
    "RUN_ID",
    "TENANTRY_COMPLETE",
    "TENANTRY_HOLD_AT",
    "TENANTRY_HOLD_DIR",
    "WAYLAND_DISPLAY",
];

#[test]
fn settings_are_the_same_in_code_readme_and_example() {
    let code = settings_in_code();
    assert_same("README.md", &settings_in_readme(), &code);
    assert_same(".env.example", &settings_in_example(), &code);
}

fn is_setting(word: &str) -> bool {
    let is_name = word.contains('_') && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    is_name && word.starts_with(|c: char| c.is_ascii_uppercase()) && !word.ends_with('_')
}

/// Every name in quotes in the product's sources, tests left out.
fn settings_in_code() -> BTreeSet<String> {
    let dirs: Vec<String> = ARROWS.iter().map(|(name, _)| format!("{name}/src/")).collect();
    let mut settings: BTreeSet<String> = READ_BY_THE_SDK.map(str::to_owned).into();
    for path in rust_files().filter(|path| dirs.iter().any(|dir| path.starts_with(dir))) {
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let names = code.split('"').filter(|word| is_setting(word) && !NOT_SETTINGS.contains(word));
        settings.extend(names.map(str::to_owned));
    }
    settings
}

/// The first column of the table under "Configuration".
fn settings_in_readme() -> BTreeSet<String> {
    let text = read("README.md");
    let (_, section) = text.split_once("\n## Configuration\n").expect("README.md has a section Configuration");
    let section = section.split("\n## ").next().unwrap_or_default();
    let names = section.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(1));
    names.flat_map(|cell| cell.split('`')).filter(|word| is_setting(word)).map(str::to_owned).collect()
}

/// What is assigned, also behind a `#`.
fn settings_in_example() -> BTreeSet<String> {
    let text = read(".env.example");
    let names = text.lines().filter_map(|line| line.strip_prefix("# ").unwrap_or(line).split_once('='));
    names.map(|(name, _)| name).filter(|name| is_setting(name)).map(str::to_owned).collect()
}
