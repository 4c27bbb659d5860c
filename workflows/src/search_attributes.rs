//! The attributes that runs are found by. Names and e-mails never stand here.

use domain::names::search_attribute;
use domain::replay::Named;
use temporalio_workflow::common::search_attributes::{SearchAttributeKey, SearchAttributes};

/// The tenant's UUID.
pub const TENANT_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword(search_attribute::TENANT_ID);
/// `cus_…`.
pub const STRIPE_CUSTOMER_ID: SearchAttributeKey<String> =
    SearchAttributeKey::keyword(search_attribute::STRIPE_CUSTOMER_ID);
/// `sub_…`.
pub const STRIPE_SUBSCRIPTION_ID: SearchAttributeKey<String> =
    SearchAttributeKey::keyword(search_attribute::STRIPE_SUBSCRIPTION_ID);
/// See [`domain::failure::FailureKind`].
pub const FAILURE_KIND: SearchAttributeKey<String> = SearchAttributeKey::keyword(search_attribute::FAILURE_KIND);

/// What a run is found by before it has looked at anything itself.
pub(crate) fn of(named: &Named) -> SearchAttributes {
    let Named { tenant_id, stripe_customer_id, stripe_subscription_id } = named;
    let known = [
        tenant_id.map(|tenant| TENANT_ID.value_set(tenant.to_string())),
        stripe_customer_id.as_ref().map(|customer| STRIPE_CUSTOMER_ID.value_set(customer.to_string())),
        stripe_subscription_id.as_ref().map(|one| STRIPE_SUBSCRIPTION_ID.value_set(one.to_string())),
    ];
    SearchAttributes::new(known.into_iter().flatten())
}
