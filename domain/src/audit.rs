//! Why a licence count changed, and through which run.

/// What changed a tenant's licence count. The names stand in `license_changes.cause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The purchase named a number and Stripe knows none.
    InitialLicenseCount,
    /// A subscription was imported.
    SubscriptionImport,
    /// An event of Stripe's said that a subscription changed.
    SubscriptionEvent,
    /// A change of licences was asked for here.
    LicenseChange,
    /// The count was derived from rows that another transaction had written.
    Derivation,
    /// A comparison with Stripe found that no event had told.
    Reconciliation,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 6] = [
        Self::InitialLicenseCount,
        Self::SubscriptionImport,
        Self::SubscriptionEvent,
        Self::LicenseChange,
        Self::Derivation,
        Self::Reconciliation,
    ];

    /// The cause of that name in the table; none for one that a newer build wrote.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }

    /// The name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InitialLicenseCount => "initial_license_count",
            Self::SubscriptionImport => "subscription_import",
            Self::SubscriptionEvent => "subscription_event",
            Self::LicenseChange => "license_change",
            Self::Derivation => "derivation",
            Self::Reconciliation => "reconciliation",
        }
    }
}

/// Who writes: the run that a row of `license_changes` will name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The workflow's id.
    pub workflow_id: String,
    /// The run's id.
    pub run_id: String,
}
