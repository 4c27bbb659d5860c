//! What Stripe has of somebody's licences, and what they pay with.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Double, Purchase};

impl Double {
    /// The quantity of a subscription's only item, and the one that its schedule will bring.
    pub fn licenses(&self, subscription: &str) -> Result<(i64, Option<i64>)> {
        let read = self.get(&format!("/subscriptions/{subscription}?expand[]=schedule"))?;
        let quantity = read["items"]["data"][0]["quantity"].as_i64().context("a quantity")?;
        let schedule = &read["schedule"];
        let phases = schedule["phases"].as_array().into_iter().flatten();
        let mut coming = phases.filter(|phase| phase["start_date"] == schedule["current_phase"]["end_date"]);
        Ok((quantity, coming.next().and_then(|phase| phase["items"][0]["quantity"].as_i64())))
    }

    /// Every invoice of a subscription, newest first.
    pub fn invoices(&self, subscription: &str) -> Result<Vec<Value>> {
        let page = self.get(&format!("/invoices?subscription={subscription}&limit=100"))?;
        page["data"].as_array().cloned().context("a page of invoices")
    }

    /// Has the customer pay with that card from now on, e.g. `pm_card_chargeCustomerFail`.
    pub fn pay_with(&self, customer: &str, card: &str) -> Result<()> {
        let method = self.make(&format!("/payment_methods/{card}/attach"), &[("customer", customer)])?;
        let default = [("invoice_settings[default_payment_method]", method.as_str())];
        self.post(&format!("/customers/{customer}"), &default).map(drop)
    }

    /// A customer in the trial of a subscription.
    pub fn try_out(&self, quantity: i64) -> Result<Purchase> {
        let customer = self.customer("Ann@Example.com")?;
        let (price, seats) = (self.price()?, quantity.to_string());
        let form = [
            ("customer", customer.as_str()),
            ("items[0][price]", &price),
            ("items[0][quantity]", &seats),
            ("trial_period_days", "14"),
        ];
        let subscription = self.make("/subscriptions", &form)?;
        Ok(Purchase { customer, subscription, quantity })
    }
}
