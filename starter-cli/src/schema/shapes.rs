//! The list of all documents, and of the types that they are made from.

use domain::change_license::{ChangeLicenseInput, ChangeLicenseResult};
use domain::create_tenant::{CreateTenantInput, CreateTenantResult};
use domain::import_customers::{SyncStripeCustomersInput, SyncStripeCustomersResult};
use domain::import_subscription::{ImportSubscriptionInput, ImportSubscriptionResult};
use domain::names::workflow;
use domain::reconcile::{ReconcileInput, ReconcileResult};
use domain::replay_batch::{ReplayBatchInput, ReplayBatchState};
use domain::sync_subscription::{Handled, SyncSubscriptionInput};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::confirm::Declined;
use crate::doctor::Diagnosis;
use crate::migrate::Migrated;
use crate::reconcile::Reconciled;
use crate::run::{Run, RunEnded};
use crate::runs::batch;
use crate::tenant_show::Tenant;
use crate::tenant_why::Why;
use crate::ui::Opened;
use crate::{events, failure, import, license, reconcile, runs, schedule};

/// The version of JSON Schema that they are written in.
pub(super) const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Makes the schema of one type.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// A document with a name.
pub(super) struct Document {
    pub(super) name: String,
    /// It is one of these.
    pub(super) shapes: Vec<Shape>,
    pub(super) direction: Direction,
}

/// Which way a document goes. It may leave out more on its way in than on its way out.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Printed,
    Parsed,
}

impl Direction {
    pub(super) fn settings(self) -> SchemaSettings {
        let settings = SchemaSettings::draft2020_12();
        match self {
            Self::Printed => settings.for_serialize(),
            Self::Parsed => settings.for_deserialize(),
        }
    }
}

/// What each command prints with `--output json`.
pub(super) const COMMANDS: [(&str, &[Shape]); 30] = [
    ("start tenant", &[of::<Run>, of::<RunEnded<'_, CreateTenantResult>>]),
    ("tenant show", &[of::<Tenant>]),
    ("tenant why", &[of::<Why>]),
    ("import customers", &[of::<Run>, of::<import::Ending>]),
    ("import subscription", &[of::<Run>, of::<RunEnded<'_, ImportSubscriptionResult>>]),
    ("license show", &[of::<license::Licenses>]),
    ("license preview", &[of::<license::Quote>]),
    ("license set", &[of::<Run>, of::<RunEnded<'_, ChangeLicenseResult>>, of::<Declined>]),
    ("license history", &[of::<license::History>]),
    ("events list", &[of::<events::List>]),
    ("events show", &[of::<events::Shown>]),
    ("events replay", &[of::<events::Replays>, of::<events::Plan>]),
    ("events accounting", &[of::<events::Accounting>]),
    ("runs list", &[of::<runs::Found>]),
    ("runs show", &[of::<runs::Shown>]),
    ("runs why", &[of::<runs::Why>]),
    ("runs watch", &[of::<runs::Shown>]),
    (
        "runs replay",
        &[
            of::<Run>,
            of::<RunEnded<'_, CreateTenantResult>>,
            of::<RunEnded<'_, ImportSubscriptionResult>>,
            of::<RunEnded<'_, ChangeLicenseResult>>,
            of::<RunEnded<'_, SyncStripeCustomersResult>>,
            of::<RunEnded<'_, ReconcileResult>>,
            of::<runs::Plan>,
            of::<Declined>,
            of::<batch::Plan>,
            of::<batch::Replayed>,
        ],
    ),
    ("runs batch list", &[of::<batch::Batches>]),
    ("runs batch show", &[of::<batch::BatchReport>]),
    ("runs batch stop", &[of::<batch::Stopping>]),
    ("runs batch resume", &[of::<batch::Replayed>]),
    ("runs cancel", &[of::<runs::Cancelled>]),
    ("ui", &[of::<Opened>]),
    ("reconcile", &[of::<Run>, of::<Reconciled<'_>>, of::<Declined>]),
    ("schedule install", &[of::<schedule::Shown>]),
    ("schedule show", &[of::<schedule::Shown>]),
    ("schedule remove", &[of::<schedule::Removed>]),
    ("migrate", &[of::<Migrated>]),
    ("doctor", &[of::<Diagnosis>]),
];

/// What stands on stderr, and a line of each report.
const OTHERS: [(&str, Shape); 4] = [
    ("error", of::<failure::Json<'_>>),
    ("import customers --report", of::<import::Tenant>),
    ("runs replay --report", of::<batch::ItemReport>),
    ("reconcile --report", of::<reconcile::Finding>),
];

/// What goes into each workflow, and what comes out.
const WORKFLOWS: [(&str, Shape, Shape); 7] = [
    (workflow::CREATE_TENANT, of::<CreateTenantInput>, of::<CreateTenantResult>),
    (workflow::CHANGE_LICENSE_COUNT, of::<ChangeLicenseInput>, of::<ChangeLicenseResult>),
    (workflow::IMPORT_SUBSCRIPTION, of::<ImportSubscriptionInput>, of::<ImportSubscriptionResult>),
    (workflow::SYNC_STRIPE_CUSTOMERS, of::<SyncStripeCustomersInput>, of::<SyncStripeCustomersResult>),
    (workflow::SYNC_SUBSCRIPTION, of::<SyncSubscriptionInput>, of::<Handled>),
    (workflow::REPLAY_BATCH, of::<ReplayBatchInput>, of::<ReplayBatchState>),
    (workflow::RECONCILE, of::<ReconcileInput>, of::<ReconcileResult>),
];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// Every document.
pub(super) fn all() -> Vec<Document> {
    let printed = |name: &str, shapes: &[Shape]| Document {
        name: name.to_owned(),
        shapes: shapes.to_vec(),
        direction: Direction::Printed,
    };
    let parsed = |name: &str, shape: Shape| Document {
        name: name.to_owned(),
        shapes: vec![shape],
        direction: Direction::Parsed,
    };
    let commands = COMMANDS.iter().map(|(name, shapes)| printed(name, shapes));
    let others = OTHERS.iter().map(|(name, shape)| printed(name, &[*shape]));
    let workflows = WORKFLOWS.iter().flat_map(|(name, input, result)| {
        [parsed(&format!("{name} input"), *input), printed(&format!("{name} result"), &[*result])]
    });
    commands.chain(others).chain(workflows).collect()
}
