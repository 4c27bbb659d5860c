//! What a subscription goes through: trials, pauses, payments that fail for good, its items.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, Reply};

const DAY: i64 = 86_400;

async fn pass(double: &Double, secs: i64) {
    double.admin(Method::POST, "/clock", json!({"advance_secs": secs})).await;
}

async fn read(double: &Double, subscription: &Reply) -> Value {
    double.get(&format!("/v1/subscriptions/{}", subscription.id())).await.body
}

async fn update(double: &Double, subscription: &Reply, form: &str) -> Reply {
    double.post(&format!("/v1/subscriptions/{}", subscription.id()), form).await
}

async fn count(double: &Double, kind: &str) -> usize {
    double.events(kind).await.len()
}

/// A trial of ten days that nobody can pay for.
async fn unpayable_trial(double: &Double, at_end: &str) -> Reply {
    let (customer, price) = (double.post("/v1/customers", "").await.id(), double.price().await);
    let more = format!("&trial_period_days=10&trial_settings[end_behavior][missing_payment_method]={at_end}");
    double.subscribe(&customer, &price, &more).await
}

#[tokio::test]
async fn a_trial_that_nobody_pays_for_ends_as_it_was_told() {
    let check = async |at_end: &str, status: &str, event: &str| {
        let double = Double::start();
        let trial = unpayable_trial(&double, at_end).await;
        pass(&double, 11 * DAY).await;
        assert_eq!(read(&double, &trial).await["status"], status, "{at_end}");
        assert_eq!(count(&double, event).await, 1, "{at_end}");
    };
    check("create_invoice", "past_due", "customer.subscription.updated").await;
    check("pause", "paused", "customer.subscription.paused").await;
    check("cancel", "canceled", "customer.subscription.deleted").await;
}

#[tokio::test]
async fn the_end_of_a_trial_is_announced_once_three_days_ahead() {
    const KIND: &str = "customer.subscription.trial_will_end";
    let double = Double::start();
    let trial = unpayable_trial(&double, "pause").await;
    pass(&double, 6 * DAY).await;
    assert_eq!(count(&double, KIND).await, 0);
    pass(&double, 2 * DAY).await;
    assert_eq!((count(&double, KIND).await, &read(&double, &trial).await["status"]), (1, &json!("trialing")));
    pass(&double, 5 * DAY).await;
    assert_eq!(count(&double, KIND).await, 1);
    update(&double, &unpayable_trial(&double, "pause").await, "trial_end=now").await;
    assert_eq!((count(&double, KIND).await, count(&double, "customer.subscription.paused").await), (2, 2));
}

#[tokio::test]
async fn a_paused_subscription_resumes_when_it_is_paid() {
    let double = Double::start();
    let trial = unpayable_trial(&double, "pause").await;
    let resume = format!("/v1/subscriptions/{}/resume", trial.id());
    assert_eq!(double.post(&resume, "").await.status, 400, "a trial is not paused");
    update(&double, &trial, "trial_end=now").await;
    assert_eq!(double.post(&resume, "").await.body["status"], "paused", "nobody pays");
    let customer = trial.body["customer"].as_str().unwrap_or_default();
    let card = "payment_method=pm_card_visa&invoice_settings[default_payment_method]=pm_card_visa";
    double.post("/v1/payment_methods/pm_card_visa/attach", &format!("customer={customer}")).await;
    let invoice = read(&double, &trial).await["latest_invoice"].as_str().unwrap_or_default().to_owned();
    double.post(&format!("/v1/invoices/{invoice}/pay"), &card[..card.find('&').unwrap_or_default()]).await;
    assert_eq!(read(&double, &trial).await["status"], "active");
    assert_eq!(count(&double, "customer.subscription.resumed").await, 1);
}

#[tokio::test]
async fn a_renewal_that_fails_is_past_due_and_after_two_weeks_unpaid() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let live = double.subscribe(&customer, &price, "").await;
    let form = "invoice_settings[default_payment_method]=pm_card_chargeCustomerFail";
    double.post(&format!("/v1/customers/{customer}"), form).await;
    pass(&double, 32 * DAY).await;
    assert_eq!(read(&double, &live).await["status"], "past_due");
    pass(&double, 15 * DAY).await;
    let unpaid = read(&double, &live).await;
    assert_eq!(unpaid["status"], "unpaid");
    let invoice = format!("/v1/invoices/{}", unpaid["latest_invoice"].as_str().unwrap_or_default());
    assert_eq!(double.get(&invoice).await.body["attempt_count"], 2);
    double.post(&format!("{invoice}/pay"), "payment_method=pm_card_visa").await;
    assert_eq!(read(&double, &live).await["status"], "active");
}

#[tokio::test]
async fn paused_collection_leaves_the_status_and_takes_no_money() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    for (behavior, status) in [("keep_as_draft", "draft"), ("void", "void"), ("mark_uncollectible", "uncollectible")] {
        let live = double.subscribe(&customer, &price, "").await;
        update(&double, &live, &format!("pause_collection[behavior]={behavior}")).await;
        pass(&double, 32 * DAY).await;
        let after = double.get(&format!("/v1/subscriptions/{}?expand[]=latest_invoice", live.id())).await.body;
        assert_eq!((&after["status"], &after["latest_invoice"]["status"]), (&json!("active"), &json!(status)));
        assert_eq!(update(&double, &live, "pause_collection=").await.body["pause_collection"], Value::Null);
    }
    let live = double.subscribe(&customer, &price, "").await;
    let now = double.admin(Method::GET, "/clock", json!({})).await["now"].as_i64().unwrap_or_default();
    let pause = format!("pause_collection[behavior]=void&pause_collection[resumes_at]={}", now + DAY);
    assert_eq!(update(&double, &live, &pause).await.body["pause_collection"]["resumes_at"], now + DAY);
    pass(&double, 2 * DAY).await;
    assert_eq!(read(&double, &live).await["pause_collection"], Value::Null);
    let refused = update(&double, &live, "pause_collection[resumes_at]=5").await;
    assert_eq!(refused.refusal().3, "pause_collection[behavior]");
}

#[tokio::test]
async fn items_are_added_switched_and_removed() {
    let double = Double::start();
    let (customer, price, addon) =
        (double.customer_with("pm_card_visa").await, double.price().await, double.price().await);
    let live = double.subscribe(&customer, &price, "").await;
    let items = async || read(&double, &live).await["items"]["data"].as_array().cloned().unwrap_or_default();
    update(&double, &live, &format!("items[0][price]={addon}&items[0][quantity]=2")).await;
    let both = items().await;
    assert_eq!((both.len(), &both[1]["price"]["id"]), (2, &json!(addon)));
    assert_eq!(both[0]["current_period_end"], both[1]["current_period_end"]);
    let (first, second) = (both[0]["id"].as_str().unwrap_or_default(), both[1]["id"].as_str().unwrap_or_default());
    update(&double, &live, &format!("items[0][id]={second}&items[0][deleted]=true")).await;
    update(&double, &live, &format!("items[0][id]={first}&items[0][price]={addon}")).await;
    let switched = items().await;
    let shown = (switched.len(), &switched[0]["id"], &switched[0]["price"]["id"], &switched[0]["quantity"]);
    assert_eq!(shown, (1, &json!(first), &json!(addon), &json!(10)));
}

/// The quantity stays what it is; what is billed is packages of it.
#[tokio::test]
async fn a_price_may_be_per_package() {
    let double = Double::start();
    let customer = double.customer_with("pm_card_visa").await;
    let price = "product_data[name]=Boxes&currency=usd&unit_amount=100&recurring[interval]=month";
    for (round, billed) in [("up", 300), ("down", 200)] {
        let form = format!("{price}&transform_quantity[divide_by]=4&transform_quantity[round]={round}");
        let price = double.post("/v1/prices", &form).await;
        assert_eq!(price.body["transform_quantity"], json!({"divide_by": 4, "round": round}));
        let live = double.subscribe(&customer, &price.id(), "").await;
        assert_eq!(live.body["items"]["data"][0]["quantity"], 10);
        let invoices = double.get(&format!("/v1/invoices?subscription={}", live.id())).await;
        assert_eq!(invoices.body["data"][0]["total"], billed, "{round}");
    }
    let empty = format!("{price}&transform_quantity[divide_by]=0&transform_quantity[round]=up");
    assert_eq!(double.post("/v1/prices", &empty).await.status, 400);
}

#[tokio::test]
async fn a_metered_price_takes_the_quantity_away() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let form =
        "currency=usd&unit_amount=5&product_data[name]=M&recurring[interval]=month&recurring[usage_type]=metered";
    let metered = double.post("/v1/prices", form).await.id();
    let live = double.subscribe(&customer, &price, "").await;
    let item = live.body["items"]["data"][0]["id"].as_str().unwrap_or_default();
    let switch = format!("items[0][id]={item}&items[0][price]={metered}");
    let refused = update(&double, &live, &format!("{switch}&items[0][quantity]=3")).await;
    assert_eq!(refused.refusal().3, "items[0][quantity]");
    let switched = update(&double, &live, &switch).await.body;
    assert!(switched["items"]["data"][0].get("quantity").is_none(), "{switched}");
}
