//! The file with every setting, ready to source. It is there while everything is ready, and only
//! then, so that a script can wait for it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use stack::tools;

use super::plan::Plan;
use super::servers::Servers;

/// What a reader may miss in the file.
const UNSET: &str = "# LICENSE_PRICE_IDS is not set, on purpose: so any price that is made by hand counts.\n";

/// The file, removed when this is dropped.
#[derive(Debug)]
pub(super) struct EnvFile {
    path: PathBuf,
}

/// Whole or not at all: scripts wait for it.
pub(super) fn write(plan: &Plan, servers: &Servers) -> Result<EnvFile> {
    let mut lines: Vec<String> = servers.settings().iter().map(|(name, value)| line(name, value)).collect();
    lines.push(UNSET.to_owned());
    lines.push(format!("# ADMIN_ADDR is the worker's; the shim has {}.\n", plan.webhook_admin_address()));
    lines.push(line("WEBHOOK_URL", &plan.webhook_url()));
    lines.push(line("TEMPORAL_UI", &plan.ui()));
    lines.push(line("TEMPORAL_CLI", &tools::temporal_cli()?.display().to_string()));
    let path = plan.env_file.clone();
    let fresh = path.with_extension("new");
    fs::write(&fresh, lines.concat())?;
    fs::rename(&fresh, &path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(EnvFile { path })
}

impl Drop for EnvFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// One that a killed start left behind would say that everything is ready.
pub(super) fn remove_old(plan: &Plan) -> Result<()> {
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
