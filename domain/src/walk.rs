//! A walk of Stripe's lists: read by the page, staged in Postgres, and used from there. A handful
//! of requests per thousand tenants, instead of two for each.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{IdError, ProductId};
use crate::names::metadata;
use crate::stripe::{StripeCustomer, StripeProduct, StripeSubscription};

/// Names a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("format" = "uuid"))]
pub struct WalkId(Uuid);

impl WalkId {
    /// The id as the database stores it.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for WalkId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<WalkId> for String {
    fn from(id: WalkId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for WalkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WalkId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError::Uuid)
    }
}

impl TryFrom<String> for WalkId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

/// What a walk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalkKind {
    /// Bringing Stripe's customers and subscriptions to the tenants.
    Import,
    /// Comparing Stripe's subscriptions with the rows.
    Reconcile,
}

impl WalkKind {
    /// The name as the database stores it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Reconcile => "reconcile",
        }
    }
}

impl FromStr for WalkKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Import, Self::Reconcile].into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownWord)
    }
}

/// Which list is read next. Products come last: so they are never older than a subscription that
/// sells them, and each such subscription finds its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalkPhase {
    /// Customers: all, or those with the tenant's e-mail as it is stored.
    Customers,
    /// One tenant's: customers with its e-mail in any case.
    Search,
    /// One tenant's: the customer of its row, where the e-mail led to none.
    Owner,
    /// Subscriptions that are not canceled.
    Subscriptions,
    /// Products.
    Products,
    /// Nothing is left to read.
    Walked,
}

impl WalkPhase {
    const ALL: [Self; 6] =
        [Self::Customers, Self::Search, Self::Owner, Self::Subscriptions, Self::Products, Self::Walked];

    /// The name as the database stores it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Search => "search",
            Self::Owner => "owner",
            Self::Subscriptions => "subscriptions",
            Self::Products => "products",
            Self::Walked => "walked",
        }
    }

    /// Where a walk begins.
    pub fn first(kind: WalkKind) -> Self {
        match kind {
            WalkKind::Import => Self::Customers,
            WalkKind::Reconcile => Self::Subscriptions,
        }
    }

    /// What comes when this one has been read. The customers that are found for one tenant bring
    /// their subscriptions along, and what is then written is read once more. No row says anything of
    /// a product that could be compared.
    pub fn next(self, kind: WalkKind, is_of_one_tenant: bool) -> Self {
        match self {
            Self::Customers if is_of_one_tenant => Self::Search,
            Self::Customers => Self::Subscriptions,
            Self::Search => Self::Owner,
            Self::Subscriptions => match kind {
                WalkKind::Import => Self::Products,
                WalkKind::Reconcile => Self::Walked,
            },
            Self::Owner | Self::Products | Self::Walked => Self::Walked,
        }
    }
}

impl FromStr for WalkPhase {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text).ok_or(UnknownWord)
    }
}

/// A word that a later version wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a word that is known here")]
pub struct UnknownWord;

/// How many objects a page of Stripe's holds, 1 to 100, see <https://docs.stripe.com/api/pagination>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "i64", into = "i64")]
#[schemars(inline, extend("minimum" = 1, "maximum" = 100))]
pub struct PageSize(u8);

impl PageSize {
    /// The most that Stripe gives.
    pub const MAX: Self = Self(100);

    /// The number as it is asked for.
    pub fn get(self) -> i64 {
        self.0.into()
    }
}

impl TryFrom<i64> for PageSize {
    type Error = PageSizeError;

    fn try_from(size: i64) -> Result<Self, PageSizeError> {
        u8::try_from(size).ok().filter(|size| (1..=100).contains(size)).map(Self).ok_or(PageSizeError)
    }
}

impl From<PageSize> for i16 {
    fn from(size: PageSize) -> Self {
        size.0.into()
    }
}

impl From<PageSize> for i64 {
    fn from(size: PageSize) -> Self {
        size.get()
    }
}

/// Not a size of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number from 1 to 100")]
pub struct PageSizeError;

/// A subscription as a list has it: of its products it knows the ids only, because expansion stops
/// at four levels (<https://docs.stripe.com/expand>) and the product would be the fifth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSubscription(StripeSubscription);

impl ListedSubscription {
    /// What a list said. The products hold nothing but their ids.
    pub fn new(listed: StripeSubscription) -> Self {
        Self(listed)
    }

    /// Everything but its products.
    pub fn without_products(&self) -> &StripeSubscription {
        &self.0
    }

    /// Whether the two differ in nothing but the order of their items and whose tag they carry.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let bare = |listed: &Self| {
            let mut bare = listed.0.clone();
            bare.metadata.remove(metadata::TENANT_ID);
            bare.items.sort_by(|one, other| one.id.cmp(&other.id));
            bare
        };
        bare(self) == bare(other)
    }

    /// The whole subscription; none where a product is not known.
    pub fn with_products(self, known: impl Fn(&ProductId) -> Option<StripeProduct>) -> Option<StripeSubscription> {
        let mut whole = self.0;
        for item in &mut whole.items {
            item.price.product = known(&item.price.product.id)?;
        }
        Some(whole)
    }
}

/// What one request brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Customers that were not deleted.
    pub customers: Vec<StripeCustomer>,
    /// Subscriptions, of the customers too where those brought them along.
    pub subscriptions: Vec<ListedSubscription>,
    /// Products.
    pub products: Vec<StripeProduct>,
    /// Where the list goes on; none at its end.
    pub next: Option<String>,
}

impl Page {
    /// How many objects of the list it holds.
    pub fn rows(&self) -> usize {
        match (self.customers.len(), self.products.len()) {
            (0, 0) => self.subscriptions.len(),
            (customers, products) => customers + products,
        }
    }
}
