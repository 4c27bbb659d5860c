//! What the store, the portal and the people behind them do at Stripe.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Double;

/// What the store has made at Stripe before it starts an onboarding.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// `cus_…`.
    pub customer: String,
    /// `sub_…`.
    pub subscription: String,
    /// How many seats were bought.
    pub quantity: i64,
}

impl Double {
    /// `metadata[key]` of an object, or the empty text.
    pub fn metadata(&self, path: &str, key: &str) -> Result<String> {
        Ok(self.get(path)?["metadata"][key].as_str().unwrap_or_default().to_owned())
    }

    /// A customer who can pay, and who waits for a tenant.
    pub fn customer(&self, email: &str) -> Result<String> {
        let customer = self.old_customer(email)?;
        self.post(&format!("/customers/{customer}"), &[("metadata[pending_tenant]", "true")])?;
        Ok(customer)
    }

    /// A customer who can pay, and whom no onboarding waits for.
    pub fn old_customer(&self, email: &str) -> Result<String> {
        let customer = self.make("/customers", &[("email", email)])?;
        self.post("/payment_methods/pm_card_visa/attach", &[("customer", &customer)])?;
        self.post(&format!("/customers/{customer}"), &[("invoice_settings[default_payment_method]", "pm_card_visa")])?;
        Ok(customer)
    }

    /// A monthly price per seat.
    pub fn price(&self) -> Result<String> {
        let product = [("product_data[name]", "Seats"), ("recurring[interval]", "month")];
        self.make("/prices", &[product[0], product[1], ("currency", "usd"), ("unit_amount", "1000")])
    }

    /// A subscription of that many seats.
    pub fn subscription(&self, customer: &str, price: &str, quantity: i64) -> Result<String> {
        let quantity = quantity.to_string();
        self.make(
            "/subscriptions",
            &[("customer", customer), ("items[0][price]", price), ("items[0][quantity]", &quantity)],
        )
    }

    /// The portal's change of a subscription's only item.
    pub fn set_quantity(&self, subscription: &str, quantity: i64) -> Result<()> {
        self.set_item_quantity(subscription, &self.first_item(subscription)?, quantity)
    }

    fn first_item(&self, subscription: &str) -> Result<String> {
        let found = self.get(&format!("/subscriptions/{subscription}"))?;
        Ok(found["items"]["data"][0]["id"].as_str().context("an item")?.to_owned())
    }

    fn set_item_quantity(&self, subscription: &str, item: &str, quantity: i64) -> Result<()> {
        let item = [("items[0][id]", item), ("items[0][quantity]", &quantity.to_string())];
        // Without a proration nothing else happens that there would be events of.
        let form = [item[0], item[1], ("proration_behavior", "none")];
        self.post(&format!("/subscriptions/{subscription}"), &form).map(drop)
    }

    /// Has the quantity of each item that has one change when the period ends, the way licences are
    /// given back. Answers the schedule's id.
    pub fn schedule_quantity(&self, subscription: &str, quantity: i64) -> Result<String> {
        let made = self.post("/subscription_schedules", &[("from_subscription", subscription)])?;
        let (id, phase) = (made["id"].as_str().context("a schedule")?, &made["phases"][0]);
        let mut form = vec![
            ("end_behavior".to_owned(), "release".to_owned()),
            ("phases[1][proration_behavior]".to_owned(), "none".to_owned()),
        ];
        // The phase that runs stays as it is.
        for moment in ["start_date", "end_date", "trial_end"] {
            let at = phase[moment].as_i64();
            form.extend(at.map(|at| (format!("phases[0][{moment}]"), at.to_string())));
        }
        for (n, item) in phase["items"].as_array().context("its items")?.iter().enumerate() {
            let price = item["price"].as_str().context("a price")?;
            let now = item["quantity"].as_i64();
            for (place, quantity) in [(0, now), (1, now.map(|_| quantity))] {
                let field = |name| format!("phases[{place}][items][{n}][{name}]");
                form.push((field("price"), price.to_owned()));
                form.extend(quantity.map(|quantity| (field("quantity"), quantity.to_string())));
            }
        }
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&format!("/subscription_schedules/{id}"), &form)?;
        Ok(id.to_owned())
    }

    /// Changes the quantity, and holds the read that the change will lead to.
    pub fn set_quantity_and_hold(&self, subscription: &str, quantity: i64, phase: &str) -> Result<String> {
        // After our own read.
        let item = self.first_item(subscription)?;
        let hold = self.hold("GET", &format!("/v1/subscriptions/{subscription}"), phase, 0)?;
        self.set_item_quantity(subscription, &item, quantity)?;
        Ok(hold)
    }

    /// Ends a subscription now.
    pub fn cancel(&self, subscription: &str) -> Result<()> {
        self.delete(&format!("/subscriptions/{subscription}")).map(drop)
    }

    /// Every snapshot event of that type, newest first.
    pub fn events(&self, kind: &str) -> Result<Vec<Value>> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events.last().and_then(|event| event["id"].as_str());
            let after = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
            let page = self.get(&format!("/events?type={kind}&limit=100{after}"))?;
            events.extend(page["data"].as_array().context("a page of events")?.iter().cloned());
            if page["has_more"] != true {
                return Ok(events);
            }
        }
    }

    /// What the store's checkout leaves behind: a customer with a paid subscription.
    pub fn buy(&self, quantity: i64) -> Result<Purchase> {
        let customer = self.customer("Ann@Example.com")?;
        let subscription = self.subscription(&customer, &self.price()?, quantity)?;
        Ok(Purchase { customer, subscription, quantity })
    }

    /// An open checkout session for that many seats.
    pub fn session(&self, customer: &str, quantity: i64) -> Result<String> {
        let (price, quantity) = (self.price()?, quantity.to_string());
        self.make(
            "/checkout/sessions",
            &[
                ("mode", "subscription"),
                ("customer", customer),
                ("line_items[0][price]", &price),
                ("line_items[0][quantity]", &quantity),
                ("success_url", "https://shop.example.com/done"),
            ],
        )
    }

    /// The person behind an open session pays.
    pub fn pay(&self, session: &str) -> Result<()> {
        self.admin("POST", &format!("/checkout/sessions/{session}/complete"), &json!({})).map(drop)
    }

    /// A purchase through a checkout session, and the session.
    pub fn check_out(&self, quantity: i64) -> Result<(Purchase, String)> {
        let customer = self.customer("Ann@Example.com")?;
        let session = self.session(&customer, quantity)?;
        self.pay(&session)?;
        let subscription = self.get(&format!("/checkout/sessions/{session}"))?["subscription"].clone();
        let subscription = subscription.as_str().context("a paid session has a subscription")?.to_owned();
        Ok((Purchase { customer, subscription, quantity }, session))
    }
}
