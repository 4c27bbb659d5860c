//! The workflows of ours, by their names on the wire.

use domain::names::workflow;

/// A workflow that this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkflowType {
    /// A purchase becomes a tenant.
    CreateTenant,
    /// One subscription is taken over for a tenant.
    ImportSubscription,
    /// A tenant gets another number of licences.
    ChangeLicenseCount,
    /// A subscription's rows come to say what Stripe says.
    SyncSubscription,
    /// What is here is compared with what Stripe has.
    Reconcile,
    /// Stripe's customers come to the tenants.
    SyncStripeCustomers,
    /// Failed runs are started again.
    ReplayBatch,
}

impl WorkflowType {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::CreateTenant,
        Self::ImportSubscription,
        Self::ChangeLicenseCount,
        Self::SyncSubscription,
        Self::Reconcile,
        Self::SyncStripeCustomers,
        Self::ReplayBatch,
    ];

    /// The name on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CreateTenant => workflow::CREATE_TENANT,
            Self::ImportSubscription => workflow::IMPORT_SUBSCRIPTION,
            Self::ChangeLicenseCount => workflow::CHANGE_LICENSE_COUNT,
            Self::SyncSubscription => workflow::SYNC_SUBSCRIPTION,
            Self::Reconcile => workflow::RECONCILE,
            Self::SyncStripeCustomers => workflow::SYNC_STRIPE_CUSTOMERS,
            Self::ReplayBatch => workflow::REPLAY_BATCH,
        }
    }

    /// The one of that name; none for a workflow that is not ours, or of a newer build.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// What a person calls it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::CreateTenant => "onboarding",
            Self::ImportSubscription => "import",
            Self::ChangeLicenseCount => "licence change",
            Self::SyncSubscription => "sync",
            Self::Reconcile => "reconciliation",
            Self::SyncStripeCustomers => "import of customers",
            Self::ReplayBatch => "batch",
        }
    }
}
