//! Stripe's answers, as far as we read them. Each field that is missing or misshapen is named;
//! fields that we do not know are ignored, because Stripe adds some at any time.

use std::collections::BTreeMap;

use domain::ids::{
    AccountId, CheckoutSessionId, PriceId, ProductId, StripeCustomerId, StripeSubscriptionId, SubscriptionItemId,
    SubscriptionScheduleId,
};
use domain::license::Status;
use domain::stripe::{self, StripeAccount, StripeSubscription};
use domain::words::LicenseCount;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// The JSON in `body` as a `T`, or the field that is wrong. The text repeats no value.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let json: serde_json::Value = serde_json::from_slice(body).map_err(|_| "not JSON".to_owned())?;
    domain::untrusted::parse(json)
}

#[derive(Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: ErrorFields,
}

/// See <https://docs.stripe.com/api/errors>.
#[derive(Default, Deserialize)]
pub(crate) struct ErrorFields {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) decline_code: Option<String>,
    pub(crate) message: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Account {
    id: AccountId,
}

impl From<Account> for StripeAccount {
    fn from(account: Account) -> Self {
        Self { id: account.id }
    }
}

/// A customer, or what is left of one: `{"id", "deleted": true}`.
#[derive(Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: StripeCustomerId,
    #[serde(default)]
    deleted: bool,
    email: Option<String>,
    name: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Those that are not canceled, where they were asked for.
    pub(crate) subscriptions: Option<List<serde_json::Value>>,
}

/// A subscription in a list, whose products are not expanded.
pub(crate) type BareSubscription = Subscription<ProductId>;

impl Customer {
    pub(crate) fn alive(self) -> Result<stripe::StripeCustomer, domain::refusal::Refusal> {
        if self.deleted {
            return Err(domain::refusal::Refusal::DeletedCustomer(self.id));
        }
        Ok(stripe::StripeCustomer { id: self.id, email: self.email, name: self.name, metadata: self.metadata })
    }
}

#[derive(Deserialize)]
pub(crate) struct Session {
    id: CheckoutSessionId,
    payment_status: String,
    customer: Option<StripeCustomerId>,
    subscription: Option<StripeSubscriptionId>,
}

impl From<Session> for stripe::CheckoutSession {
    fn from(session: Session) -> Self {
        Self {
            is_paid: matches!(session.payment_status.as_str(), "paid" | "no_payment_required"),
            id: session.id,
            customer: session.customer,
            subscription: session.subscription,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Subscription<P = Product> {
    pub(crate) id: StripeSubscriptionId,
    customer: StripeCustomerId,
    status: Status,
    pub(crate) items: List<Item<P>>,
    created: i64,
    cancel_at: Option<i64>,
    cancel_at_period_end: bool,
    canceled_at: Option<i64>,
    schedule: Option<Schedule>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// A page of a list, see <https://docs.stripe.com/api/pagination>. Lists inside objects are pages too.
#[derive(Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    pub(crate) has_more: bool,
    /// Of a search: its next page.
    pub(crate) next_page: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Item<P = Product> {
    pub(crate) id: SubscriptionItemId,
    price: Price<P>,
    quantity: Option<LicenseCount>,
    current_period_start: i64,
    current_period_end: i64,
}

#[derive(Deserialize)]
struct Price<P> {
    id: PriceId,
    product: P,
    active: bool,
    unit_amount: Option<i64>,
    transform_quantity: Option<IgnoredAny>,
    currency: String,
    recurring: Option<Recurring>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Recurring {
    interval: String,
    interval_count: i32,
    usage_type: String,
}

/// A product, expanded, or what is left of a deleted one.
#[derive(Deserialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// A subscription schedule, expanded.
#[derive(Deserialize)]
struct Schedule {
    id: SubscriptionScheduleId,
    current_phase: Option<CurrentPhase>,
    phases: Vec<Phase>,
    end_behavior: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct CurrentPhase {
    start_date: i64,
    end_date: i64,
}

#[derive(Deserialize)]
struct Phase {
    start_date: i64,
    items: Vec<PhaseItem>,
}

#[derive(Deserialize)]
struct PhaseItem {
    price: PriceId,
    quantity: Option<LicenseCount>,
}

impl Schedule {
    /// Phases follow each other without a gap; before the first begins there is no current one.
    fn into_domain(self) -> stripe::SubscriptionSchedule {
        let (began, ended) =
            self.current_phase.map_or((None, i64::MIN), |phase| (Some(phase.start_date), phase.end_date));
        let to_come = self.phases.iter().filter(|phase| phase.start_date >= ended);
        let runs = |phase: &&Phase| Some(phase.start_date) == began;
        stripe::SubscriptionSchedule {
            id: self.id,
            current_phase: self.phases.iter().find(runs).map(Phase::to_domain),
            phases_to_come: to_come.clone().count(),
            next_phase: to_come.min_by_key(|phase| phase.start_date).map(Phase::to_domain),
            phases: self.phases.len(),
            releases: self.end_behavior == "release",
            metadata: self.metadata,
        }
    }
}

impl Phase {
    fn to_domain(&self) -> stripe::Phase {
        stripe::Phase {
            start: self.start_date,
            items: self.items.iter().map(|item| (item.price.clone(), item.quantity)).collect(),
        }
    }
}

/// A schedule of which only the id matters.
#[derive(Deserialize)]
pub(crate) struct ScheduleId {
    pub(crate) id: SubscriptionScheduleId,
}

/// A subscription in a list, as far as it matters which of them counts.
#[derive(Deserialize)]
pub(crate) struct SubscriptionInShort {
    pub(crate) id: StripeSubscriptionId,
    status: Status,
    created: i64,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl From<SubscriptionInShort> for stripe::SubscriptionInShort {
    fn from(listed: SubscriptionInShort) -> Self {
        Self {
            is_add_on: listed.metadata.contains_key(domain::names::metadata::ADDON_KEY),
            id: listed.id,
            status: listed.status,
            created: listed.created,
        }
    }
}

impl<P: IntoProduct> From<Subscription<P>> for StripeSubscription {
    fn from(read: Subscription<P>) -> Self {
        Self {
            id: read.id,
            customer: read.customer,
            status: read.status,
            items: read.items.data.into_iter().map(Item::into_domain).collect(),
            created: read.created,
            cancel_at: read.cancel_at,
            cancel_at_period_end: read.cancel_at_period_end,
            canceled_at: read.canceled_at,
            schedule: read.schedule.map(Schedule::into_domain),
            metadata: read.metadata,
        }
    }
}

impl<P: IntoProduct> Item<P> {
    /// A metered item may come with a quantity of old; it is not a number of seats.
    pub(crate) fn into_domain(self) -> stripe::SubscriptionItem {
        let is_metered = self.price.recurring.as_ref().is_some_and(|r| r.usage_type == "metered");
        stripe::SubscriptionItem {
            id: self.id,
            price: self.price.into_domain(),
            quantity: self.quantity.filter(|_| !is_metered),
            current_period_start: self.current_period_start,
            current_period_end: self.current_period_end,
        }
    }
}

impl<P: IntoProduct> Price<P> {
    fn into_domain(self) -> stripe::StripePrice {
        let (interval, count) = self.recurring.map(|r| (r.interval, r.interval_count)).unzip();
        stripe::StripePrice {
            id: self.id,
            product: self.product.into_product(),
            is_active: self.active,
            unit_amount: self.unit_amount,
            is_packaged: self.transform_quantity.is_some(),
            currency: self.currency,
            recurring_interval: interval,
            recurring_interval_count: count,
            metadata: self.metadata,
        }
    }
}

/// What a price says of its product.
pub(crate) trait IntoProduct {
    fn into_product(self) -> stripe::StripeProduct;
}

/// Not expanded: nothing but its id.
impl IntoProduct for ProductId {
    fn into_product(self) -> stripe::StripeProduct {
        stripe::StripeProduct {
            name: self.to_string(),
            id: self,
            description: None,
            is_active: false,
            metadata: BTreeMap::new(),
        }
    }
}

impl IntoProduct for Product {
    fn into_product(self) -> stripe::StripeProduct {
        stripe::StripeProduct {
            name: self.name.unwrap_or_else(|| self.id.to_string()),
            id: self.id,
            description: self.description,
            is_active: self.active,
            metadata: self.metadata,
        }
    }
}

/// An invoice that was not made. `lines` is a first page, of a length that ours never fill.
#[derive(Deserialize)]
pub(crate) struct InvoicePreview {
    amount_due: i64,
    total: i64,
    currency: String,
    lines: List<Line>,
}

#[derive(Deserialize)]
struct Line {
    period: Period,
}

#[derive(Deserialize)]
struct Period {
    end: i64,
}

impl From<InvoicePreview> for crate::InvoicePreview {
    fn from(read: InvoicePreview) -> Self {
        let until = read.lines.data.iter().map(|line| line.period.end).max();
        Self {
            amount_due: read.amount_due,
            total: read.total,
            currency: read.currency,
            until: until.unwrap_or_default(),
        }
    }
}
