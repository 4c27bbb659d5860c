//! `.dev/env`: every setting, ready to source. A start removes it and writes it when everything is
//! ready, so that a script can wait for it.

use std::fs;

use anyhow::{Context, Result};
use stack::tools;

use super::plan::Plan;
use super::servers::Servers;

/// Whole or not at all: scripts wait for it.
pub(super) fn write(plan: &Plan, servers: &Servers) -> Result<()> {
    let mut lines: Vec<String> = servers.settings().iter().map(|(name, value)| line(name, value)).collect();
    lines.push(line("TEMPORAL_UI", &plan.ui()));
    lines.push(line("TEMPORAL_CLI", &tools::temporal_cli()?.display().to_string()));
    let fresh = plan.env_file.with_extension("new");
    fs::write(&fresh, lines.concat())?;
    fs::rename(&fresh, &plan.env_file).with_context(|| format!("cannot write {}", plan.env_file.display()))
}

/// An old one would say that everything is ready.
pub(super) fn remove(plan: &Plan) -> Result<()> {
    if plan.env_file.exists() {
        fs::remove_file(&plan.env_file)?;
    }
    Ok(())
}

fn line(name: &str, value: &str) -> String {
    format!("export {name}='{}'\n", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_quote_survives_the_shell() {
        assert_eq!(line("A", "it's"), "export A='it'\\''s'\n");
    }
}
