//! What a batch would start again, before it does.

use std::collections::{BTreeMap, BTreeSet};

use domain::replay::Change;
use schemars::JsonSchema;
use serde::Serialize;

use super::candidates::{Candidate, Skipped};
use crate::output::Report;
use crate::screen;
use crate::table::Table;

/// Ids and skipped runs that are shown.
const SHOWN: usize = 10;

/// The runs of a batch, and those that are left alone.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plan {
    counts: Vec<Count>,
    items: Vec<Planned>,
    skipped: Vec<Skipped>,
}

/// So many of them are alike.
#[derive(Debug, Serialize, JsonSchema)]
struct Count {
    workflow_type: String,
    /// What they failed with; none where nothing of ours ended them.
    failure_kind: Option<String>,
    runs: usize,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
struct Planned {
    workflow_id: String,
    run_id: String,
    workflow_type: String,
    status: &'static str,
    failure_kind: Option<String>,
    /// What would be another than it was.
    changes: Vec<Change>,
}

impl Plan {
    /// Of these.
    pub(crate) fn new(candidates: &[Candidate], skipped: Vec<Skipped>) -> Self {
        let mut counted: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
        for Candidate { run, .. } in candidates {
            *counted.entry((&run.workflow_type, run.failure_kind.as_deref())).or_default() += 1;
        }
        let counts = counted.into_iter().map(|((workflow_type, kind), runs)| Count {
            workflow_type: workflow_type.to_owned(),
            failure_kind: kind.map(str::to_owned),
            runs,
        });
        Self { counts: counts.collect(), items: candidates.iter().map(Planned::from).collect(), skipped }
    }

    /// The runs that are left alone.
    pub(crate) fn into_skipped(self) -> Vec<Skipped> {
        self.skipped
    }

    fn corrected(&self) -> Option<String> {
        let fields: BTreeSet<&str> =
            self.items.iter().flat_map(|item| &item.changes).map(|change| change.field).collect();
        let of =
            |field: &str| self.items.iter().filter(|item| item.changes.iter().any(|one| one.field == field)).count();
        let each: Vec<String> = fields.into_iter().map(|field| format!("{field} in {}", of(field))).collect();
        (!each.is_empty()).then(|| format!("--set changes {}.", each.join(", ")))
    }

    fn ids(&self) -> String {
        let mut lines: Vec<&str> = self.items.iter().take(SHOWN).map(|item| item.workflow_id.as_str()).collect();
        let more = format!("and {} more; --output json lists each", self.items.len().saturating_sub(SHOWN));
        if self.items.len() > SHOWN {
            lines.push(&more);
        }
        lines.join("\n")
    }

    fn left_alone(&self) -> Option<String> {
        if self.skipped.is_empty() {
            return None;
        }
        let mut lines = vec![format!("{} left alone:", self.skipped.len())];
        for Skipped { workflow_id, why, next, .. } in self.skipped.iter().take(SHOWN) {
            lines.push(screen::fold(&format!("{workflow_id}: {why}"), screen::width()).join("\n  "));
            lines.push(format!("  next: {next}"));
        }
        let more = self.skipped.len().saturating_sub(SHOWN);
        if more > 0 {
            lines.push(format!("and {more} more; --output json lists each"));
        }
        Some(lines.join("\n"))
    }
}

impl From<&Candidate> for Planned {
    fn from(Candidate { run, changes, .. }: &Candidate) -> Self {
        Self {
            workflow_id: run.workflow_id.clone(),
            run_id: run.run_id.clone(),
            workflow_type: run.workflow_type.clone(),
            status: run.status,
            failure_kind: run.failure_kind.clone(),
            changes: changes.clone(),
        }
    }
}

/// `1 failed run`, `600 failed runs`.
pub(crate) fn failed_runs(count: usize) -> String {
    if count == 1 { "1 failed run".to_owned() } else { format!("{count} failed runs") }
}

impl Report for Plan {
    fn text(&self) -> String {
        if self.items.is_empty() {
            let nothing = "no failed runs fit that a batch starts again; nothing was started".to_owned();
            return [Some(nothing), self.left_alone()].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
        }
        let mut table = Table::new(&["workflow", "kind", "runs"]);
        for Count { workflow_type, failure_kind, runs } in &self.counts {
            table.push(vec![workflow_type.clone(), failure_kind.clone().unwrap_or_default(), runs.to_string()]);
        }
        let sum = format!("{} would be started again.", failed_runs(self.items.len()));
        let parts = [Some(table.on(screen::width())), Some(self.ids()), self.left_alone(), self.corrected(), Some(sum)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot;

    #[test]
    fn it_looks_like_this() {
        let changes = vec![Change { field: "client_name", from: Some(json!("Ann")), to: Some(json!("Ann & Co")) }];
        let item = |workflow_id: &str| Planned {
            workflow_id: workflow_id.to_owned(),
            run_id: "r1".to_owned(),
            workflow_type: "createTenantWorkflow".to_owned(),
            status: "failed",
            failure_kind: Some("StripeNotFound".to_owned()),
            changes: changes.clone(),
        };
        let count = Count {
            workflow_type: "createTenantWorkflow".to_owned(),
            failure_kind: Some("StripeNotFound".to_owned()),
            runs: 2,
        };
        let skipped = Skipped {
            workflow_id: "sync-subscription-sub_1MowQVLkdIwHu7ix".to_owned(),
            run_id: "r2".to_owned(),
            workflow_type: "syncSubscriptionWorkflow".to_owned(),
            why: "a sync is started by its events".to_owned(),
            next: "tenantry events replay --status failed --subscription sub_1MowQVLkdIwHu7ix".to_owned(),
        };
        let items = ["create-tenant-cus_QXg1oyoEfW2bZ3", "create-tenant-cus_PgunVM8vg6IyZS"].map(item).into();
        snapshot::check("runs_batch_plan", &Plan { counts: vec![count], items, skipped: vec![skipped] });
    }
}
