//! Stripe's lists, by the page: see <https://docs.stripe.com/api/pagination>.

use domain::ids::StripeCustomerId;
use domain::stripe::StripeSubscription;
use domain::untrusted;
use domain::walk::{ListedSubscription, Page, PageSize};
use domain::words::Email;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stripe_billing::subscription::ListSubscription;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_core::customer::{ListCustomer, RetrieveCustomer, SearchCustomer};

use crate::error::Error;
use crate::transport::Stripe;
use crate::wire;

/// What a subscription in a list is asked to bring along. Its products would be a level too deep,
/// see <https://docs.stripe.com/expand>.
const SCHEDULE: &str = "data.schedule";
/// What a customer that stands for one tenant is asked to bring along.
const THEIR_SUBSCRIPTIONS: [&str; 2] = ["data.subscriptions", "data.subscriptions.data.schedule"];
const ITS_SUBSCRIPTIONS: [&str; 2] = ["subscriptions", "subscriptions.data.schedule"];

/// Subscriptions of a page whose further items are asked for at a time.
const AT_A_TIME: usize = 8;

/// A page of a list, without what could not be read, and where the next begins.
struct Listed<T> {
    data: Vec<T>,
    next: Option<String>,
}

/// The parameters of a list that is not worth a typed builder's crate of its own.
#[derive(Serialize)]
struct ListParameters<'a> {
    limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

impl Stripe {
    /// A page of all customers; none where the one that the page begins after is gone.
    pub async fn customers(&self, cursor: Option<&str>, size: PageSize) -> Result<Option<Page>, Error> {
        let list = ListCustomer::new().limit(size.get());
        self.customer_page(with(list, cursor, ListCustomer::starting_after).build(), cursor).await
    }

    /// A page of the customers whose e-mail is spelt just so, with their subscriptions.
    pub async fn customers_with_email(
        &self,
        email: &str,
        cursor: Option<&str>,
        size: PageSize,
    ) -> Result<Option<Page>, Error> {
        let list = ListCustomer::new().email(email).limit(size.get()).expand(owned(THEIR_SUBSCRIPTIONS));
        self.customer_page(with(list, cursor, ListCustomer::starting_after).build(), cursor).await
    }

    /// A page of the customers with that e-mail in any case, with their subscriptions. Search lags
    /// behind by up to a minute, see <https://docs.stripe.com/search>.
    pub async fn customers_found(&self, email: &str, cursor: Option<&str>, size: PageSize) -> Result<Page, Error> {
        let search = SearchCustomer::new(quoted("email", email)).limit(size.get()).expand(owned(THEIR_SUBSCRIPTIONS));
        let search = with(search, cursor, SearchCustomer::page);
        let found = self.get::<wire::List<Value>>(search.build(), "a customer of that e-mail").await?;
        let next = found.next_page.filter(|_| found.has_more);
        let mut page = self.with_subscriptions(readable(found.data)).await?;
        // The index may still have an address that the customer no longer has.
        page.customers.retain(|customer| customer.email.as_deref().map(Email::folded) == Some(Email::folded(email)));
        page.subscriptions.retain(|listed| is_among(&page.customers, &listed.without_products().customer));
        Ok(Page { next, ..page })
    }

    /// One customer, with its subscriptions; an empty page where it is gone.
    pub async fn customer_alone(&self, id: &StripeCustomerId) -> Result<Page, Error> {
        let request = RetrieveCustomer::new(id.as_str()).expand(owned(ITS_SUBSCRIPTIONS)).build();
        match self.get::<wire::Customer>(request, id.as_str()).await {
            Ok(customer) => self.with_subscriptions(vec![customer]).await,
            Err(Error::NotFound { .. }) => Ok(Page::default()),
            Err(error) => Err(error),
        }
    }

    /// A page of the subscriptions that are not canceled, of one customer or of all; none where the
    /// one that the page begins after is gone. A customer who is gone has none.
    pub async fn subscriptions(
        &self,
        customer: Option<&StripeCustomerId>,
        cursor: Option<&str>,
        size: PageSize,
    ) -> Result<Option<Page>, Error> {
        let list = ListSubscription::new().limit(size.get()).expand([SCHEDULE.to_owned()]);
        let list = with(list, cursor, ListSubscription::starting_after);
        let list = with(list, customer.map(StripeCustomerId::as_str), ListSubscription::customer);
        let read = match self.list(list.build(), cursor).await {
            Err(error) if customer.is_some() && is_missing(&error) => return Ok(Some(Page::default())),
            read => read?,
        };
        let Some(Listed { data, next }) = read else { return Ok(None) };
        Ok(Some(Page { subscriptions: self.whole(data).await?, next, ..Page::default() }))
    }

    /// A page of all products; none where the one that the page begins after is gone.
    pub async fn products(&self, cursor: Option<&str>, size: PageSize) -> Result<Option<Page>, Error> {
        let parameters = ListParameters { limit: size.get(), starting_after: cursor };
        let request = RequestBuilder::new(StripeMethod::Get, "/products").query(&parameters);
        let Some(Listed { data, next }) = self.list::<wire::Product>(request, cursor).await? else { return Ok(None) };
        let products = data.into_iter().map(wire::IntoProduct::into_product).collect();
        Ok(Some(Page { products, next, ..Page::default() }))
    }

    async fn customer_page(&self, request: RequestBuilder, cursor: Option<&str>) -> Result<Option<Page>, Error> {
        let Some(Listed { data, next }) = self.list(request, cursor).await? else { return Ok(None) };
        Ok(Some(Page { next, ..self.with_subscriptions(data).await? }))
    }

    /// Those of the customers that were not deleted, and their subscriptions.
    async fn with_subscriptions(&self, read: Vec<wire::Customer>) -> Result<Page, Error> {
        let mut page = Page::default();
        for mut customer in read {
            let brought = customer.subscriptions.take();
            let Ok(customer) = customer.alive() else { continue };
            match brought {
                Some(list) if list.has_more => page.subscriptions.extend(self.all_of(&customer.id).await?),
                Some(list) => page.subscriptions.extend(self.whole(readable(list.data)).await?),
                None => {}
            }
            page.customers.push(customer);
        }
        Ok(page)
    }

    /// Every subscription of a customer who has more than an expanded field shows.
    async fn all_of(&self, customer: &StripeCustomerId) -> Result<Vec<ListedSubscription>, Error> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.subscriptions(Some(customer), cursor.as_deref(), PageSize::MAX).await?;
            let Some(page) = page else {
                // The last one ended while we read; what follows it is read from the start again.
                (all, cursor) = (Vec::new(), None);
                continue;
            };
            all.extend(page.subscriptions);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// The same with all of their items, a few side by side.
    async fn whole(&self, listed: Vec<wire::BareSubscription>) -> Result<Vec<ListedSubscription>, Error> {
        let with_items: Vec<_> = listed.into_iter().map(|read| self.with_items(read)).collect();
        let whole = stream::iter(with_items).buffered(AT_A_TIME);
        whole.try_filter_map(async |whole| Ok(whole)).try_collect().await
    }

    /// With all of its items, of which a list holds the first page; none where those cannot be read.
    async fn with_items(&self, read: wire::BareSubscription) -> Result<Option<ListedSubscription>, Error> {
        let has_more = read.items.has_more;
        let mut subscription = StripeSubscription::from(read);
        if has_more {
            let items = match self.items_of(&subscription.id).await {
                Err(Error::Unreadable { wrong, .. }) => {
                    passed_over(Some(subscription.id.as_str()), &wrong);
                    return Ok(None);
                }
                items => items?,
            };
            subscription.items = items.data.into_iter().map(wire::Item::into_domain).collect();
        }
        Ok(Some(ListedSubscription::new(subscription)))
    }

    async fn list<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        cursor: Option<&str>,
    ) -> Result<Option<Listed<T>>, Error> {
        match self.get::<wire::List<Value>>(request, cursor.unwrap_or("the list")).await {
            Ok(list) => Ok(Some(Listed::from(list))),
            Err(error) if cursor.is_some() && is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What could not be read has a place in the list all the same.
impl<T: DeserializeOwned> From<wire::List<Value>> for Listed<T> {
    fn from(list: wire::List<Value>) -> Self {
        let next = list.data.iter().rev().find_map(id_of).filter(|_| list.has_more).map(str::to_owned);
        Self { data: readable(list.data), next }
    }
}

/// One misshapen object must not keep all others from being read.
fn readable<T: DeserializeOwned>(objects: Vec<Value>) -> Vec<T> {
    let read = |object: Value| {
        let id = id_of(&object).map(str::to_owned);
        untrusted::parse(object).inspect_err(|wrong| passed_over(id.as_deref(), wrong)).ok()
    };
    objects.into_iter().filter_map(read).collect()
}

fn id_of(object: &Value) -> Option<&str> {
    object["id"].as_str()
}

fn passed_over(id: Option<&str>, wrong: &str) {
    tracing::warn!(object = id.unwrap_or("without an id"), wrong, "an object in a list of Stripe's cannot be read");
}

/// Whether the object that a list was to begin after is gone: Stripe calls it `resource_missing`.
fn is_missing(error: &Error) -> bool {
    match error {
        Error::NotFound { .. } => true,
        Error::Refused(answer) => answer.codes.iter().any(|code| code == "resource_missing"),
        Error::Unreachable { .. }
        | Error::Declined(_)
        | Error::Unauthorized(_)
        | Error::Throttled(_)
        | Error::KeyTaken(_)
        | Error::Unavailable(_)
        | Error::Unreadable { .. }
        | Error::Forbidden(_) => false,
    }
}

fn is_among(customers: &[domain::stripe::StripeCustomer], id: &StripeCustomerId) -> bool {
    customers.iter().any(|customer| customer.id == *id)
}

/// A request with one more parameter, where there is a value for it.
fn with<'a, L>(list: L, value: Option<&'a str>, set: impl FnOnce(L, &'a str) -> L) -> L {
    match value {
        Some(value) => set(list, value),
        None => list,
    }
}

fn owned<const N: usize>(paths: [&str; N]) -> Vec<String> {
    paths.map(str::to_owned).into()
}

/// A clause of Stripe's search language, see <https://docs.stripe.com/search#search-query-language>.
fn quoted(field: &str, value: &str) -> String {
    format!("{field}:'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use domain::ids::ProductId;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_passed_over_and_the_list_goes_on_behind_it() {
        let data = vec![json!({"id": "prod_1"}), json!({"id": "prod_2", "name": 7}), json!("prod_3")];
        let list = |has_more| wire::List { data: data.clone(), has_more, next_page: None };
        let page = Listed::<wire::Product>::from(list(true));
        let read: Vec<ProductId> = page.data.into_iter().map(|product| product.id).collect();
        assert_eq!((read.as_slice(), page.next.as_deref()), (&["prod_1".parse().expect("an id")][..], Some("prod_2")));
        assert_eq!(Listed::<wire::Product>::from(list(false)).next, None);
    }

    #[test]
    fn a_value_cannot_leave_its_quotes_in_a_search() {
        assert_eq!(quoted("email", "o'hara@a.example"), r"email:'o\'hara@a.example'");
        assert_eq!(quoted("email", r"a\'b@a.example"), r"email:'a\\\'b@a.example'");
    }
}
