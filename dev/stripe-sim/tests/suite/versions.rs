//! Snapshot events as endpoints of older versions get them.

use miniserde::json::from_str;
use reqwest::Method;
use serde_json::{Value, json};
use stripe_sim::API_VERSION;

use crate::client::Double;
use crate::inbox::Inbox;

const OLDEST: &str = "2020-08-27";
const OLD: &str = "2024-06-20";
const BASIL: &str = "2025-04-30.basil";
const VERSIONS: [&str; 4] = [OLDEST, OLD, BASIL, API_VERSION];

/// The event of that type that `change` causes, as each version shows it, in the order of `VERSIONS`.
async fn rendered(double: &Double, kind: &str, change: impl AsyncFnOnce()) -> [Value; 4] {
    let mut inboxes = Vec::new();
    for version in VERSIONS {
        let inbox = Inbox::failing(0).await;
        double.register(&inbox.url, &format!("&enabled_events[]={kind}&api_version={version}")).await;
        inboxes.push(inbox);
    }
    change().await;
    let mut events = Vec::new();
    for (inbox, version) in inboxes.iter().zip(VERSIONS) {
        let event = inbox.until(1).await[0].event();
        assert_eq!(event["api_version"], version);
        events.push(event);
    }
    events.try_into().expect("four versions")
}

#[tokio::test]
async fn an_unknown_version_is_refused() {
    let double = Double::start();
    let register = async |version: &str| {
        let form = format!("url=http://127.0.0.1:1/&enabled_events[]=*&api_version={version}");
        double.post("/v1/webhook_endpoints", &form).await
    };
    for version in ["2024-06-21", "2026-10-28.endive", "newest"] {
        assert_eq!(register(version).await.refusal(), (400, "invalid_request_error", "", "api_version"), "{version}");
    }
    for version in VERSIONS {
        assert_eq!(register(version).await.body["api_version"], version);
    }
}

#[tokio::test]
async fn a_period_moved_from_the_subscription_to_its_items() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let made = double.subscribe(&customer, &price, "").await;
    let item = made.body["items"]["data"][0].clone();
    let change = format!("items[0][id]={}&items[0][quantity]=12", item["id"].as_str().expect("an id"));
    let events = rendered(&double, "customer.subscription.updated", async || {
        double.post(&format!("/v1/subscriptions/{}", made.id()), &change).await;
    })
    .await;
    let period = json!([item["current_period_start"], item["current_period_end"]]);
    let of = |object: &Value| json!([object["current_period_start"], object["current_period_end"]]);
    for (event, is_old) in events.iter().zip([true, true, false, false]) {
        let (version, object) = (&event["api_version"], &event["data"]["object"]);
        let (here, there) = (of(object), of(&object["items"]["data"][0]));
        let (expected, none) = (&period, &json!([null, null]));
        assert_eq!((&here, &there), if is_old { (expected, none) } else { (none, expected) }, "{version}");
        assert_eq!(object["quantity"], if is_old { json!(12) } else { Value::Null }, "{version}");
        assert_eq!(object["plan"]["id"], if is_old { json!(price) } else { Value::Null }, "{version}");
        assert_eq!(object["items"]["data"][0]["quantity"], 12, "{version}");
        assert_eq!(object["cancel_at_period_end"], false, "{version}");
        let previous = &event["data"]["previous_attributes"];
        assert_eq!(previous["items"]["data"][0]["quantity"], 10, "{version}");
        assert_eq!(previous["quantity"], if is_old { json!(10) } else { Value::Null }, "{version}");
        assert_eq!(of(&previous["items"]["data"][0]), if is_old { none.clone() } else { period.clone() }, "{version}");
    }
}

#[tokio::test]
async fn a_period_that_ends_is_told_where_the_version_keeps_it() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let made = double.subscribe(&customer, &price, "").await;
    let end = made.body["items"]["data"][0]["current_period_end"].clone();
    let [oldest, old, _, pinned] = rendered(&double, "customer.subscription.updated", async || {
        double.admin(Method::POST, "/clock", json!({"advance_secs": 32 * 86_400})).await;
    })
    .await;
    for event in [oldest, old] {
        assert_eq!(event["data"]["object"]["current_period_start"], end);
        assert_eq!(event["data"]["previous_attributes"]["current_period_end"], end);
    }
    assert_eq!(pinned["data"]["previous_attributes"]["current_period_end"], Value::Null);
    assert_eq!(pinned["data"]["previous_attributes"]["items"]["data"][0]["current_period_end"], end);
}

#[tokio::test]
async fn several_items_have_no_quantity_in_common() {
    let double = Double::start();
    let customer = double.customer_with("pm_card_visa").await;
    let (seats, addon) = (double.price().await, double.price().await);
    let [_, old, _, _] = rendered(&double, "customer.subscription.created", async || {
        double.subscribe(&customer, &seats, &format!("&items[1][price]={addon}")).await;
    })
    .await;
    let object = &old["data"]["object"];
    assert_eq!(json!([object["plan"], object["quantity"]]), json!([null, null]));
    assert_eq!(object["items"]["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_invoice_named_its_subscription_at_the_top() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let mut made = Value::Null;
    let events = rendered(&double, "invoice.paid", async || {
        made = double.subscribe(&customer, &price, "").await.body;
    })
    .await;
    let subscription = &made["id"];
    for (event, is_old) in events.iter().zip([true, true, false, false]) {
        let (version, invoice) = (&event["api_version"], &event["data"]["object"]);
        let line = &invoice["lines"]["data"][0];
        let named = json!([
            invoice["subscription"],
            invoice["parent"]["subscription_details"]["subscription"],
            line["price"]["id"],
            line["pricing"]["price_details"]["price"],
        ]);
        let expected =
            if is_old { json!([subscription, null, price, null]) } else { json!([null, subscription, null, price]) };
        assert_eq!(named, expected, "{version}");
        assert_eq!(invoice["paid"], if is_old { json!(true) } else { Value::Null }, "{version}");
        assert_eq!(line["proration"], if is_old { json!(false) } else { Value::Null }, "{version}");
        assert_eq!(json!([invoice["amount_paid"], invoice["status"]]), json!([10_000, "paid"]), "{version}");
        assert_eq!(json!([line["quantity"], line["subscription"]]), json!([10, subscription]), "{version}");
    }
}

#[tokio::test]
async fn a_checkout_session_is_of_its_time() {
    let double = Double::start();
    let price = double.price().await;
    let form = format!(
        "mode=subscription&line_items[0][price]={price}&line_items[0][quantity]=3&success_url=http://127.0.0.1/"
    );
    let session = double.post("/v1/checkout/sessions", &form).await.id();
    let events = rendered(&double, "checkout.session.completed", async || {
        double.admin(Method::POST, &format!("/checkout/sessions/{session}/complete"), json!({})).await;
    })
    .await;
    let modes: Vec<&Value> = events.iter().map(|event| &event["data"]["object"]["ui_mode"]).collect();
    assert_eq!(json!(modes), json!([null, "hosted", "hosted", "hosted_page"]));
    for event in &events {
        let object = &event["data"]["object"];
        assert!(object["subscription"].is_string() && object["customer"].is_string(), "{event:#}");
        let has = |field: &str| object.get(field).is_some();
        let expected = match event["api_version"].as_str() {
            Some(OLDEST) => (true, false, false),
            Some(OLD) => (false, true, false),
            _since_basil => (false, false, true),
        };
        assert_eq!((has("shipping"), has("shipping_details"), has("collected_information")), expected);
    }
}

#[tokio::test]
async fn a_payment_intent_had_its_charges() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let [oldest, old, _, _] = rendered(&double, "payment_intent.succeeded", async || {
        double.subscribe(&customer, &price, "").await;
    })
    .await;
    let intent = &oldest["data"]["object"];
    assert_eq!(intent["charges"]["data"][0]["id"], intent["latest_charge"]);
    assert_eq!(old["data"]["object"]["charges"], Value::Null);
}

#[tokio::test]
async fn without_a_version_events_are_of_the_accounts_default_and_decode() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    double.register(&inbox.url, "&enabled_events[]=*").await;
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let made = double.subscribe(&customer, &price, "").await.id();
    double.post(&format!("/v1/subscriptions/{made}"), "metadata[a]=b").await;
    double.delete(&format!("/v1/subscriptions/{made}")).await;
    let all = double.get("/v1/events?limit=100").await.body["data"].as_array().cloned().expect("events");
    for letter in inbox.until(all.len()).await {
        let event = letter.event();
        assert_eq!(event["api_version"], API_VERSION);
        assert!(from_str::<stripe_shared::Event>(&letter.body).is_ok(), "{event:#}");
        let object = event["data"]["object"].to_string();
        let decodes = match event["data"]["object"]["object"].as_str() {
            Some("subscription") => from_str::<stripe_shared::Subscription>(&object).is_ok(),
            Some("invoice") => from_str::<stripe_shared::Invoice>(&object).is_ok(),
            Some("customer") => from_str::<stripe_shared::Customer>(&object).is_ok(),
            _other => true,
        };
        assert!(decodes, "{event:#}");
    }
}

#[tokio::test]
async fn what_is_read_is_always_of_the_pinned_version() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let [oldest, ..] = rendered(&double, "customer.subscription.created", async || {
        double.subscribe(&customer, &price, "").await;
    })
    .await;
    let read = double.get(&format!("/v1/events/{}", oldest["id"].as_str().expect("an id"))).await;
    assert_eq!(read.body["api_version"], API_VERSION);
    assert!(read.body["data"]["object"]["items"]["data"][0]["current_period_end"].is_i64());
}
