//! What a reconciliation found, as a person and as a program reads it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use domain::create_tenant::RunError;
use domain::reconcile::{DriftKind, ReconcileResult};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use store::FindingView;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, Rows, time};
use crate::run::Run;
use crate::screen;
use crate::table::Table;

/// More of a kind than anybody reads on a screen.
const SHOWN_MAX: usize = 20;

/// A run with what it found.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Reconciled<'a> {
    #[serde(flatten)]
    run: &'a Run,
    result: Option<ReconcileResult>,
    pub(super) failure: Option<RunError>,
    findings: Vec<Finding>,
}

/// Something that differs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Finding {
    kind: DriftKind,
    tenant_id: Option<String>,
    stripe_customer_id: Option<String>,
    stripe_subscription_id: Option<String>,
    ours: Value,
    stripes: Value,
    /// Why it is left to a person.
    reason: Option<String>,
    found_at: DateTime<Utc>,
    repaired_at: Option<DateTime<Utc>>,
}

impl From<FindingView> for Finding {
    fn from(found: FindingView) -> Self {
        Self {
            kind: found.kind,
            tenant_id: found.tenant.map(|tenant| tenant.to_string()),
            stripe_customer_id: found.customer,
            stripe_subscription_id: found.subscription,
            ours: found.ours,
            stripes: found.stripes,
            reason: found.reason,
            found_at: found.found_at,
            repaired_at: found.repaired_at,
        }
    }
}

impl<'a> Reconciled<'a> {
    /// What that run found.
    pub(super) fn new(
        run: &'a Run,
        result: Option<ReconcileResult>,
        failure: Option<RunError>,
        findings: Vec<FindingView>,
    ) -> Self {
        Self { run, result, failure, findings: findings.into_iter().map(Finding::from).collect() }
    }

    /// How many findings are not repaired.
    pub(super) fn left(&self) -> usize {
        self.findings.iter().filter(|found| found.repaired_at.is_none()).count()
    }

    /// All findings into a file, a line each.
    pub(super) fn write(&self, file: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            let message = format!("cannot write {}: {error}", file.display());
            Failure::new(Exit::Failed, message, "give --report a file that can be written; the run itself has ended")
        };
        let mut lines = BufWriter::new(File::create(file).map_err(failed)?);
        for found in &self.findings {
            let line = serde_json::to_string(found).unwrap_or_else(|error| unreachable!("{error}"));
            writeln!(lines, "{line}").map_err(failed)?;
        }
        lines.flush().map_err(failed)
    }

    fn summary(&self) -> Rows {
        let mut rows = Rows::default();
        rows.push_status("ended", self.run.status);
        let repaired = self.findings.len() - self.left();
        rows.push(
            "drift",
            match self.findings.len() {
                0 => "none".to_owned(),
                found => format!("{found} found, {repaired} repaired"),
            },
        );
        if let Some(result) = &self.result {
            rows.push("events", format!("{} fed, {} pruned", result.events_fed, result.events_pruned));
        }
        rows
    }
}

impl Report for Reconciled<'_> {
    /// What the rows of [`Run`], which stand above it, do not say.
    fn text(&self) -> String {
        let screen = screen::width();
        let mut parts = vec![self.summary().on(screen)];
        for kind in DriftKind::ALL {
            let of_kind: Vec<&Finding> = self.findings.iter().filter(|found| found.kind == kind).collect();
            parts.extend((!of_kind.is_empty()).then(|| table(kind, &of_kind, screen)));
        }
        parts.join("\n\n")
    }
}

fn table(kind: DriftKind, found: &[&Finding], screen: Option<usize>) -> String {
    let mut table = Table::new(&[kind.as_str(), "tenant", "ours", "Stripe's", "then"]).status(4);
    for one in found.iter().take(SHOWN_MAX) {
        let subject = one.stripe_subscription_id.clone().unwrap_or_else(|| "no subscription".to_owned());
        let tenant = one.tenant_id.clone().unwrap_or_else(|| "nobody's".to_owned());
        table.push(vec![subject, tenant, words(&one.ours), words(&one.stripes), then(one)]);
    }
    let more = found.len().saturating_sub(SHOWN_MAX);
    let more = (more > 0).then(|| format!("\nand {more} more; --report FILE has them all"));
    format!("{}{}", table.on(screen), more.unwrap_or_default())
}

fn then(found: &Finding) -> String {
    match (&found.repaired_at, &found.reason) {
        (Some(_), _) => "repaired".to_owned(),
        (None, Some(reason)) => reason.clone(),
        (None, None) => "not repaired".to_owned(),
    }
}

/// A value as it stands in a cell: fields by their names, moments as moments.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
        Value::Object(fields) => {
            let named: Vec<_> = fields.iter().map(|(name, value)| format!("{name} {}", field(name, value))).collect();
            named.join(", ")
        }
    }
}

fn field(name: &str, value: &Value) -> String {
    let is_moment = ["current_period_start", "current_period_end", "cancel_at", "canceled_at", "scheduled_at"];
    let moment = value.as_i64().filter(|_| is_moment.contains(&name)).and_then(|at| DateTime::from_timestamp(at, 0));
    moment.map_or_else(|| words(value), time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_shown_by_their_names_and_moments_as_moments() {
        assert_eq!(words(&json!({"quantity": 10, "status": "active"})), "quantity 10, status active");
        assert_eq!(
            words(&json!({"cancel_at": 0, "canceled_at": null})),
            "cancel_at 1970-01-01T00:00:00Z, canceled_at -"
        );
        assert_eq!([words(&json!(7)), words(&json!("t")), words(&Value::Null)], ["7", "t", "-"]);
    }
}
