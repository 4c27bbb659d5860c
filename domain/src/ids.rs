//! Identifiers. Each is parsed once, at the edge, into a type that cannot be wrong.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace of every UUIDv5 that Tenantry derives. Changing it would give known
/// customers new tenants.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_8c54_90a7_4be2_a3f5_27c0_e49b_d816);

/// A tenant of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("format" = "uuid"))]
pub struct TenantId(Uuid);

impl TenantId {
    /// The tenant of a customer that has none yet. The same customer always gets the same id,
    /// so two onboardings that race cannot make two tenants.
    pub fn of_customer(customer: &StripeCustomerId) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, customer.as_str().as_bytes()))
    }

    /// The tenant of an onboarding without a Stripe customer.
    pub fn of_workflow(workflow_id: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, workflow_id.as_bytes()))
    }

    /// The id as the database stores it.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TenantId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.to_string()
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError::Uuid)
    }
}

impl TryFrom<String> for TenantId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

/// An id that Stripe gave: a prefix that names the kind of object, then letters and digits.
///
/// Two kinds are two types, so that a `sub_…` cannot stand where a `cus_…` belongs.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "String", into = "String", bound = "")]
pub struct StripeId<K: Kind>(String, PhantomData<K>);

/// What a [`StripeId`] identifies.
pub trait Kind: 'static {
    /// What the id starts with, e.g. `cus_`.
    const PREFIX: &'static str;

    /// Whether the rest of the id may hold this byte. Nothing that could leave a URL's path.
    fn allows(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_'
    }
}

impl<K: Kind> StripeId<K> {
    /// The id as Stripe writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<K: Kind> FromStr for StripeId<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let rest = text.strip_prefix(K::PREFIX).ok_or(IdError::Prefix(K::PREFIX))?;
        let well_formed = !rest.is_empty() && text.len() <= ID_LENGTH_MAX && rest.bytes().all(K::allows);
        if well_formed { Ok(Self(text.to_owned(), PhantomData)) } else { Err(IdError::Letters(K::PREFIX)) }
    }
}

/// Stripe asks integrators to store ids in columns of at least 255 characters, see
/// <https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backwards-compatible>.
const ID_LENGTH_MAX: usize = 255;

impl<K: Kind> TryFrom<String> for StripeId<K> {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl<K: Kind> From<StripeId<K>> for String {
    fn from(id: StripeId<K>) -> Self {
        id.0
    }
}

impl<K: Kind> fmt::Display for StripeId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<K: Kind> JsonSchema for StripeId<K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("StripeId_{}", K::PREFIX).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = format!("^{}[{}]+$", K::PREFIX, letters::<K>());
        json_schema!({"type": "string", "pattern": pattern, "maxLength": ID_LENGTH_MAX})
    }
}

/// What the rest of an id may hold, as it stands between a regular expression's brackets.
fn letters<K: Kind>() -> String {
    let escaped = |byte: u8| match byte {
        b'\\' | b']' | b'[' | b'^' | b'-' => format!("\\{}", char::from(byte)),
        _ => char::from(byte).to_string(),
    };
    let allowed: Vec<u8> = (0..=u8::MAX).filter(|byte| K::allows(*byte)).collect();
    let ranges = allowed.chunk_by(|one, next| one + 1 == *next);
    let ranges = ranges.map(|range| match range {
        [one] => escaped(*one),
        [first, .., last] => format!("{}-{}", escaped(*first), escaped(*last)),
        [] => String::new(),
    });
    ranges.collect()
}

impl<K: Kind> fmt::Debug for StripeId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Derives would ask the same of `K`, which is never a value.
impl<K: Kind> Clone for StripeId<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<K: Kind> PartialEq for StripeId<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Kind> Eq for StripeId<K> {}

impl<K: Kind> PartialOrd for StripeId<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Kind> Ord for StripeId<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// Marks a [`StripeCustomerId`].
pub enum Customer {}
/// Marks a [`StripeSubscriptionId`].
pub enum Subscription {}
/// Marks a [`SubscriptionItemId`].
pub enum SubscriptionItem {}
/// Marks a [`CheckoutSessionId`].
pub enum CheckoutSession {}
/// Marks a [`PriceId`].
pub enum Price {}
/// Marks a [`ProductId`].
pub enum Product {}
/// Marks an [`AccountId`].
pub enum Account {}
/// Marks an [`EventId`].
pub enum Event {}
/// Marks a [`SubscriptionScheduleId`].
pub enum SubscriptionSchedule {}

impl Kind for Customer {
    const PREFIX: &'static str = "cus_";
}
impl Kind for Subscription {
    const PREFIX: &'static str = "sub_";
}
impl Kind for SubscriptionItem {
    const PREFIX: &'static str = "si_";
}
impl Kind for CheckoutSession {
    const PREFIX: &'static str = "cs_";
}
impl Kind for Account {
    const PREFIX: &'static str = "acct_";
}
impl Kind for Event {
    const PREFIX: &'static str = "evt_";
}
impl Kind for SubscriptionSchedule {
    const PREFIX: &'static str = "sub_sched_";
}
// The seller may choose the id of a product, and of a plan, which then is its price's id; see
// <https://docs.stripe.com/api/products/create#create_product-id>.
impl Kind for Price {
    const PREFIX: &'static str = "";

    fn allows(byte: u8) -> bool {
        sellers_choice(byte)
    }
}
impl Kind for Product {
    const PREFIX: &'static str = "";

    fn allows(byte: u8) -> bool {
        sellers_choice(byte)
    }
}

fn sellers_choice(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic() && !b"/?#,".contains(&byte)
}

/// A Stripe customer, e.g. `cus_QXg1oyoEfW2bZ3`.
pub type StripeCustomerId = StripeId<Customer>;
/// A Stripe subscription, e.g. `sub_1MowQVLkdIwHu7ixeRlqHVzs`.
pub type StripeSubscriptionId = StripeId<Subscription>;
/// One line of a subscription, e.g. `si_NcLYdDxLHxlFo7`.
pub type SubscriptionItemId = StripeId<SubscriptionItem>;
/// A checkout session, e.g. `cs_test_a11YYufWQzNY63zpQ6QSNRQhkUpVph4WRmzW0zWJO2znZKdVujZ0N0S22u`.
pub type CheckoutSessionId = StripeId<CheckoutSession>;
/// A price, e.g. `price_1MoBy5LkdIwHu7ixZhnattbh`.
pub type PriceId = StripeId<Price>;
/// A product, e.g. `prod_NWjs8kKbJWmuuc`.
pub type ProductId = StripeId<Product>;
/// A Stripe account, e.g. `acct_1Nv0FGQ9RKHgCVdK`.
pub type AccountId = StripeId<Account>;
/// An event, snapshot or thin, e.g. `evt_1NG8Du2eZvKYlo2CUI79vXWy`.
pub type EventId = StripeId<Event>;
/// A plan for a subscription's future, e.g. `sub_sched_1Mr3YcLkdIwHu7ixjop3qtff`.
pub type SubscriptionScheduleId = StripeId<SubscriptionSchedule>;

/// Why a text is not an id. It never repeats the text, which may be anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not start with the prefix of its kind.
    #[error("expected an id that starts with `{0}`")]
    Prefix(&'static str),
    /// The text starts right and goes on wrong.
    #[error("expected `{0}` followed by letters and digits, at most 255 characters in all")]
    Letters(&'static str),
    /// The text is no UUID.
    #[error("expected a UUID such as 3f2c8d5e-8a4b-4f0e-9d38-0a5b6c7d8e9f")]
    Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<K: Kind>(text: &str, expected: Result<&str, IdError>) {
        let parsed = text.parse::<StripeId<K>>();
        assert_eq!(parsed.map(String::from), expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn an_id_is_its_prefix_and_letters_and_digits() {
        check::<Customer>("cus_QXg1oyoEfW2bZ3", Ok("cus_QXg1oyoEfW2bZ3"));
        check::<CheckoutSession>("cs_test_a11YY", Ok("cs_test_a11YY"));
        check::<Customer>("sub_1Mow", Err(IdError::Prefix("cus_")));
        check::<Customer>("cus_", Err(IdError::Letters("cus_")));
        check::<Customer>("cus_a/../b", Err(IdError::Letters("cus_")));
        check::<Customer>(&format!("cus_{}", "a".repeat(252)), Err(IdError::Letters("cus_")));
    }

    #[test]
    fn a_schema_allows_the_letters_that_an_id_may_hold() {
        assert_eq!(letters::<Customer>(), "0-9A-Z_a-z");
        assert_eq!(letters::<Price>(), " -\"$-+\\--.0->@-~");
    }

    #[test]
    fn a_customer_always_gets_the_same_tenant() {
        let customer: StripeCustomerId = "cus_QXg1oyoEfW2bZ3".parse().expect("a customer id");
        // A literal, not a second call: the namespace is stored in every database there is.
        let tenant = TenantId::of_customer(&customer).to_string();
        assert_eq!(tenant, TENANT_OF_QXG1);
    }

    const TENANT_OF_QXG1: &str = "190f0b43-fe35-5e35-ba10-4f73c2b88e4d";
}
