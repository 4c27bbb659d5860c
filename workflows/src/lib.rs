//! The order of things, as deterministic code.
//!
//! Of ours it sees `domain` alone, so it cannot name a runtime, a database or an HTTP client:
//! what happens is asked for through the activities that `domain::steps` declares. Clocks,
//! randomness, `HashMap` and the environment are forbidden here by `clippy.toml`, because a
//! run is replayed from its history and must take the same way again.

#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod change_license;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod create_tenant;
mod details;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod import_subscription;
mod outcome;
mod patience;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod reconcile;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod replay_batch;
pub mod search_attributes;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod sync_stripe_customers;
#[expect(missing_docs, reason = "the macro names its constants after the documented functions")]
mod sync_subscription;

pub use change_license::ChangeLicense;
pub use create_tenant::CreateTenant;
pub use import_subscription::ImportSubscription;
pub use reconcile::Reconcile;
pub use replay_batch::ReplayBatch;
pub use sync_stripe_customers::SyncStripeCustomers;
pub use sync_subscription::SyncSubscription;
