//! The one command that a person runs next about a run.

use domain::advice::{self, word};
use domain::failure::FailureKind;
use domain::replay_batch::WORKFLOW_ID_PREFIX;
use serde_json::Value;

use super::explanation::Again;
use super::found::FoundRun;
use super::workflow_type::WorkflowType;

/// Fields whose values a message may name. A company may have a name that is a word of it.
const IDS: [&str; 4] = ["stripe_subscription_id", "stripe_customer_id", "checkout_session_id", "tenant_id"];

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
    pub(super) fn command(&self) -> String {
        let workflow_id = &self.run.workflow_id;
        match WorkflowType::of(&self.run.workflow_type) {
            Some(WorkflowType::CreateTenant | WorkflowType::ImportSubscription) => self.replay(),
            Some(WorkflowType::ChangeLicenseCount) => self.decide_anew(),
            Some(WorkflowType::SyncSubscription) => self.replay_events(),
            Some(WorkflowType::SyncStripeCustomers) => {
                let dry_run = if self.is_set("dry_run") { " --dry-run" } else { "" };
                format!("tenantry import customers{} --resume{dry_run}", self.of_tenant())
            }
            Some(WorkflowType::Reconcile) => self.reconcile(),
            Some(WorkflowType::ReplayBatch) => {
                let name = workflow_id.strip_prefix(WORKFLOW_ID_PREFIX).unwrap_or(workflow_id);
                format!("tenantry runs batch resume {}", word(name))
            }
            None => format!("tenantry runs show {}", word(workflow_id)),
        }
    }

    fn replay(&self) -> String {
        let id = word(&self.run.workflow_id);
        let correction = match self.again {
            Again::OnceCorrected => self.correction(),
            Again::NotNeeded | Again::ByItself | Again::Helps | Again::OnceMended | Again::Unknown => None,
        };
        let set = correction.map_or_else(String::new, |set| format!(" {set}"));
        format!("tenantry runs replay {id}{set}")
    }

    /// The field that the failure is about, with what stands for its new value.
    fn correction(&self) -> Option<String> {
        // It names what the purchase has, and the tenant that was asked for stands against that.
        if self.kind == Some(FailureKind::DuplicateError) && self.field("tenant_id").is_some() {
            return Some("--set tenant_id=".to_owned());
        }
        advice::correction(self.message, IDS.map(|field| (field, self.field(field).and_then(Value::as_str))))
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
        let apply = if self.is_set("apply") { " --apply" } else { "" };
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

    fn is_set(&self, flag: &str) -> bool {
        self.field(flag).and_then(Value::as_bool).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.input?.get(name).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(workflow_type: WorkflowType, input: Value, (kind, again): (FailureKind, Again), says: &str, next: &str) {
        let run = FoundRun::of_test("id_1", workflow_type.as_str(), "failed");
        let ended = Ended { run: &run, input: Some(&input), kind: Some(kind), message: says, again };
        assert_eq!(ended.command(), next, "{kind}");
    }

    #[test]
    fn the_field_that_a_failure_names_is_to_be_set() {
        let input = json!({"email": "a@b.c", "stripe_customer_id": "cus_1", "stripe_subscription_id": "sub_1", "tenant_id": null});
        let of = |kind, again, says, next| check(WorkflowType::CreateTenant, input.clone(), (kind, again), says, next);
        let once = Again::OnceCorrected;
        let subscription = "tenantry runs replay id_1 --set stripe_subscription_id=sub_…";
        of(FailureKind::StripeNotFound, once, "sub_1 does not exist at Stripe in TEST mode", subscription);
        of(
            FailureKind::ValidationError,
            once,
            "client_name: expected a name",
            "tenantry runs replay id_1 --set client_name=…",
        );
        of(FailureKind::StripeNotFound, once, "price_7 does not exist", "tenantry runs replay id_1");
        of(
            FailureKind::DuplicateError,
            once,
            "cus_1 already belongs",
            "tenantry runs replay id_1 --set stripe_customer_id=cus_…",
        );
        of(FailureKind::ConflictError, Again::OnceMended, "sub_1 belongs to cus_2", "tenantry runs replay id_1");
        let tenant = json!({"stripe_customer_id": "cus_1", "tenant_id": "t"});
        let left_out = "tenantry runs replay id_1 --set tenant_id=";
        check(
            WorkflowType::CreateTenant,
            tenant,
            (FailureKind::DuplicateError, once),
            "cus_1 already belongs",
            left_out,
        );
    }

    #[test]
    fn every_workflow_has_a_command_of_its_own() {
        let refused = (FailureKind::StripeRefused, Again::OnceMended);
        let of = |of, input, next| check(of, input, refused, "no", next);
        of(WorkflowType::ImportSubscription, json!({"tenant_id": "t"}), "tenantry runs replay id_1");
        let change = json!({"tenant_id": "t", "quantity": 7});
        of(WorkflowType::ChangeLicenseCount, change, "tenantry license set t 7");
        let sync = json!({"stripe_subscription_id": "sub_1"});
        of(WorkflowType::SyncSubscription, sync, "tenantry events replay --status failed --subscription sub_1");
        of(WorkflowType::SyncStripeCustomers, json!({}), "tenantry import customers --resume");
        // What wrote nothing is not to write because it is taken up again.
        let looked = json!({"dry_run": true});
        of(WorkflowType::SyncStripeCustomers, looked, "tenantry import customers --resume --dry-run");
        let one = json!({"tenant_id": "t"});
        of(WorkflowType::SyncStripeCustomers, one.clone(), "tenantry import customers --tenant t --resume");
        of(WorkflowType::Reconcile, one, "tenantry reconcile --tenant t");
        let fall = (FailureKind::MassFall, Again::OnceMended);
        check(WorkflowType::Reconcile, json!({"apply": true}), fall, "no", "tenantry reconcile --apply --force");
        of(WorkflowType::ReplayBatch, json!({}), "tenantry runs batch resume id_1");
    }
}
