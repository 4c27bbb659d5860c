//! STUB until imp's.
use domain::ids::StripeSubscriptionId;
use serde::Deserialize;
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::error::Error;
use crate::transport::Stripe;
use crate::wire;

#[derive(Deserialize)]
struct Id {
    id: StripeSubscriptionId,
}

impl Stripe {
    /// stub
    pub async fn stub_subscriptions(&self, customer: Option<&str>) -> Result<Vec<StripeSubscriptionId>, Error> {
        let mut all: Vec<StripeSubscriptionId> = Vec::new();
        loop {
            let mut query = "limit=100".to_owned();
            if let Some(customer) = customer {
                query += &format!("&customer={customer}");
            }
            if let Some(last) = all.last() {
                query += &format!("&starting_after={last}");
            }
            let mut request = RequestBuilder::new(StripeMethod::Get, "/subscriptions");
            request.query = Some(query);
            let page = self.get::<wire::List<Id>>(request, "list").await?;
            all.extend(page.data.into_iter().map(|one| one.id));
            if !page.has_more {
                return Ok(all);
            }
        }
    }
}
