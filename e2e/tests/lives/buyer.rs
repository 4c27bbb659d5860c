//! What a customer does at Stripe, at random.

use anyhow::{Result, bail};
use e2e::Double;
use serde_json::Value;

use crate::chance::Chance;
use crate::shop::Prices;

/// A customer, and what its subscriptions are tagged with.
pub(crate) struct Buyer<'a> {
    double: &'a Double,
    prices: &'a Prices,
    pub(crate) id: String,
    /// `metadata.tenant_id` of its subscriptions, if they have one.
    tag: Option<String>,
    /// The first first.
    pub(crate) subscriptions: Vec<String>,
}

type Form = Vec<(String, String)>;
type Act = fn(&mut Buyer<'_>, &mut Chance) -> Result<String>;

/// What can be done, and how often it is, against each other.
const ACTS: [(usize, Act); 14] = [
    (4, |buyer, chance| buyer.subscribe(chance, None)),
    (6, |buyer, chance| buyer.change_quantity(chance)),
    (3, |buyer, chance| buyer.switch_plan(chance)),
    (2, |buyer, chance| buyer.add_item(chance)),
    (2, |buyer, chance| buyer.remove_item(chance)),
    (2, |buyer, chance| buyer.cancel_at_period_end(chance)),
    (2, |buyer, chance| buyer.cancel_later(chance)),
    (2, |buyer, chance| buyer.cancel_now(chance)),
    (3, |buyer, chance| buyer.change_card(chance)),
    (2, |buyer, chance| buyer.pay(chance)),
    (1, |buyer, chance| buyer.end_trial(chance)),
    (4, |buyer, chance| buyer.schedule(chance)),
    (1, |buyer, chance| buyer.release(chance)),
    (2, |buyer, chance| buyer.pause_or_resume(chance)),
];

/// How often, in a hundred, nothing is done and time passes.
const WAITS: usize = 18;
const SUBSCRIPTIONS_MAX: usize = 3;
const DAY: u64 = 86_400;

impl<'a> Buyer<'a> {
    pub(crate) fn new(double: &'a Double, prices: &'a Prices, tag: Option<String>) -> Result<Self> {
        let id = double.customer("ann@example.com")?;
        Ok(Self { double, prices, id, tag, subscriptions: Vec::new() })
    }

    /// Does something or lets time pass, for everybody at this Stripe, and tells what.
    pub(crate) fn act(&mut self, chance: &mut Chance) -> Result<String> {
        if chance.percent(WAITS) { self.wait(chance) } else { self.do_something(chance) }
    }

    /// Does something, and tells what. What Stripe refuses was not to be done, which is fine.
    pub(crate) fn do_something(&mut self, chance: &mut Chance) -> Result<String> {
        let mut place = chance.below(ACTS.iter().map(|(weight, _)| weight).sum());
        for (weight, act) in ACTS {
            if place < weight {
                return forgive(act(self, chance));
            }
            place -= weight;
        }
        bail!("the weights do not add up")
    }

    /// Subscribes; tagged with another tenant than its own if one is given.
    pub(crate) fn subscribe(&mut self, chance: &mut Chance, foreign: Option<&str>) -> Result<String> {
        if self.subscriptions.len() == SUBSCRIPTIONS_MAX {
            return Ok("has enough subscriptions".to_owned());
        }
        let mut form = vec![("customer".to_owned(), self.id.clone())];
        let mut prices = self.prices.all();
        let items = if chance.percent(70) { 1 } else { 1 + chance.below(3) };
        // Plans come first, so that most subscriptions are good for licences.
        chance.shuffle(&mut prices[..2]);
        if chance.percent(20) {
            chance.shuffle(&mut prices);
        }
        for (n, price) in prices.iter().take(items).enumerate() {
            form.push((format!("items[{n}][price]"), (*price).to_owned()));
            if *price != self.prices.metered {
                form.push((format!("items[{n}][quantity]"), chance.below(30).to_string()));
            }
        }
        self.extras(chance, foreign, &mut form);
        let id = self.double.make("/subscriptions", &borrowed(&form))?;
        self.subscriptions.push(id.clone());
        Ok(format!("subscribed {id} {form:?}"))
    }

    fn extras(&self, chance: &mut Chance, foreign: Option<&str>, form: &mut Form) {
        if chance.percent(20) {
            form.push(("trial_period_days".to_owned(), (1 + chance.below(30)).to_string()));
            let end = chance.pick(&["cancel", "create_invoice", "pause", "pause"]).copied().unwrap_or_default();
            form.push(("trial_settings[end_behavior][missing_payment_method]".to_owned(), end.to_owned()));
        }
        if chance.percent(10) {
            form.push(("payment_behavior".to_owned(), "default_incomplete".to_owned()));
        }
        if chance.percent(15) {
            form.push(("metadata[addon_key]".to_owned(), "storage".to_owned()));
        }
        if let Some(tag) = foreign.or(self.tag.as_deref()) {
            form.push(("metadata[tenant_id]".to_owned(), tag.to_owned()));
        }
    }

    fn change_quantity(&mut self, chance: &mut Chance) -> Result<String> {
        let (id, item) = self.an_item(chance)?;
        let quantity = chance.below(40).to_string();
        self.update(&id, &[("items[0][id]", &item), ("items[0][quantity]", &quantity)])
    }

    fn switch_plan(&mut self, chance: &mut Chance) -> Result<String> {
        let (id, item) = self.an_item(chance)?;
        let price = chance.pick(&self.prices.licenses).cloned().unwrap_or_default();
        self.update(&id, &[("items[0][id]", &item), ("items[0][price]", &price)])
    }

    fn add_item(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        let price = chance.pick(&self.prices.all()).copied().unwrap_or_default().to_owned();
        self.update(&id, &[("items[0][price]", &price)])
    }

    fn remove_item(&mut self, chance: &mut Chance) -> Result<String> {
        let (_, item) = self.an_item(chance)?;
        self.double.delete(&format!("/subscription_items/{item}"))?;
        Ok(format!("removed {item}"))
    }

    fn cancel_at_period_end(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        let is_wanted = chance.percent(70).to_string();
        self.update(&id, &[("cancel_at_period_end", &is_wanted)])
    }

    fn cancel_later(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        let now = self.double.admin("GET", "/clock", &Value::Null)?["now"].as_i64().unwrap_or_default();
        let moment =
            if chance.percent(80) { (now + 86_400 * (1 + chance.below(60) as i64)).to_string() } else { String::new() };
        self.update(&id, &[("cancel_at", &moment)])
    }

    fn cancel_now(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        self.double.delete(&format!("/subscriptions/{id}"))?;
        Ok(format!("canceled {id}"))
    }

    fn change_card(&mut self, chance: &mut Chance) -> Result<String> {
        let path = format!("/customers/{}", self.id);
        let card = match chance.below(10) {
            0..5 => "pm_card_chargeCustomerFail",
            5..8 => "pm_card_visa",
            _ => {
                let card = self.double.get(&path)?["invoice_settings"]["default_payment_method"].clone();
                let card = card.as_str().unwrap_or("pm_none");
                self.double.post(&format!("/payment_methods/{card}/detach"), &[])?;
                return Ok("has no card".to_owned());
            }
        };
        let attached = self.double.make(&format!("/payment_methods/{card}/attach"), &[("customer", &self.id)])?;
        self.double.post(&path, &[("invoice_settings[default_payment_method]", &attached)])?;
        Ok(format!("pays with {card}"))
    }

    fn pay(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        let invoice = self.double.get(&format!("/subscriptions/{id}"))?["latest_invoice"].clone();
        let invoice = invoice.as_str().unwrap_or_default().to_owned();
        self.double.post(&format!("/invoices/{invoice}/pay"), &[])?;
        Ok(format!("paid {invoice} of {id}"))
    }

    fn end_trial(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        self.update(&id, &[("trial_end", "now")])
    }

    fn wait(&mut self, chance: &mut Chance) -> Result<String> {
        let days = 1 + chance.below(60) as u64;
        self.double.advance(days * DAY)?;
        Ok(format!("{days} days passed"))
    }

    /// Another quantity from the period's end on, the way licences are given back.
    fn schedule(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        let quantity = chance.below(10) as i64;
        let schedule = self.double.schedule_quantity(&id, quantity)?;
        Ok(format!("{schedule} will bring {quantity}"))
    }

    fn release(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        let schedule = self.double.get(&format!("/subscriptions/{id}"))?["schedule"].clone();
        let schedule = schedule.as_str().unwrap_or("none").to_owned();
        self.double.post(&format!("/subscription_schedules/{schedule}/release"), &[])?;
        Ok(format!("released {schedule}"))
    }

    fn pause_or_resume(&mut self, chance: &mut Chance) -> Result<String> {
        let id = self.a_subscription(chance)?;
        if chance.percent(60) {
            return self.update(&id, &[("pause_collection[behavior]", "void")]);
        }
        if chance.percent(50) {
            return self.update(&id, &[("pause_collection", "")]);
        }
        self.double.post(&format!("/subscriptions/{id}/resume"), &[])?;
        Ok(format!("resumed {id}"))
    }

    /// Ends what still runs, so that time passes without it. Nobody is told any more.
    pub(crate) fn leave(&self) -> Result<()> {
        self.double.delete(&format!("/customers/{}", self.id)).map(drop)
    }

    fn update(&self, subscription: &str, form: &[(&str, &str)]) -> Result<String> {
        self.double.post(&format!("/subscriptions/{subscription}"), form)?;
        Ok(format!("updated {subscription} {form:?}"))
    }

    fn a_subscription(&self, chance: &mut Chance) -> Result<String> {
        Ok(chance.pick(&self.subscriptions).cloned().unwrap_or_else(|| "sub_none".to_owned()))
    }

    fn an_item(&self, chance: &mut Chance) -> Result<(String, String)> {
        let id = self.a_subscription(chance)?;
        let items = self.double.get(&format!("/subscriptions/{id}"))?["items"]["data"].take();
        let items = items.as_array().cloned().unwrap_or_default();
        let item = chance.pick(&items).and_then(|item| item["id"].as_str()).unwrap_or("si_none").to_owned();
        Ok((id, item))
    }

    /// All that Stripe holds of the customer's subscriptions, with their schedules.
    pub(crate) fn all_at_stripe(&self) -> Result<Vec<Value>> {
        let path = format!("/subscriptions?customer={}&status=all&limit=100&expand[]=data.schedule", self.id);
        Ok(self.double.get(&path)?["data"].as_array().cloned().unwrap_or_default())
    }
}

fn borrowed(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Stripe's no is part of life. Anything else is not.
fn forgive(done: Result<String>) -> Result<String> {
    match done {
        Err(error) if format!("{error:#}").contains("the double answered 4") => Ok(format!("was refused: {error}")),
        done => done,
    }
}
