//! Stripe, as those use it who sell and buy: the store's checkout, and the customer in the portal.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use stack::http;

use super::plan::{BEARER, Plan};

/// In cents, a licence and month.
const UNIT_AMOUNT: &str = "4900";

/// How the price of an earlier start is found again.
const LOOKUP_KEY: &str = "tenantry_demo_licence";

/// The Stripe double, with the store's key.
pub(super) struct Shop {
    address: String,
}

impl Shop {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { address: plan.stripe_address() }
    }

    /// Somebody with a card, marked as the store marks whom it is about to onboard.
    pub(super) fn customer(&self, email: &str, name: &str) -> Result<String> {
        let customer =
            self.post("/v1/customers", &[("email", email), ("name", name), ("metadata[pending_tenant]", "true")])?;
        let customer = id(&customer)?;
        let card = id(&self.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", &customer)])?)?;
        let default = [("invoice_settings[default_payment_method]", card.as_str())];
        self.post(&format!("/v1/customers/{customer}"), &default)?;
        Ok(customer)
    }

    pub(super) fn is_onboarded(&self, customer: &str) -> Result<bool> {
        let customer = self.get(&format!("/v1/customers/{customer}"))?;
        Ok(customer["metadata"]["onboarded"] == "true")
    }

    /// Made once: the next start finds it.
    pub(super) fn price(&self) -> Result<String> {
        let known = self.get(&format!("/v1/prices?lookup_keys%5B%5D={LOOKUP_KEY}"))?;
        if let Some(price) = known["data"].get(0) {
            return id(price);
        }
        let product = id(&self.post("/v1/products", &[("name", "Demo licence")])?)?;
        let form = [
            ("product", product.as_str()),
            ("currency", "usd"),
            ("unit_amount", UNIT_AMOUNT),
            ("recurring[interval]", "month"),
            ("lookup_key", LOOKUP_KEY),
        ];
        id(&self.post("/v1/prices", &form)?)
    }

    /// Ids of the subscription and of its only item.
    pub(super) fn subscribe(&self, customer: &str, price: &str, quantity: u64) -> Result<(String, String)> {
        let quantity = quantity.to_string();
        let form = [("customer", customer), ("items[0][price]", price), ("items[0][quantity]", quantity.as_str())];
        let subscription = self.post("/v1/subscriptions", &form)?;
        Ok((id(&subscription)?, id(&subscription["items"]["data"][0])?))
    }

    /// What the portal does when a customer takes more or fewer, and the event that tells of it.
    pub(super) fn change_quantity(&self, subscription: &str, item: &str, quantity: u64) -> Result<String> {
        let form = [("items[0][id]", item), ("items[0][quantity]", &quantity.to_string())];
        self.post(&format!("/v1/subscriptions/{subscription}"), &form)?;
        let events = self.get("/v1/events?type=customer.subscription.updated&limit=20")?;
        let tells = |event: &&Value| {
            let data = &event["data"];
            data["object"]["id"] == subscription && data["previous_attributes"]["items"].is_object()
        };
        let told = events["data"].as_array().into_iter().flatten().find(tells);
        id(told.with_context(|| format!("Stripe has no event of the change of {subscription}"))?)
    }

    fn get(&self, path: &str) -> Result<Value> {
        answer(http::get(&self.address, path, &[("Authorization", BEARER)])?)
            .with_context(|| format!("the Stripe double refused GET {path}"))
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        answer(http::post_form(&self.address, path, &[("Authorization", BEARER)], form)?)
            .with_context(|| format!("the Stripe double refused POST {path}"))
    }
}

fn answer(answer: http::Response) -> Result<Value> {
    if answer.status != 200 {
        bail!("status {}: {}", answer.status, answer.body);
    }
    Ok(serde_json::from_str(&answer.body)?)
}

fn id(object: &Value) -> Result<String> {
    object["id"].as_str().map(String::from).with_context(|| format!("no `id` in {object}"))
}
