//! Which fields of an input a person may set, and what each holds. Whether a value is a good one is
//! decided where the input is parsed.

use serde_json::Value;

use crate::names::workflow;

/// A field of an input.
pub(super) struct Field {
    /// Its name on the wire.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Kind,
    /// Whether the workflow's id is made of it.
    pub(super) names_the_run: bool,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
}

impl Kind {
    /// A value as a person types it, or what was expected. In a field of text a number is text; who
    /// needs quotes, or a character that cannot be typed, writes a JSON string.
    pub(super) fn read(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::Text => Ok(serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned()).into()),
            Self::Number => text.trim().parse::<i64>().map(Value::from).map_err(|_| "a whole number"),
            Self::Flag => text.trim().parse::<bool>().map(Value::from).map_err(|_| "true or false"),
        }
    }
}

/// Of an input of that type; none where runs of it are not started again.
pub(super) fn of(workflow_type: &str) -> &'static [Field] {
    match workflow_type {
        workflow::CREATE_TENANT => &CREATE_TENANT,
        workflow::IMPORT_SUBSCRIPTION => &IMPORT_SUBSCRIPTION,
        workflow::CHANGE_LICENSE_COUNT => &CHANGE_LICENSE_COUNT,
        workflow::SYNC_STRIPE_CUSTOMERS => &SYNC_STRIPE_CUSTOMERS,
        workflow::RECONCILE => &RECONCILE,
        _ => &[],
    }
}

/// The caller chooses the id of an onboarding, and no field of it is bound to that.
const CREATE_TENANT: [Field; 7] = [
    text("email"),
    text("client_name"),
    text("stripe_customer_id"),
    text("stripe_subscription_id"),
    number("initial_license_count"),
    text("checkout_session_id"),
    text("tenant_id"),
];

/// Its id is made of the subscription, but two imports of one do each other no harm.
const IMPORT_SUBSCRIPTION: [Field; 2] = [text("tenant_id"), text("stripe_subscription_id")];

const CHANGE_LICENSE_COUNT: [Field; 5] =
    [naming("tenant_id"), number("quantity"), number("from"), text("effective"), text("requested_by")];

const SYNC_STRIPE_CUSTOMERS: [Field; 4] = [naming("tenant_id"), flag("dry_run"), number("page_size"), flag("resume")];

const RECONCILE: [Field; 3] = [naming("tenant_id"), flag("apply"), flag("force")];

const fn text(name: &'static str) -> Field {
    Field { name, kind: Kind::Text, names_the_run: false }
}

const fn number(name: &'static str) -> Field {
    Field { name, kind: Kind::Number, names_the_run: false }
}

const fn flag(name: &'static str) -> Field {
    Field { name, kind: Kind::Flag, names_the_run: false }
}

const fn naming(name: &'static str) -> Field {
    Field { name, kind: Kind::Text, names_the_run: true }
}
