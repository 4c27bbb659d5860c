//! The attributes that runs are found by. Names and e-mails never stand here.

use domain::names::search_attribute;
use temporalio_workflow::common::search_attributes::SearchAttributeKey;

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
