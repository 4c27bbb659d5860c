//! Stripe's lists, by the page: see <https://docs.stripe.com/api/pagination>.

use domain::ids::StripeCustomerId;
use domain::stripe::StripeSubscription;
use domain::walk::{ListedSubscription, Page, PageSize};
use domain::words::Email;
use serde::Serialize;
use serde::de::DeserializeOwned;
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
        let found = self.get::<wire::List<wire::Customer>>(search.build(), "a customer of that e-mail").await?;
        let next = found.next_page.clone().filter(|_| found.has_more);
        let mut page = self.with_subscriptions(found.data).await?;
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
    /// one that the page begins after is gone.
    pub async fn subscriptions(
        &self,
        customer: Option<&StripeCustomerId>,
        cursor: Option<&str>,
        size: PageSize,
    ) -> Result<Option<Page>, Error> {
        let list = ListSubscription::new().limit(size.get()).expand([SCHEDULE.to_owned()]);
        let list = with(list, cursor, ListSubscription::starting_after);
        let list = with(list, customer.map(StripeCustomerId::as_str), ListSubscription::customer);
        let Some(read) = self.list::<wire::BareSubscription>(list.build(), cursor).await? else { return Ok(None) };
        let next = read.data.last().filter(|_| read.has_more).map(|last| last.id.to_string());
        Ok(Some(Page { subscriptions: self.whole(read.data).await?, next, ..Page::default() }))
    }

    /// A page of all products; none where the one that the page begins after is gone.
    pub async fn products(&self, cursor: Option<&str>, size: PageSize) -> Result<Option<Page>, Error> {
        let parameters = ListParameters { limit: size.get(), starting_after: cursor };
        let request = RequestBuilder::new(StripeMethod::Get, "/products").query(&parameters);
        let Some(read) = self.list::<wire::Product>(request, cursor).await? else { return Ok(None) };
        let next = read.data.last().filter(|_| read.has_more).map(|last| last.id.to_string());
        let products = read.data.into_iter().map(wire::IntoProduct::into_product).collect();
        Ok(Some(Page { products, next, ..Page::default() }))
    }

    async fn customer_page(&self, request: RequestBuilder, cursor: Option<&str>) -> Result<Option<Page>, Error> {
        let Some(read) = self.list::<wire::Customer>(request, cursor).await? else { return Ok(None) };
        let next = read.data.last().filter(|_| read.has_more).map(|last| last.id.to_string());
        Ok(Some(Page { next, ..self.with_subscriptions(read.data).await? }))
    }

    /// Those of the customers that were not deleted, and their subscriptions.
    async fn with_subscriptions(&self, read: Vec<wire::Customer>) -> Result<Page, Error> {
        let mut page = Page::default();
        for mut customer in read {
            let brought = customer.subscriptions.take();
            let Ok(customer) = customer.alive() else { continue };
            match brought {
                Some(list) if list.has_more => page.subscriptions.extend(self.all_of(&customer.id).await?),
                Some(list) => page.subscriptions.extend(self.whole(list.data).await?),
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

    /// The same with all of their items; a list holds the first page of them.
    async fn whole(&self, listed: Vec<wire::BareSubscription>) -> Result<Vec<ListedSubscription>, Error> {
        let mut all = Vec::with_capacity(listed.len());
        for read in listed {
            let has_more = read.items.has_more;
            let mut subscription = StripeSubscription::from(read);
            if has_more {
                let items = self.items_of(&subscription.id).await?;
                subscription.items = items.data.into_iter().map(wire::Item::into_domain).collect();
            }
            all.push(ListedSubscription::new(subscription));
        }
        Ok(all)
    }

    async fn list<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        cursor: Option<&str>,
    ) -> Result<Option<wire::List<T>>, Error> {
        match self.get(request, cursor.unwrap_or("the list")).await {
            Ok(list) => Ok(Some(list)),
            Err(error) if cursor.is_some() && is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
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
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes_in_a_search() {
        assert_eq!(quoted("email", "o'hara@a.example"), r"email:'o\'hara@a.example'");
        assert_eq!(quoted("email", r"a\'b@a.example"), r"email:'a\\\'b@a.example'");
    }
}
