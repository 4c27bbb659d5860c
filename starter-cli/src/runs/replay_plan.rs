//! What a replay would start, before it does.

use domain::replay::{Change, ReplayInput};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::correction::Corrected;
use super::decision::Decision;
use super::found::FoundRun;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::{Report, Rows};
use crate::run::STATUSES;

/// A failed run, and what is to be another when it is started again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plan {
    pub(super) workflow_id: String,
    workflow_type: String,
    /// The run that failed.
    run_id: String,
    #[schemars(extend("enum" = STATUSES))]
    status: &'static str,
    failure_kind: Option<String>,
    /// What is another than it was.
    pub(super) changes: Vec<Change>,
    /// For a change of licences.
    licences: Option<Decision>,
    /// What there is to know beside.
    note: Option<&'static str>,
}

impl Plan {
    /// Of the failed run, with that input.
    pub(super) async fn new(
        found: &FoundRun,
        corrected: &Corrected,
        database: Option<&Database>,
    ) -> Result<Self, Failure> {
        let licences = match database {
            Some(database) => Decision::of(&corrected.input, database).await?,
            None => None,
        };
        Ok(Self {
            workflow_id: found.workflow_id.clone(),
            workflow_type: found.workflow_type.clone(),
            run_id: found.run_id.clone(),
            status: found.status,
            failure_kind: found.failure_kind.clone(),
            changes: corrected.changes.clone(),
            licences,
            note: note(&corrected.input),
        })
    }
}

fn note(input: &ReplayInput) -> Option<&'static str> {
    match input {
        ReplayInput::CreateTenant(_) | ReplayInput::ImportSubscription(_) | ReplayInput::ChangeLicense(_) => None,
        ReplayInput::SyncStripeCustomers(_) => {
            Some("it begins anew; `tenantry import customers --resume` goes on where it was, for a day")
        }
        ReplayInput::Reconcile(_) => Some("it begins anew"),
    }
}

impl Report for Plan {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("workflow", &self.workflow_id);
        let kind = self.failure_kind.as_ref().map(|kind| format!(", {kind}")).unwrap_or_default();
        rows.push(self.status, format!("run {}{kind}", self.run_id));
        if self.changes.is_empty() {
            rows.push("input", "as it was");
        }
        for (n, change) in self.changes.iter().enumerate() {
            rows.push(if n == 0 { "input" } else { "" }, line(change));
        }
        rows.push_some("licences", self.licences.as_ref().map(Decision::line));
        rows.push_some("note", self.note);
        rows.to_string()
    }
}

/// `client_name: Ann -> Ann & Co`.
fn line(change: &Change) -> String {
    let shown = |value: &Option<Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "left out".to_owned(),
    };
    format!("{}: {} -> {}", change.field, shown(&change.from), shown(&change.to))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot;

    #[test]
    fn it_looks_like_this() {
        let changes = [("client_name", json!("Ann"), json!("Ann & Co")), ("tenant_id", json!("t"), Value::Null)];
        let change = |(field, from, to): (&'static str, Value, Value)| Change {
            field,
            from: Some(from),
            to: Some(to).filter(|to| !to.is_null()),
        };
        let plan = Plan {
            workflow_id: "create-tenant-cus_QXg1oyoEfW2bZ3".to_owned(),
            workflow_type: "createTenantWorkflow".to_owned(),
            run_id: "01a20041-fdac-77da-a6da-f7d0748a14ac".to_owned(),
            status: "failed",
            failure_kind: Some("StripeNotFound".to_owned()),
            changes: changes.map(change).into(),
            licences: None,
            note: None,
        };
        snapshot::check("runs_replay_plan", &plan);
    }
}
