//! The one command that a person runs next about a run.

use domain::failure::FailureKind;
use serde_json::Value;

use super::explanation::Again;
use super::found::FoundRun;
use super::workflow_type::WorkflowType;
use crate::temporal::TemporalConfig;

/// A run that ended without doing what it should.
pub(super) struct Ended<'a> {
    pub(super) run: &'a FoundRun,
    pub(super) input: Option<&'a Value>,
    /// None of a failure that this build does not know, or where nothing failed.
    pub(super) kind: Option<FailureKind>,
    pub(super) message: &'a str,
    pub(super) again: Again,
}

impl Ended<'_> {
    /// What goes on from there.
    pub(super) fn command(&self, temporal: &TemporalConfig) -> String {
        let FoundRun { workflow_id, run_id, .. } = self.run;
        match WorkflowType::of(&self.run.workflow_type) {
            Some(WorkflowType::CreateTenant | WorkflowType::ImportSubscription) => self.replay(),
            Some(WorkflowType::ChangeLicenseCount) => self.decide_anew(),
            Some(WorkflowType::SyncSubscription) => self.replay_events(),
            Some(WorkflowType::SyncStripeCustomers) => {
                format!("tenantry import customers{} --resume", self.of_tenant())
            }
            Some(WorkflowType::Reconcile) => self.reconcile(),
            None => temporal.command(&format!("workflow show -w {} -r {run_id}", word(workflow_id))),
        }
    }

    fn replay(&self) -> String {
        let id = word(&self.run.workflow_id);
        let correction = match self.again {
            Again::OnceCorrected => self.correction(),
            Again::NotNeeded | Again::ByItself | Again::Helps | Again::OnceMended | Again::Unknown => None,
        };
        format!("tenantry runs replay {id}{}", correction.unwrap_or_default())
    }

    /// The field that the failure is about, with what stands for its new value.
    fn correction(&self) -> Option<String> {
        let fields = self.input?.as_object()?;
        let is_value_named = |value: &Value| value.as_str().is_some_and(|value| self.message.contains(value));
        let named = self.message.split_once(": ").map(|(field, _)| field).filter(|field| is_field(field));
        let field = match (self.kind, named) {
            // It names what the purchase has, and the tenant that was asked for stands against that.
            (Some(FailureKind::DuplicateError), _) if filled(fields.get("tenant_id")) => {
                return Some(" --set tenant_id=".into());
            }
            (_, Some(named)) => named,
            (_, None) => fields.iter().find(|(_, value)| is_value_named(value)).map(|(field, _)| field.as_str())?,
        };
        Some(format!(" --set {field}={}", example(field)))
    }

    fn decide_anew(&self) -> String {
        let quantity = self.field("quantity").map_or_else(|| "N".to_owned(), |quantity| quantity.to_string());
        format!("tenantry license set {} {quantity}", self.tenant().unwrap_or("TENANT"))
    }

    fn replay_events(&self) -> String {
        let subscription = self.run.stripe_subscription_id.as_deref();
        let subscription = subscription.or_else(|| self.field("stripe_subscription_id")?.as_str());
        let narrow = subscription.map_or_else(String::new, |id| format!(" --subscription {}", word(id)));
        format!("tenantry events replay --status failed{narrow}")
    }

    fn reconcile(&self) -> String {
        let is_set = |name| self.field(name).and_then(Value::as_bool).unwrap_or_default();
        let apply = if is_set("apply") { " --apply" } else { "" };
        let force = if self.kind == Some(FailureKind::MassFall) { " --force" } else { "" };
        format!("tenantry reconcile{apply}{force}{}", self.of_tenant())
    }

    fn of_tenant(&self) -> String {
        let tenant = self.field("tenant_id").and_then(Value::as_str);
        tenant.map_or_else(String::new, |tenant| format!(" --tenant {}", word(tenant)))
    }

    fn tenant(&self) -> Option<&str> {
        self.run.tenant_id.as_deref().or_else(|| self.field("tenant_id")?.as_str())
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.input?.get(name).filter(|value| !value.is_null())
    }
}

fn filled(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_null())
}

/// A message that begins with a field says what is wrong with that.
fn is_field(word: &str) -> bool {
    word.contains(|letter: char| letter.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// What stands for the right value, so that nobody takes it for one.
fn example(field: &str) -> &'static str {
    match field {
        "stripe_customer_id" => "cus_…",
        "stripe_subscription_id" => "sub_…",
        "checkout_session_id" => "cs_…",
        "initial_license_count" => "N",
        _ => "…",
    }
}

/// As a shell takes it.
pub(super) fn word(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@/=+".contains(&b);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
