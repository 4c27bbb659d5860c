//! `tenantry doctor`: looks at every setting and service, and says what to do about each that is
//! red. It changes nothing.

mod check;
mod inbox;
mod postgres;
mod schedule;
mod settings;
mod stripe;
mod temporal;

use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::screen::tame;
use crate::style::{self, padded, paint};
use check::{Check, Verdict};
use settings::Settings;

/// Stands at the end of `tenantry doctor --help`.
pub(crate) const HELP: &str = "\
Examples:
  tenantry doctor
  tenantry doctor --output json

Changes nothing. Exit code 6 when a check is red; a warning is not red.";

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Diagnosis {
    healthy: bool,
    checks: Vec<Check>,
}

/// Looks at everything. The services are asked side by side: one that is away costs its own
/// timeout, not the sum.
pub(crate) async fn run(output: Output) -> Result<Exit, Failure> {
    let settings = Settings::read();
    let (postgres, temporal, stripe) = tokio::join!(
        postgres::look(settings.database.as_ref()),
        temporal::look(settings.temporal.as_ref()),
        stripe::look(settings.stripe.as_ref()),
    );
    let same_account = stripe::same_account(postgres.account, stripe.account);
    let mut checks = settings.checks;
    checks.extend(postgres.checks);
    checks.extend(temporal);
    checks.extend(stripe.checks);
    checks.push(same_account);
    let diagnosis = Diagnosis { healthy: !checks.iter().any(Check::is_red), checks };
    output.print(&diagnosis);
    Ok(if diagnosis.healthy { Exit::Done } else { Exit::Findings })
}

impl Report for Diagnosis {
    fn text(&self) -> String {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let mut lines: Vec<String> = self.checks.iter().map(|check| line(check, width)).collect();
        let count = |verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        let [red, warnings, skipped] = [Verdict::Red, Verdict::Warning, Verdict::Skipped].map(count);
        lines.push(format!("{} checks: {red} red, {warnings} warning, {skipped} skipped", self.checks.len()));
        lines.join("\n")
    }
}

/// The longest word for it.
const VERDICT: usize = 7;

fn line(check: &Check, width: usize) -> String {
    let Check { name, verdict, found, next } = check;
    let verdict = verdict.to_string();
    let line = format!("{}  {name:width$}  {}", padded(style::of(&verdict), &verdict, VERDICT), tame(found));
    match next {
        Some(next) => format!("{line}\n{:VERDICT$}  {:width$}  {} {}", "", "", paint(style::HEAD, "next:"), tame(next)),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    #[test]
    fn it_looks_as_before() {
        let checks = vec![
            Check::ok("Postgres", "15.18 at db:5432/app"),
            Check::warning("reconciliation", "there is no schedule", "tenantry schedule install"),
            Check::red("schema", "version 0, and this build needs 10", "tenantry migrate --master-tenant UUID"),
            Check::skipped("accounting", "schema"),
        ];
        snapshot::check("doctor", &Diagnosis { healthy: false, checks });
    }

    #[test]
    fn what_to_do_stands_under_what_was_found() {
        let checks = vec![Check::ok("Postgres", "15.18"), Check::red("schema", "version 0", "tenantry migrate")];
        let text = Diagnosis { healthy: false, checks }.text();
        let expected = "\
ok       Postgres  15.18
red      schema    version 0
                   next: tenantry migrate
2 checks: 1 red, 0 warning, 0 skipped";
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), expected);
    }
}
