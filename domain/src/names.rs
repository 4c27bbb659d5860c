//! Names on the wire. They are stored in histories and used by other programs, so they are
//! spelled out here and listed whole in `e2e/tests/wire/names.txt`.

/// The task queue that the store starts onboardings on.
pub const TASK_QUEUE: &str = "alga-psa-workflows";

/// The queue beside it for work in bulk: imports, reconciliation, batches. Stripe is asked there at a
/// limited rate, so that they never starve events and onboardings.
pub fn bulk_task_queue(task_queue: &str) -> String {
    format!("{task_queue}-bulk")
}

/// The queue that a bulk queue stands beside.
pub fn front_task_queue(bulk: &str) -> &str {
    bulk.strip_suffix("-bulk").unwrap_or(bulk)
}

/// Workflow types.
pub mod workflow {
    /// A purchase becomes a tenant.
    pub const CREATE_TENANT: &str = "createTenantWorkflow";
    /// One subscription is taken over for a tenant that exists.
    pub const IMPORT_SUBSCRIPTION: &str = "importSubscriptionWorkflow";
    /// A tenant gets another number of licences.
    pub const CHANGE_LICENSE_COUNT: &str = "changeLicenseCountWorkflow";
    /// A subscription's rows say what Stripe says.
    pub const SYNC_SUBSCRIPTION: &str = "syncSubscriptionWorkflow";
    /// What is here is compared with what Stripe has.
    pub const RECONCILE: &str = "reconcileWorkflow";
    /// Stripe's customers and subscriptions come to the tenants.
    pub const SYNC_STRIPE_CUSTOMERS: &str = "syncStripeCustomersWorkflow";
    /// Failed runs are started again, at a rate.
    pub const REPLAY_BATCH: &str = "replayBatchWorkflow";
}

/// Signals.
pub mod signal {
    /// To a sync: an event says that the subscription changed.
    pub const SUBSCRIPTION_EVENT: &str = "subscriptionEvent";
    /// To an import or a batch: end after what is under way, so that it can be resumed.
    pub const STOP: &str = "stop";
}

/// Queries.
pub mod query {
    /// Where a run stands.
    pub const STATE: &str = "state";
}

/// Search attributes, all of type Keyword.
pub mod search_attribute {
    /// The tenant's UUID.
    pub const TENANT_ID: &str = "TenantId";
    /// `cus_…`.
    pub const STRIPE_CUSTOMER_ID: &str = "StripeCustomerId";
    /// `sub_…`.
    pub const STRIPE_SUBSCRIPTION_ID: &str = "StripeSubscriptionId";
    /// See [`crate::failure::FailureKind`].
    pub const FAILURE_KIND: &str = "FailureKind";

    /// Every one of them. A server that does not know one blocks each run that sets it.
    pub const ALL: [&str; 4] = [TENANT_ID, STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, FAILURE_KIND];
}

/// `metadata` keys on Stripe's objects.
pub mod metadata {
    /// On subscription and customer: whose it is.
    pub const TENANT_ID: &str = "tenant_id";
    /// On the customer: where the application lives.
    pub const ALGAPSA_URL: &str = "algapsa_url";
    /// On the customer: `true` once its tenant works.
    pub const ONBOARDED: &str = "onboarded";
    /// On the customer: set by the store while a tenant is still to come.
    pub const PENDING_TENANT: &str = "pending_tenant";
    /// On a subscription: it is an add-on and licenses nobody.
    pub const ADDON_KEY: &str = "addon_key";
    /// On a subscription schedule: `1` where we made it.
    pub const TENANTRY: &str = "tenantry";
    /// On a subscription: what the store will call the tenant.
    pub const CLIENT_NAME: &str = "client_name";
}
