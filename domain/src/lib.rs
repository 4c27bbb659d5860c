//! The words of the house: ids, inputs, outputs, rules and the signatures of activities.
//!
//! No I/O and no async. Everything here is a value or a pure function of values, so that a
//! workflow may use all of it and a test needs nothing to try it. What it leaves out: how a
//! word is stored (`store`), how it travels to Stripe (`stripe_gateway`), in which order
//! things happen (`workflows`).

pub mod advice;
pub mod audit;
pub mod change_license;
pub mod create_tenant;
pub mod duration;
pub mod event;
pub mod failure;
pub mod identity;
pub mod ids;
pub mod import_customers;
pub mod import_judge;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod import_steps;
pub mod import_subscription;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod import_subscription_steps;
pub mod license;
pub mod license_plan;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod license_steps;
pub mod names;
pub mod near;
pub mod program_settings;
pub mod purchase;
pub mod reconcile;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod reconcile_steps;
pub mod record;
pub mod refusal;
pub mod replay;
pub mod replay_batch;
pub mod shim_settings;
pub mod stripe;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod sync_steps;
pub mod sync_subscription;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod tenant_steps;
pub mod untrusted;
pub mod walk;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod walk_steps;
pub mod words;
pub mod worker_settings;

/// The activities that workflows may ask for, and what goes in and out of each.
pub mod steps {
    pub use super::import_steps::*;
    pub use super::import_subscription_steps::*;
    pub use super::license_steps::*;
    pub use super::reconcile_steps::*;
    pub use super::sync_steps::*;
    pub use super::tenant_steps::*;
    pub use super::walk_steps::*;
}
