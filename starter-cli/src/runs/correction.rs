//! What a replay is started with: the failed run's input, as it was or corrected.

use domain::create_tenant::CreateTenantInput;
use domain::failure::Classify;
use domain::ids::{StripeCustomerId, TenantId};
use domain::names::workflow;
use domain::refusal::Refusal;
use domain::replay::{Change, Correction, CorrectionError, NotReplayable, ReplayInput};
use serde_json::Value;

use super::found::FoundRun;
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;

/// An input to start again with, and what became another of it.
#[derive(Debug)]
pub(crate) struct Corrected {
    pub(crate) input: ReplayInput,
    pub(crate) changes: Vec<Change>,
}

impl Corrected {
    /// The failed run's input with those fields set, checked before anything starts.
    pub(crate) fn new(
        (workflow_id, workflow_type): (&str, &str),
        was: &Value,
        set: &[Correction],
    ) -> Result<Self, Failure> {
        let input = ReplayInput::mended(workflow_type, was.clone(), set);
        let input = input.map_err(|error| refused(&error, workflow_id, !set.is_empty()))?;
        let changes = input.difference_from(was);
        Ok(Self { input, changes })
    }

    /// Refuses to lead a purchase whose tenant is there to another one. The workflow refuses it too,
    /// in a run that fails; this is said before there is one.
    pub(crate) async fn refuse_moving(&self, failed: &FoundRun, database: &Database) -> Result<(), Failure> {
        let ReplayInput::CreateTenant(input) = &self.input else { return Ok(()) };
        if self.changes.is_empty() {
            return Ok(());
        }
        let asked = Made::find(database, &failed.workflow_id, self.joined(failed, input), input).await;
        let Some(made) = asked.map_err(|error| database.failed(&error))? else { return Ok(()) };
        let is_new_session = self.changes.iter().any(|change| change.field == "checkout_session_id");
        match made.elsewhere(input, is_new_session) {
            Some(why) => Err(Failure::new(Exit::Refused, why, format!("tenantry tenant show {}", made.tenant))),
            None => Ok(()),
        }
    }

    /// The tenant that the failed run had found for its purchase, whoever made it. One that its input
    /// named may be what was wrong.
    fn joined(&self, failed: &FoundRun, input: &CreateTenantInput) -> Option<TenantId> {
        let change = self.changes.iter().find(|change| change.field == "tenant_id");
        let was_named = change.map_or(input.tenant_id.is_some(), |change| change.from.is_some());
        failed.tenant_id.as_ref().filter(|_| !was_named)?.parse().ok()
    }
}

/// What is not started again with that, and what to do instead.
fn refused(error: &CorrectionError, workflow_id: &str, is_set: bool) -> Failure {
    match error {
        CorrectionError::Input(why) => not_replayable(why, workflow_id, is_set),
        CorrectionError::NamesTheRun { workflow_type, .. } => {
            Failure::new(Exit::Usage, error.to_string(), another(workflow_type))
        }
        CorrectionError::Form
        | CorrectionError::UnknownField { .. }
        | CorrectionError::Twice(_)
        | CorrectionError::Unfit { .. } => {
            Failure::new(Exit::Usage, error.to_string(), "correct it and run the same command again")
        }
    }
}

/// A field cannot be set of what has no input to correct.
fn not_replayable(why: &NotReplayable, workflow_id: &str, is_set: bool) -> Failure {
    let exit = if is_set { Exit::Usage } else { Exit::Refused };
    match why {
        NotReplayable::Sync => {
            let subscription = workflow_id.strip_prefix("sync-subscription-").unwrap_or("sub_…");
            let next = format!("tenantry events replay --status failed --subscription {subscription}");
            Failure::new(exit, why.to_string(), next)
        }
        NotReplayable::Batch => {
            let name = workflow_id.strip_prefix("replay-batch-").unwrap_or(workflow_id);
            Failure::new(exit, why.to_string(), format!("tenantry runs batch resume {name}"))
        }
        NotReplayable::Foreign(_) => Failure::new(exit, why.to_string(), "look at it in the Temporal UI"),
        NotReplayable::Input(what) => {
            let message = format!("the input of {workflow_id} does not fit: {what}");
            Failure::new(Exit::Usage, message, "correct it with --set FIELD=VALUE")
        }
    }
}

/// The command that starts another run of the type, where a field is what the run is named by.
fn another(workflow_type: &str) -> &'static str {
    match workflow_type {
        workflow::CHANGE_LICENSE_COUNT => "tenantry license set TENANT N",
        workflow::SYNC_STRIPE_CUSTOMERS => "tenantry import customers --tenant UUID",
        workflow::RECONCILE => "tenantry reconcile --tenant UUID",
        _ => "look at it in the Temporal UI",
    }
}

/// What an earlier run of the workflow made, or found there, and whose what the corrected input names is.
#[derive(Debug)]
struct Made {
    tenant: TenantId,
    /// Its customer; none where it was made without one.
    customer: Option<StripeCustomerId>,
    of_customer: Option<TenantId>,
    of_subscription: Option<TenantId>,
}

impl Made {
    async fn find(
        database: &Database,
        workflow_id: &str,
        joined: Option<TenantId>,
        input: &CreateTenantInput,
    ) -> Result<Option<Self>, store::Error> {
        let store = &database.store;
        let Some(tenant) = store.tenant_made_by(workflow_id).await?.or(joined) else { return Ok(None) };
        let of_customer = match &input.stripe_customer_id {
            Some(customer) => store.tenant_of_customer(customer).await?,
            None => None,
        };
        let of_subscription = match &input.stripe_subscription_id {
            Some(subscription) => store.tenant_of_subscription(subscription).await?,
            None => None,
        };
        Ok(Some(Self { tenant, customer: store.customer_of(tenant).await?, of_customer, of_subscription }))
    }

    /// Why the input would lead to another tenant or customer, if it would.
    fn elsewhere(&self, input: &CreateTenantInput, is_new_session: bool) -> Option<String> {
        let of_another = |tenant: &TenantId| *tenant != self.tenant;
        let refuse = |refusal: Refusal| Some(format!("{}: {refusal}", refusal.kind()));
        if let Some(tenant) = input.tenant_id.or(self.of_customer).filter(of_another) {
            return refuse(Refusal::MadeAnother { made: self.tenant, tenant });
        }
        if let (Some(subscription), Some(tenant)) =
            (input.stripe_subscription_id.clone(), self.of_subscription.filter(of_another))
        {
            return refuse(Refusal::SubscriptionOfAnotherTenant { subscription, tenant });
        }
        let owner = self.customer.clone()?;
        match input.stripe_customer_id.clone() {
            Some(customer) if customer != owner => {
                refuse(Refusal::TenantOfAnotherCustomer { tenant: self.tenant, owner, customer })
            }
            None if is_new_session => Some(format!(
                "this workflow made tenant {} already, whose customer is {owner}; a session of another would lead \
                 elsewhere, so set stripe_customer_id={owner} beside it",
                self.tenant
            )),
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn tenant(n: u128) -> TenantId {
        Uuid::from_u128(n).into()
    }

    /// The tenant 1 of `cus_1` was made, and the input, with a session that is new, names `field`.
    fn check(field: &str, value: Value, whose: (Option<u128>, Option<u128>), expected: Option<&str>) {
        let mut input = json!({"email": "a@b.c", "client_name": "A"});
        input[field] = value;
        let input: CreateTenantInput = serde_json::from_value(input).expect("an input");
        let made = Made {
            tenant: tenant(1),
            customer: "cus_1".parse().ok(),
            of_customer: whose.0.map(tenant),
            of_subscription: whose.1.map(tenant),
        };
        let found = made.elsewhere(&input, field == "checkout_session_id");
        match (&found, expected) {
            (Some(found), Some(expected)) => assert!(found.contains(expected), "{field}: {found}"),
            (found, expected) => assert_eq!(found.is_some(), expected.is_some(), "{field}: {found:?}"),
        }
    }

    #[test]
    fn a_purchase_whose_tenant_is_there_leads_nowhere_else() {
        let nobody = (None, None);
        check("client_name", json!("B"), nobody, None);
        check("stripe_customer_id", json!("cus_1"), (Some(1), None), None);
        check("stripe_customer_id", json!("cus_2"), nobody, Some("already has the customer cus_1"));
        check("stripe_customer_id", json!("cus_2"), (Some(2), None), Some("corrected input means"));
        check("tenant_id", json!(tenant(1)), nobody, None);
        check("tenant_id", json!(tenant(2)), nobody, Some("corrected input means"));
        check("stripe_subscription_id", json!("sub_1"), (None, Some(1)), None);
        check("stripe_subscription_id", json!("sub_2"), (None, Some(2)), Some("sub_2 already belongs to"));
        check("checkout_session_id", json!("cs_2"), nobody, Some("stripe_customer_id=cus_1"));
    }

    #[test]
    fn a_tenant_without_a_customer_may_get_one() {
        let input = json!({"email": "a@b.c", "client_name": "A", "stripe_customer_id": "cus_2"});
        let input: CreateTenantInput = serde_json::from_value(input).expect("an input");
        let made = Made { tenant: tenant(1), customer: None, of_customer: None, of_subscription: None };
        assert_eq!(made.elsewhere(&input, true), None);
    }

    #[test]
    fn what_is_started_again_in_another_way_says_in_which() {
        let refused = |id: &str, workflow_type: &str, set: &str| {
            let set: Vec<Correction> = set.split(' ').filter_map(|text| text.parse().ok()).collect();
            let failure = Corrected::new((id, workflow_type), &json!({}), &set).expect_err("refused");
            (failure.exit(), failure.next().to_owned())
        };
        let events = "tenantry events replay --status failed --subscription sub_1".to_owned();
        let sync = |set| refused("sync-subscription-sub_1", workflow::SYNC_SUBSCRIPTION, set);
        assert_eq!(sync(""), (Exit::Refused, events.clone()));
        assert_eq!(refused("replay-batch-a", workflow::REPLAY_BATCH, "").1, "tenantry runs batch resume a");
        assert_eq!(refused("mail-1", "mailWorkflow", "").0, Exit::Refused);
        assert_eq!(refused("create-tenant-cus_1", workflow::CREATE_TENANT, "").0, Exit::Usage);
        let license = refused("change-license-count-1", workflow::CHANGE_LICENSE_COUNT, "tenant_id=1");
        assert_eq!(license, (Exit::Usage, "tenantry license set TENANT N".to_owned()));
    }
}
