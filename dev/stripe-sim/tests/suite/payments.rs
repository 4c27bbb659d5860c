//! Money: what a card, a behaviour and the passing of time make of a subscription.

use reqwest::Method;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::client::{Double, Reply};

async fn status(double: &Double, id: &str) -> Value {
    double.get(&format!("/v1/subscriptions/{id}")).await.body["status"].clone()
}

#[tokio::test]
async fn a_first_payment_decides_the_status() {
    let check = async |card: &str, more: &str, expected: &str| {
        let double = Double::start();
        let (customer, price) = (double.customer_with(card).await, double.price().await);
        let reply = double.subscribe(&customer, &price, more).await;
        assert_eq!(reply.body["status"], expected, "{card} {more}: {}", reply.text);
    };
    check("pm_card_visa", "", "active").await;
    check("pm_card_visa", "&payment_behavior=default_incomplete", "incomplete").await;
    check("pm_card_visa", "&trial_period_days=14", "trialing").await;
    check("pm_card_chargeCustomerFail", "", "incomplete").await;
    check("pm_card_chargeCustomerFail", "&trial_period_days=14", "trialing").await;
    check("pm_card_authenticationRequired", "", "incomplete").await;
}

#[tokio::test]
async fn without_a_payment_method_only_a_trial_can_begin() {
    let double = Double::start();
    let (customer, price) = (double.post("/v1/customers", "").await.id(), double.price().await);
    let refused = double.subscribe(&customer, &price, "").await;
    assert_eq!(refused.refusal(), (400, "invalid_request_error", "resource_missing", ""));
    assert_eq!(double.subscribe(&customer, &price, "&trial_period_days=1").await.body["status"], "trialing");
    assert_eq!(double.events("customer.subscription.created").await.len(), 1);
}

#[tokio::test]
async fn an_invoice_that_is_sent_says_when_it_is_due() {
    let double = Double::start();
    let (customer, price) = (double.post("/v1/customers", "").await.id(), double.price().await);
    let more = "&collection_method=send_invoice&days_until_due=30&expand[]=latest_invoice";
    let invoice = double.subscribe(&customer, &price, more).await.body["latest_invoice"].clone();
    assert_eq!((&invoice["collection_method"], &invoice["status"]), (&json!("send_invoice"), &json!("open")));
    let days = |field: &str| invoice[field].as_i64().unwrap_or_default() / 86_400;
    assert_eq!(days("due_date") - days("created"), 30);
}

fn decline(reply: &Reply) -> (u16, &Value, &Value) {
    let error = &reply.body["error"];
    (reply.status, &error["type"], &error["decline_code"])
}

#[tokio::test]
async fn a_declined_increase_changes_nothing() {
    let check = async |card: &str, code: &str| {
        let double = Double::start();
        let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
        let subscription = double.subscribe(&customer, &price, "").await;
        double
            .post(&format!("/v1/customers/{customer}"), &format!("invoice_settings[default_payment_method]={card}"))
            .await;
        let item = subscription.body["items"]["data"][0]["id"].as_str().unwrap_or_default();
        let form = format!(
            "items[0][id]={item}&items[0][quantity]=20&proration_behavior=always_invoice&payment_behavior=error_if_incomplete"
        );
        let path = format!("/v1/subscriptions/{}", subscription.id());
        let refused = double.post(&path, &form).await;
        assert_eq!(decline(&refused), (402, &json!("card_error"), &json!(code)));
        let read = double.get(&path).await;
        assert_eq!((&read.body["items"]["data"][0]["quantity"], &read.body["status"]), (&json!(10), &json!("active")));
    };
    check("pm_card_chargeCustomerFail", "generic_decline").await;
    check("pm_card_authenticationRequired", "authentication_required").await;
}

#[tokio::test]
async fn an_increase_is_invoiced_for_the_rest_of_the_period() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let subscription = double.subscribe(&customer, &price, "").await;
    let item = subscription.body["items"]["data"][0]["id"].as_str().unwrap_or_default();
    let form =
        format!("items[0][id]={item}&items[0][quantity]=20&proration_behavior=always_invoice&expand[]=latest_invoice");
    let changed = double.post(&format!("/v1/subscriptions/{}", subscription.id()), &form).await;
    let invoice = &changed.body["latest_invoice"];
    assert_eq!((&invoice["status"], &invoice["billing_reason"]), (&json!("paid"), &json!("subscription_update")));
    assert!((9_990..=10_000).contains(&invoice["amount_paid"].as_i64().unwrap_or_default()), "{invoice}");
    let event = &double.events("customer.subscription.updated").await[0]["data"];
    assert_eq!(event["object"]["items"]["data"][0]["quantity"], 20);
    assert_eq!(event["previous_attributes"]["items"]["data"][0]["quantity"], 10);
}

#[tokio::test]
async fn three_d_secure_passed_makes_it_active_and_refused_does_not() {
    for (passed, expected) in [(true, "active"), (false, "incomplete")] {
        let double = Double::start();
        let (customer, price) = (double.customer_with("pm_card_authenticationRequired").await, double.price().await);
        let more = "&expand[]=latest_invoice.payments";
        let subscription = double.subscribe(&customer, &price, more).await;
        let intent = subscription.body["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(double.get(&format!("/v1/payment_intents/{intent}")).await.body["status"], "requires_action");
        let path = format!("/payment_intents/{intent}/authenticate");
        double.admin(Method::POST, &path, json!({"passed": passed})).await;
        assert_eq!(status(&double, &subscription.id()).await, expected);
    }
}

#[tokio::test]
async fn an_unpaid_first_invoice_can_be_paid_for_23_hours() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_chargeCustomerFail").await, double.price().await);
    let (paid, late) = (double.subscribe(&customer, &price, "").await, double.subscribe(&customer, &price, "").await);
    let invoice = paid.body["latest_invoice"].as_str().unwrap_or_default();
    double.post(&format!("/v1/invoices/{invoice}/pay"), "payment_method=pm_card_visa").await;
    assert_eq!(status(&double, &paid.id()).await, "active");
    double.admin(Method::POST, "/clock", json!({"advance_secs": 23 * 3_600})).await;
    assert_eq!(status(&double, &late.id()).await, "incomplete_expired");
}

#[tokio::test]
async fn time_ends_trials_rolls_periods_and_carries_out_cancellations() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let trial = double.subscribe(&customer, &price, "&trial_period_days=3").await;
    let live = double.subscribe(&customer, &price, "").await;
    let leaving = double.subscribe(&customer, &price, "&cancel_at_period_end=true").await;
    double.admin(Method::POST, "/clock", json!({"advance_secs": 40 * 86_400})).await;
    assert_eq!(status(&double, &trial.id()).await, "active");
    assert_eq!(status(&double, &leaving.id()).await, "canceled");
    let rolled = double.get(&format!("/v1/subscriptions/{}", live.id())).await;
    let starts = |reply: &Reply| reply.body["items"]["data"][0]["current_period_start"].as_i64().unwrap_or_default();
    assert!(starts(&rolled) >= starts(&live) + 28 * 86_400);
    let invoices = double.get(&format!("/v1/invoices?subscription={}", live.id())).await;
    assert_eq!(invoices.body["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_canceled_subscription_can_be_read_but_not_canceled_again() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let path = format!("/v1/subscriptions/{}", double.subscribe(&customer, &price, "").await.id());
    assert_eq!(double.delete(&path).await.body["status"], "canceled");
    assert_eq!(double.get(&path).await.body["status"], "canceled");
    assert_eq!(double.delete(&path).await.refusal(), (404, "invalid_request_error", "resource_missing", "id"));
    assert_eq!(double.events("customer.subscription.deleted").await.len(), 1);
}

async fn session(double: &Double, price: &str, more: &str) -> Reply {
    let form = format!(
        "mode=subscription&line_items[0][price]={price}&line_items[0][quantity]=10&success_url=http://127.0.0.1/done%3Fs={{CHECKOUT_SESSION_ID}}&cancel_url=http://127.0.0.1/no{more}"
    );
    double.post("/v1/checkout/sessions", &form).await
}

#[tokio::test]
async fn a_checkout_makes_customer_and_subscription_once_it_is_paid() {
    let double = Double::start();
    let price = double.price().await;
    let open = session(&double, &price, "&customer_email=a@example.com&subscription_data[metadata][k]=v").await;
    assert_eq!((&open.body["payment_status"], &open.body["subscription"]), (&json!("unpaid"), &Value::Null));
    double.admin(Method::POST, &format!("/checkout/sessions/{}/complete", open.id()), json!({})).await;
    let expand = "?expand[]=subscription&expand[]=customer&expand[]=line_items";
    let done = double.get(&format!("/v1/checkout/sessions/{}{expand}", open.id())).await.body;
    assert_eq!((&done["status"], &done["payment_status"]), (&json!("complete"), &json!("paid")));
    assert_eq!(
        (&done["customer"]["email"], &done["customer_details"]["email"]),
        (&json!("a@example.com"), &json!("a@example.com"))
    );
    let subscription = &done["subscription"];
    assert_eq!((&subscription["status"], &subscription["metadata"]), (&json!("active"), &json!({"k": "v"})));
    assert_eq!(
        (&subscription["items"]["data"][0]["quantity"], &done["line_items"]["data"][0]["quantity"]),
        (&json!(10), &json!(10))
    );
    let created = &double.events("customer.subscription.created").await[0];
    let updated = &double.events("customer.subscription.updated").await[0];
    assert_eq!(created["data"]["object"]["status"], "incomplete");
    assert_eq!(updated["data"]["previous_attributes"], json!({"status": "incomplete"}));
    assert_eq!(double.events("checkout.session.completed").await.len(), 1);
}

#[tokio::test]
async fn the_payment_page_takes_a_card_and_goes_back_to_the_shop() {
    let double = Double::start();
    let price = double.price().await;
    let open = session(&double, &price, "").await;
    let url = open.body["url"].as_str().unwrap_or_default();
    let browser = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
    let shown = browser.get(url).send().await.expect("a page").text().await.expect("its text");
    assert!(shown.contains("Pay 100.00 USD"), "{shown}");
    let press = async |card: &str| {
        let form = format!("email=b%40example.com&payment_method={card}");
        browser.post(url).body(form).send().await.expect("an answer")
    };
    assert_eq!(press("pm_card_chargeCustomerFail").await.status(), 402);
    let paid = press("pm_card_visa").await;
    assert_eq!(paid.headers()["location"], format!("http://127.0.0.1/done?s={}", open.id()));
    let done = double.get(&format!("/v1/checkout/sessions/{}", open.id())).await;
    assert_eq!(done.body["customer_details"]["email"], "b@example.com");
}

#[tokio::test]
async fn the_most_unusual_items_are_refused() {
    let double = Double::start();
    let customer = double.customer_with("pm_card_visa").await;
    let once = double.post("/v1/prices", "currency=usd&unit_amount=5&product_data[name]=Once").await.id();
    let metered = double
        .post(
            "/v1/prices",
            "currency=usd&unit_amount=5&product_data[name]=M&recurring[interval]=month&recurring[usage_type]=metered",
        )
        .await
        .id();
    assert_eq!(double.subscribe(&customer, &once, "").await.refusal().3, "items[0][price]");
    assert_eq!(double.subscribe(&customer, &metered, "").await.refusal().3, "items[0][quantity]");
    let form = format!("customer={customer}&items[0][price]={metered}");
    let fine = double.post("/v1/subscriptions", &form).await;
    assert!(fine.body["items"]["data"][0].get("quantity").is_none(), "{}", fine.text);
}
