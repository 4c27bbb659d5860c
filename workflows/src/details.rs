//! The markdown that stands on a run's page in the Temporal UI, under User Metadata.
//!
//! One file for each workflow says what its runs are about; what all of them say in the same way
//! is [`Page`]. The UI asks the worker for it, also when the run has ended: none of it is kept in
//! the history, so a later version may say it otherwise. Names and e-mails never stand here.

pub(crate) mod change_license;
pub(crate) mod create_tenant;
pub(crate) mod import_subscription;
mod links;
mod page;
pub(crate) mod reconcile;
pub(crate) mod replay_batch;
pub(crate) mod sync_stripe_customers;
pub(crate) mod sync_subscription;

pub(crate) use page::Page;
