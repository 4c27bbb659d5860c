//! Previews of invoices, held against the invoices that are then really made.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, Reply};

const DAY: i64 = 86_400;

/// A subscription of 10 seats in the middle of its period, on a clock that stands still.
struct Sold {
    double: Double,
    id: String,
    item: String,
}

impl Sold {
    /// The price costs `unit_amount` and says the rest by itself.
    async fn at(unit_amount: i64, price: &str, more: &str) -> Self {
        let double = Double::start();
        double.freeze().await;
        let customer = double.customer_with("pm_card_visa").await;
        let form = format!("unit_amount={unit_amount}&recurring[interval]=month&product_data[name]=Pro&{price}");
        let price = double.post("/v1/prices", &form).await.id();
        let sold = double.subscribe(&customer, &price, more).await;
        let item = sold.body["items"]["data"][0]["id"].as_str().expect("an item").to_owned();
        let sold = Self { id: sold.id(), item, double };
        sold.advance(11 * DAY + 1_234).await;
        sold
    }

    async fn usd() -> Self {
        Self::at(1_999, "currency=usd", "").await
    }

    async fn advance(&self, secs: i64) {
        self.double.admin(Method::POST, "/clock", json!({"advance_secs": secs})).await;
    }

    /// The details are those of `subscription_details`, e.g. `proration_behavior=none`.
    async fn preview(&self, quantity: i64, details: &str) -> Reply {
        let nested: String = details.split('&').filter(|pair| !pair.is_empty()).fold(String::new(), |form, pair| {
            let (name, value) = pair.split_once('=').expect("a pair");
            format!("{form}&subscription_details[{name}]={value}")
        });
        let item = format!("subscription_details[items][0][id]={}", self.item);
        let form =
            format!("subscription={}&{item}&subscription_details[items][0][quantity]={quantity}{nested}", self.id);
        self.double.post("/v1/invoices/create_preview", &form).await
    }

    async fn change(&self, quantity: i64, more: &str) {
        let form = format!("items[0][id]={}&items[0][quantity]={quantity}&{more}", self.item);
        let reply = self.double.post(&format!("/v1/subscriptions/{}", self.id), &form).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    /// The newest invoice.
    async fn billed(&self) -> Value {
        self.double.get("/v1/invoices?limit=1").await.body["data"][0].clone()
    }

    async fn renew(&self) {
        self.advance(31 * DAY).await;
    }
}

/// What is compared: the money, and what each line is for.
fn gist(invoice: &Value) -> Value {
    let lines = invoice["lines"]["data"].as_array().cloned().unwrap_or_else(|| panic!("{invoice}"));
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| json!([line["amount"], line["quantity"], line["period"], line["pricing"]["price_details"]]))
        .collect();
    json!([invoice["amount_due"], invoice["total"], invoice["currency"], invoice["period_end"], lines])
}

#[tokio::test]
async fn what_is_billed_now_was_previewed_to_the_cent() {
    for (unit_amount, price, quantity) in [
        (1_999, "currency=usd", 13),
        (1_999, "currency=usd", 7),
        (777, "currency=jpy", 11),
        (12_345, "currency=kwd", 101),
    ] {
        let sold = Sold::at(unit_amount, price, "").await;
        let preview = sold.preview(quantity, "proration_behavior=always_invoice").await;
        assert_eq!((&preview.body["status"], &preview.body["billing_reason"]), (&json!("draft"), &json!("upcoming")));
        sold.change(quantity, "proration_behavior=always_invoice").await;
        assert_eq!(gist(&preview.body), gist(&sold.billed().await), "{quantity} of {price}");
    }
}

#[tokio::test]
async fn the_day_of_the_proration_can_be_said() {
    let sold = Sold::usd().await;
    let subscription = sold.double.get(&format!("/v1/subscriptions/{}", sold.id)).await.body;
    let start = subscription["items"]["data"][0]["current_period_start"].as_i64().expect("seconds");
    let terms = format!("proration_behavior=always_invoice&proration_date={start}");
    let preview = sold.preview(13, &terms).await;
    assert_eq!(preview.body["amount_due"], 3 * 1_999, "a whole period");
    sold.change(13, &terms).await;
    assert_eq!(gist(&preview.body), gist(&sold.billed().await));
    let outside = format!("proration_date={}", start - 1);
    assert_eq!(sold.preview(14, &outside).await.refusal().3, "proration_date");
}

#[tokio::test]
async fn the_next_renewal_is_what_the_preview_said() {
    for (terms, quantity) in [("proration_behavior=none", 7), ("proration_behavior=create_prorations", 13), ("", 12)] {
        let sold = Sold::usd().await;
        let preview = sold.preview(quantity, terms).await;
        sold.change(quantity, terms).await;
        sold.renew().await;
        assert_eq!(gist(&preview.body), gist(&sold.billed().await), "{terms}");
    }
}

#[tokio::test]
async fn a_trial_is_billed_when_it_ends_and_not_before() {
    let sold = Sold::at(1_000, "currency=usd", "&trial_period_days=20").await;
    let preview = sold.preview(13, "proration_behavior=always_invoice").await;
    assert_eq!(preview.body["amount_due"], 13_000);
    sold.change(13, "proration_behavior=always_invoice").await;
    sold.advance(9 * DAY).await;
    assert_eq!(gist(&preview.body), gist(&sold.billed().await));
}

/// A schedule of two phases: the number now, and from the end of the period on.
fn phases(schedule: &Value, now: i64, next: i64, prefix: &str) -> String {
    let phase = &schedule["phases"][0];
    let price = phase["items"][0]["price"].as_str().expect("a price");
    let said = [
        (0, "[start_date]", phase["start_date"].to_string()),
        (0, "[end_date]", phase["end_date"].to_string()),
        (0, "[items][0][price]", price.to_owned()),
        (0, "[items][0][quantity]", now.to_string()),
        (1, "[items][0][price]", price.to_owned()),
        (1, "[items][0][quantity]", next.to_string()),
        (1, "[duration][interval]", "month".to_owned()),
        (1, "[proration_behavior]", "none".to_owned()),
    ];
    let (name, close) = if prefix.is_empty() { ("phases".to_owned(), "") } else { (format!("{prefix}[phases"), "]") };
    said.iter().fold(String::new(), |form, (n, field, value)| format!("{form}&{name}{close}[{n}]{field}={value}"))
}

#[tokio::test]
async fn a_change_that_waits_is_in_the_next_renewal() {
    let sold = Sold::usd().await;
    let made = sold.double.post("/v1/subscription_schedules", &format!("from_subscription={}", sold.id)).await;
    let path = format!("/v1/subscription_schedules/{}", made.id());
    let reply = sold.double.post(&path, &format!("end_behavior=release{}", phases(&made.body, 10, 4, ""))).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let preview = async |form: String| sold.double.post("/v1/invoices/create_preview", &form).await.body;
    let as_it_is = preview(format!("subscription={}", sold.id)).await;
    assert_eq!(as_it_is["amount_due"], 4 * 1_999, "{as_it_is}");
    assert_eq!(gist(&preview(format!("schedule={}", made.id())).await), gist(&as_it_is));
    let rewritten = phases(&made.body, 10, 6, "schedule_details");
    let other = preview(format!("schedule={}{rewritten}", made.id())).await;
    assert_eq!(other["amount_due"], 6 * 1_999, "{other}");
    let form = format!("schedule={}&schedule_details[phases][0][coupon]=x", made.id());
    let unknown = sold.double.post("/v1/invoices/create_preview", &form).await;
    assert_eq!(unknown.refusal().3, "schedule_details[phases][0][coupon]");
    let credited =
        phases(&made.body, 3, 3, "schedule_details") + "&schedule_details[proration_behavior]=create_prorations";
    let credited = preview(format!("schedule={}{credited}", made.id())).await;
    assert_eq!(credited["lines"]["data"].as_array().map(Vec::len), Some(2), "{credited}");
    sold.renew().await;
    assert_eq!(gist(&as_it_is), gist(&sold.billed().await));
}

#[tokio::test]
async fn a_preview_leaves_nothing_behind() {
    let sold = Sold::usd().await;
    let paths = [
        format!("/v1/subscriptions/{}?expand[]=schedule", sold.id),
        "/v1/invoices?limit=100".into(),
        "/v1/events?limit=100".into(),
        "/v1/invoiceitems".into(),
    ];
    let look = async || {
        let mut seen = Vec::new();
        for path in &paths {
            seen.push(sold.double.get(path).await.body);
        }
        seen
    };
    let before = look().await;
    let mut ids = Vec::new();
    for terms in ["proration_behavior=always_invoice", "proration_behavior=create_prorations"] {
        ids.push(sold.preview(13, terms).await.id());
    }
    assert_eq!(look().await, before);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(sold.double.get(&format!("/v1/invoices/{}", ids[0])).await.status, 404);
}

#[tokio::test]
async fn what_cannot_be_previewed_is_refused() {
    let sold = Sold::usd().await;
    let check = async |form: &str, status: u16, code: &str, param: &str| {
        let reply = sold.double.post("/v1/invoices/create_preview", form).await;
        let (found, _, said, named) = reply.refusal();
        assert_eq!((found, said, named), (status, code, param), "{form}: {}", reply.text);
    };
    let (id, details) = (format!("subscription={}", sold.id), "subscription_details");
    check("", 400, "", "").await;
    check("subscription=sub_nobody", 400, "resource_missing", "subscription").await;
    check(&format!("{id}&customer=cus_other"), 400, "", "subscription").await;
    let unknown = format!("{details}[items][0][quantities]");
    check(&format!("{id}&{unknown}=1"), 400, "parameter_unknown", &unknown).await;
    check(&format!("{id}&schedule=sub_sched_1"), 400, "", "").await;
    check("schedule=sub_sched_1", 400, "resource_missing", "schedule").await;
    let item = format!("{details}[items][0][id]");
    check(&format!("{id}&{item}=si_x"), 400, "resource_missing", &item).await;
    check(&format!("{id}&{details}[cancel_at_period_end]=true"), 404, "invoice_upcoming_none", "").await;
    sold.double.delete(&format!("/v1/subscriptions/{}", sold.id)).await;
    check(&id, 404, "invoice_upcoming_none", "").await;
}
