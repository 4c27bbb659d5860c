//! Starting a failed run again: its input, as it was or corrected.
//!
//! A replay is a new run under the same workflow id. What it leaves out: whether the run failed,
//! which the server decides, and whether a correction leads to another tenant, which the rows know.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::change_license::ChangeLicenseInput;
use crate::create_tenant::CreateTenantInput;
use crate::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use crate::import_customers::SyncStripeCustomersInput;
use crate::import_subscription::ImportSubscriptionInput;
use crate::names::{bulk_task_queue, workflow};
use crate::near::near;
use crate::reconcile::ReconcileInput;
use crate::untrusted;

mod fields;
#[cfg(test)]
mod tests;

use fields::Field;

/// The input of a run that can be started again. On the wire
/// `{"workflow_type": "createTenantWorkflow", "input": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "workflow_type", content = "input")]
pub enum ReplayInput {
    /// An onboarding.
    #[serde(rename = "createTenantWorkflow")]
    CreateTenant(CreateTenantInput),
    /// The import of one subscription.
    #[serde(rename = "importSubscriptionWorkflow")]
    ImportSubscription(ImportSubscriptionInput),
    /// A change of licences.
    #[serde(rename = "changeLicenseCountWorkflow")]
    ChangeLicense(ChangeLicenseInput),
    /// The import of customers. It begins anew.
    #[serde(rename = "syncStripeCustomersWorkflow")]
    SyncStripeCustomers(SyncStripeCustomersInput),
    /// A reconciliation. It begins anew.
    #[serde(rename = "reconcileWorkflow")]
    Reconcile(ReconcileInput),
}

/// Whom and what an input names, as far as it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The tenant.
    pub tenant_id: Option<TenantId>,
    /// Its customer.
    pub stripe_customer_id: Option<StripeCustomerId>,
    /// Its subscription.
    pub stripe_subscription_id: Option<StripeSubscriptionId>,
}

/// What a correction comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// The input's field.
    pub field: &'static str,
    /// What stood there; `null` where it was left out.
    pub from: Option<Value>,
    /// What stands there now; `null` where it is left out.
    pub to: Option<Value>,
}

impl ReplayInput {
    /// The input of a run of that type.
    pub fn parse(workflow_type: &str, input: Value) -> Result<Self, NotReplayable> {
        match workflow_type {
            workflow::CREATE_TENANT => read(input).map(Self::CreateTenant),
            workflow::IMPORT_SUBSCRIPTION => read(input).map(Self::ImportSubscription),
            workflow::CHANGE_LICENSE_COUNT => read(input).map(Self::ChangeLicense),
            // How far the failed chain had come is not carried over: what it had read is old by now.
            workflow::SYNC_STRIPE_CUSTOMERS => {
                read(input).map(|input| Self::SyncStripeCustomers(SyncStripeCustomersInput { carried: None, ..input }))
            }
            workflow::RECONCILE => read(input).map(|input| Self::Reconcile(ReconcileInput { progress: None, ..input })),
            workflow::SYNC_SUBSCRIPTION => Err(NotReplayable::Sync),
            workflow::REPLAY_BATCH => Err(NotReplayable::Batch),
            other => Err(NotReplayable::Foreign(other.to_owned())),
        }
    }

    /// The same with some fields set. Each is checked as if it had come with the start.
    pub fn corrected(&self, set: &[Correction]) -> Result<Self, CorrectionError> {
        Self::mended(self.workflow_type(), self.input(), set)
    }

    /// The input of a run of that type with some fields set: also one that did not fit, which is why
    /// its run failed.
    pub fn mended(workflow_type: &str, input: Value, set: &[Correction]) -> Result<Self, CorrectionError> {
        let mut fields = match input {
            Value::Object(fields) => fields,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
        };
        for (n, correction) in set.iter().enumerate() {
            if set[..n].iter().any(|earlier| earlier.field == correction.field) {
                return Err(CorrectionError::Twice(correction.field.clone()));
            }
            correction.apply(workflow_type, &mut fields)?;
        }
        Ok(Self::parse(workflow_type, Value::Object(fields))?)
    }

    /// What a correction changed, field by field.
    pub fn difference(&self, before: &Self) -> Vec<Change> {
        self.difference_from(&before.input())
    }

    /// The same, from an input that may not have fitted. One that did is compared as it was meant:
    /// an e-mail in other letters is no other e-mail.
    pub fn difference_from(&self, before: &Value) -> Vec<Change> {
        let meant = Self::parse(self.workflow_type(), before.clone()).map(|before| before.input());
        let (before, after) = (meant.as_ref().unwrap_or(before), self.input());
        let of = |input: &Value, name| input.get(name).filter(|value| !value.is_null()).cloned();
        let all = fields::of(self.workflow_type()).iter().map(|&Field { name: field, .. }| Change {
            field,
            from: of(before, field),
            to: of(&after, field),
        });
        all.filter(|change| change.from != change.to).collect()
    }

    /// The name of its workflow on the wire.
    pub fn workflow_type(&self) -> &'static str {
        match self {
            Self::CreateTenant(_) => workflow::CREATE_TENANT,
            Self::ImportSubscription(_) => workflow::IMPORT_SUBSCRIPTION,
            Self::ChangeLicense(_) => workflow::CHANGE_LICENSE_COUNT,
            Self::SyncStripeCustomers(_) => workflow::SYNC_STRIPE_CUSTOMERS,
            Self::Reconcile(_) => workflow::RECONCILE,
        }
    }

    /// The one line that stands under the run in the Temporal UI.
    pub fn summary(&self) -> String {
        match self {
            Self::CreateTenant(input) => input.summary(),
            Self::ImportSubscription(input) => input.summary(),
            Self::ChangeLicense(input) => input.summary(),
            Self::SyncStripeCustomers(input) => input.summary(),
            Self::Reconcile(input) => input.summary(),
        }
    }

    /// Whom and what it names.
    pub fn named(&self) -> Named {
        match self {
            Self::CreateTenant(input) => Named {
                tenant_id: input.tenant_id,
                stripe_customer_id: input.stripe_customer_id.clone(),
                stripe_subscription_id: input.stripe_subscription_id.clone(),
            },
            Self::ImportSubscription(input) => Named {
                tenant_id: Some(input.tenant_id),
                stripe_subscription_id: Some(input.stripe_subscription_id.clone()),
                ..Named::default()
            },
            Self::ChangeLicense(input) => Named { tenant_id: Some(input.tenant_id), ..Named::default() },
            Self::SyncStripeCustomers(input) => Named { tenant_id: input.tenant_id, ..Named::default() },
            Self::Reconcile(input) => Named { tenant_id: input.tenant_id, ..Named::default() },
        }
    }

    /// The queue that it is started on, where `front` is the queue of events and onboardings.
    pub fn task_queue(&self, front: &str) -> String {
        match self {
            Self::CreateTenant(_) | Self::ChangeLicense(_) => front.to_owned(),
            Self::ImportSubscription(_) | Self::SyncStripeCustomers(_) | Self::Reconcile(_) => bulk_task_queue(front),
        }
    }

    /// What the workflow is given.
    pub fn input(&self) -> Value {
        match self {
            Self::CreateTenant(input) => value(input),
            Self::ImportSubscription(input) => value(input),
            Self::ChangeLicense(input) => value(input),
            Self::SyncStripeCustomers(input) => value(input),
            Self::Reconcile(input) => value(input),
        }
    }
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, NotReplayable> {
    untrusted::parse(input).map_err(NotReplayable::Input)
}

/// Our inputs hold nothing that JSON cannot say.
fn value(input: &impl Serialize) -> Value {
    serde_json::to_value(input).unwrap_or_else(|error| unreachable!("{error}"))
}

/// One field of an input set anew, e.g. `client_name=Ann & Co`. An empty value leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Correction {
    /// The input's field.
    pub field: String,
    value: String,
}

impl Correction {
    /// Whether it says whose a purchase is, and so fits one alone.
    pub fn names_a_purchase(&self) -> bool {
        let names = ["email", "stripe_customer_id", "stripe_subscription_id", "checkout_session_id", "tenant_id"];
        names.contains(&self.field.as_str()) && !self.value.is_empty()
    }

    fn apply(&self, workflow_type: &str, fields: &mut Map<String, Value>) -> Result<(), CorrectionError> {
        let field = fields::of(workflow_type).iter().find(|field| field.name == self.field);
        let field = field.ok_or_else(|| CorrectionError::unknown(workflow_type, &self.field))?;
        if field.names_the_run {
            return Err(CorrectionError::NamesTheRun { field: field.name, workflow_type: workflow_type.to_owned() });
        }
        match self.value.as_str() {
            "" => drop(fields.remove(field.name)),
            text => {
                let unfit = |expected| CorrectionError::Unfit { field: field.name, expected };
                fields.insert(field.name.to_owned(), field.kind.read(text).map_err(unfit)?);
            }
        }
        Ok(())
    }
}

impl FromStr for Correction {
    type Err = CorrectionError;

    fn from_str(text: &str) -> Result<Self, CorrectionError> {
        let (field, value) = text.split_once('=').ok_or(CorrectionError::Form)?;
        let (field, value) = (field.trim().to_owned(), value.to_owned());
        if field.is_empty() { Err(CorrectionError::Form) } else { Ok(Self { field, value }) }
    }
}

/// The value may be a person's data.
impl fmt::Debug for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Correction({}=..)", self.field)
    }
}

/// Why a correction is none. It never repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionError {
    /// No field, no value.
    #[error("expected FIELD=VALUE, such as client_name='Ann & Co'; an empty value leaves the field out")]
    Form,
    /// The type has no such field.
    #[error("{workflow_type} has no field {field}; {}", meant(*.near, .fields))]
    UnknownField {
        /// The type.
        workflow_type: String,
        /// What was given.
        field: String,
        /// What was probably meant.
        near: Option<&'static str>,
        /// What there is.
        fields: Vec<&'static str>,
    },
    /// One field, two values.
    #[error("{0} is set twice")]
    Twice(String),
    /// Not the kind of thing that the field holds.
    #[error("{field}: expected {expected}")]
    Unfit {
        /// The field.
        field: &'static str,
        /// What it holds.
        expected: &'static str,
    },
    /// The run's id says it, and lets one such run at a time: another value needs another id.
    #[error("{field} is what a run of {workflow_type} is named by, and cannot be set; start another run with it")]
    NamesTheRun {
        /// The field.
        field: &'static str,
        /// The type.
        workflow_type: String,
    },
    /// The whole is no input of its type.
    #[error(transparent)]
    Input(#[from] NotReplayable),
}

impl CorrectionError {
    fn unknown(workflow_type: &str, field: &str) -> Self {
        let fields: Vec<_> = fields::of(workflow_type).iter().map(|field| field.name).collect();
        let near = near(field, fields.iter().copied());
        Self::UnknownField { workflow_type: workflow_type.to_owned(), field: field.to_owned(), near, fields }
    }
}

fn meant(near: Option<&str>, fields: &[&str]) -> String {
    match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it has {}", fields.join(", ")),
    }
}

/// Why a run is not started again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReplayable {
    /// A sync is started by its events.
    #[error("a sync is started by its events: have those handled again")]
    Sync,
    /// A batch is resumed.
    #[error("a batch of replays is resumed, with what it did not start")]
    Batch,
    /// Not one of our types.
    #[error("{0} is no workflow of ours that can be started again")]
    Foreign(String),
    /// The input does not fit; the text names the field.
    #[error("{0}")]
    Input(String),
}

/// What a batch may start again: onboardings, and imports of one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "workflow_type", content = "input")]
pub enum BatchedInput {
    /// An onboarding.
    #[serde(rename = "createTenantWorkflow")]
    CreateTenant(CreateTenantInput),
    /// The import of one subscription.
    #[serde(rename = "importSubscriptionWorkflow")]
    ImportSubscription(ImportSubscriptionInput),
}

impl TryFrom<ReplayInput> for BatchedInput {
    type Error = NotForABatch;

    fn try_from(input: ReplayInput) -> Result<Self, NotForABatch> {
        match input {
            ReplayInput::CreateTenant(input) => Ok(Self::CreateTenant(input)),
            ReplayInput::ImportSubscription(input) => Ok(Self::ImportSubscription(input)),
            ReplayInput::ChangeLicense(_) => Err(NotForABatch::Decision),
            ReplayInput::SyncStripeCustomers(_) | ReplayInput::Reconcile(_) => Err(NotForABatch::Bulk),
        }
    }
}

impl From<BatchedInput> for ReplayInput {
    fn from(input: BatchedInput) -> Self {
        match input {
            BatchedInput::CreateTenant(input) => Self::CreateTenant(input),
            BatchedInput::ImportSubscription(input) => Self::ImportSubscription(input),
        }
    }
}

/// Why a run is started again alone or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForABatch {
    /// Last week's number of licences is a new decision today.
    #[error("a change of licences is decided anew, one by one")]
    Decision,
    /// It works through all tenants itself.
    #[error("it works through many tenants itself, and is started again alone")]
    Bulk,
}
