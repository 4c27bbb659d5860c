//! The requests that we make, one function each.

use std::collections::HashMap;

use domain::ids::{CheckoutSessionId, StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::names::metadata;
use domain::stripe::{CheckoutSession, StripeAccount, StripeCustomer, StripeSubscription};
use domain::walk::ListedSubscription;
use serde::de::IgnoredAny;
use stripe_billing::subscription::{RetrieveSubscription, UpdateSubscription};
use stripe_billing::subscription_item::ListSubscriptionItem;
use stripe_checkout::checkout_session::RetrieveCheckoutSession;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_core::customer::{RetrieveCustomer, UpdateCustomer};

use crate::error::Error;
use crate::transport::{IdempotencyKey, Stripe};
use crate::wire;

/// Expansion stops at four levels, see <https://docs.stripe.com/expand>; this is just four.
const PRODUCT_OF_EACH_ITEM: &str = "items.data.price.product";
const SCHEDULE: &str = "schedule";
const PRODUCT_IN_A_LIST: &str = "data.price.product";
/// The most that a list gives at a time.
pub(crate) const PAGE: i64 = 100;

/// What an onboarded customer is tagged with.
#[derive(Clone, Debug)]
pub struct CustomerTags<'a> {
    /// Whose it is.
    pub tenant: TenantId,
    /// Where the application lives.
    pub app_url: &'a str,
}

impl CustomerTags<'_> {
    /// The keys to set. The empty text deletes one, see <https://docs.stripe.com/api/metadata>.
    fn pairs(&self) -> [(&'static str, String); 4] {
        [
            (metadata::TENANT_ID, self.tenant.to_string()),
            (metadata::ALGAPSA_URL, self.app_url.to_owned()),
            (metadata::ONBOARDED, "true".to_owned()),
            (metadata::PENDING_TENANT, String::new()),
        ]
    }

    /// Whether a customer carries them already.
    pub fn are_on(&self, customer: &StripeCustomer) -> bool {
        let found = |key: &str| customer.metadata.get(key).map(String::as_str).unwrap_or_default();
        self.pairs().iter().all(|(key, value)| found(key) == value)
    }
}

impl Stripe {
    /// The account behind the key.
    pub async fn account(&self) -> Result<StripeAccount, Error> {
        // Its typed builder lives in a crate of its own, for this one line.
        let request = RequestBuilder::new(StripeMethod::Get, "/account");
        Ok(self.get::<wire::Account>(request, "the account of the key").await?.into())
    }

    /// A customer that was not deleted.
    pub async fn customer(&self, id: &StripeCustomerId) -> Result<StripeCustomer, Error> {
        let request = RetrieveCustomer::new(id.as_str()).build();
        Ok(self.get::<wire::Customer>(request, id.as_str()).await?.alive()?)
    }

    /// A subscription with all of its items, the product of each, and its schedule.
    pub async fn subscription(&self, id: &StripeSubscriptionId) -> Result<StripeSubscription, Error> {
        let read = self.get::<wire::Subscription>(Self::one_subscription(id), id.as_str()).await?;
        self.complete(read).await
    }

    pub(crate) fn one_subscription(id: &StripeSubscriptionId) -> RequestBuilder {
        RetrieveSubscription::new(id.as_str()).expand([PRODUCT_OF_EACH_ITEM, SCHEDULE].map(str::to_owned)).build()
    }

    /// With the items that did not come with it.
    pub(crate) async fn complete(&self, read: wire::Subscription) -> Result<StripeSubscription, Error> {
        let mut read = read;
        if read.items.has_more {
            read.items = self.items_of(&read.id).await?;
        }
        Ok(read.into())
    }

    /// All items of a subscription; the object itself holds a first page only, in any order.
    pub(crate) async fn items_of(&self, id: &StripeSubscriptionId) -> Result<wire::List<wire::Item>, Error> {
        let mut items = wire::List::<wire::Item> { data: Vec::new(), has_more: true, next_page: None };
        while items.has_more {
            let mut list = ListSubscriptionItem::new(id.as_str()).limit(PAGE).expand([PRODUCT_IN_A_LIST.to_owned()]);
            if let Some(last) = items.data.last() {
                list = list.starting_after(last.id.as_str());
            }
            let page = self.get::<wire::List<wire::Item>>(list.build(), id.as_str()).await?;
            // An empty page would be asked for again, for ever.
            items.has_more = page.has_more && !page.data.is_empty();
            items.data.extend(page.data);
        }
        Ok(items)
    }

    /// A checkout session.
    pub async fn checkout_session(&self, id: &CheckoutSessionId) -> Result<CheckoutSession, Error> {
        let request = RetrieveCheckoutSession::new(id.as_str()).build();
        Ok(self.get::<wire::Session>(request, id.as_str()).await?.into())
    }

    /// Puts the tenant's id on the subscription, and leaves every other tag alone.
    pub async fn tag_subscription(
        &self,
        id: &StripeSubscriptionId,
        tenant: TenantId,
        key: &IdempotencyKey,
    ) -> Result<(), Error> {
        self.post::<IgnoredAny>(tag_of(id, tenant).build(), id.as_str(), key).await.map(drop)
    }

    /// The same, and answers the subscription as the write left it: a hint, and no read.
    pub async fn tag_listed_subscription(
        &self,
        id: &StripeSubscriptionId,
        tenant: TenantId,
        key: &IdempotencyKey,
    ) -> Result<ListedSubscription, Error> {
        // Its schedule is read too, which comes as an id unless it is asked for.
        let request = tag_of(id, tenant).expand([SCHEDULE.to_owned()]).build();
        let answer = self.post::<wire::BareSubscription>(request, id.as_str(), key).await?;
        Ok(ListedSubscription::new(answer.into()))
    }

    /// Puts the tags on the customer, and leaves every other one alone.
    pub async fn tag_customer(
        &self,
        id: &StripeCustomerId,
        tags: &CustomerTags<'_>,
        key: &IdempotencyKey,
    ) -> Result<(), Error> {
        let tags: HashMap<_, _> = tags.pairs().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let request = UpdateCustomer::new(id.as_str()).metadata(tags).build();
        self.post::<IgnoredAny>(request, id.as_str(), key).await.map(drop)
    }
}

fn tag_of(id: &StripeSubscriptionId, tenant: TenantId) -> UpdateSubscription {
    let tags = HashMap::from([(metadata::TENANT_ID.to_owned(), tenant.to_string())]);
    UpdateSubscription::new(id.as_str()).metadata(tags)
}
