//! Thin events and where they go.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, eventually};
use crate::inbox::Inbox;

const UPDATED: &str = "v1.customer.subscription.updated";
const QUANTITY: &str = "v1.customer.subscription.item_quantity_changed";

/// A subscription of ten, and its item.
async fn subscription(double: &Double) -> (String, String) {
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let made = double.subscribe(&customer, &price, "").await;
    let item = made.body["items"]["data"][0]["id"].as_str().expect("an item").to_owned();
    (made.id(), item)
}

async fn set_quantity(double: &Double, (id, item): &(String, String), quantity: u32) {
    let form = format!("items[0][id]={item}&items[0][quantity]={quantity}");
    assert_eq!(double.post(&format!("/v1/subscriptions/{id}"), &form).await.status, 200);
}

#[tokio::test]
async fn one_change_comes_as_a_snapshot_and_as_a_thin_event_that_names_it() {
    let double = Double::start();
    let sold = subscription(&double).await;
    let (snapshots, thins) = (Inbox::failing(0).await, Inbox::failing(0).await);
    let (_, secret) = double.register(&snapshots.url, "&enabled_events[]=customer.subscription.updated").await;
    let (_, thin_secret) = double.register_thin(&thins.url, &[UPDATED]).await;
    let now = double.freeze().await;
    set_quantity(&double, &sold, 12).await;
    let (snapshot, thin) = (snapshots.until(1).await.remove(0), thins.until(1).await.remove(0));
    snapshot.verified(&secret);
    thin.verified(&thin_secret);
    let event = thin.event();
    assert_ne!(secret, thin_secret);
    assert_ne!(event["id"], snapshot.event()["id"]);
    assert!(thin.id().starts_with("evt_"));
    let related = json!({"id": sold.0, "type": "subscription", "url": format!("/v1/subscriptions/{}", sold.0)});
    assert_eq!(
        json!([event["object"], event["type"], event["snapshot_event"], event["related_object"]]),
        json!(["v2.core.event", UPDATED, snapshot.event()["id"], related])
    );
    assert_eq!(json!([event["livemode"], event["context"], event["data"]]), json!([false, null, null]));
    let created = event["created"].as_str().expect("a text");
    assert!(created.len() == 24 && created.ends_with(".000Z"), "{created} at {now}");
    let fetched = double.get(&format!("/v2/core/events/{}", thin.id())).await;
    assert_eq!(fetched.body, event);
    // Nothing else wanted them, and each went to its own.
    assert_eq!(double.deliveries("").await.len(), 2);
}

#[tokio::test]
async fn a_changed_quantity_is_an_event_of_its_own_without_a_snapshot() {
    let double = Double::start();
    let sold = subscription(&double).await;
    double.post(&format!("/v1/subscriptions/{}", sold.0), "metadata[a]=b").await;
    set_quantity(&double, &sold, 12).await;
    set_quantity(&double, &sold, 12).await;
    let page = double.get(&format!("/v2/core/events?types[0]={QUANTITY}&types[1]={UPDATED}")).await;
    let data = page.body["data"].as_array().expect("events");
    let kinds: Vec<(&Value, bool)> = data.iter().map(|row| (&row["type"], row["snapshot_event"].is_string())).collect();
    assert_eq!(kinds, [(&json!(QUANTITY), false), (&json!(UPDATED), true), (&json!(UPDATED), true)]);
}

#[tokio::test]
async fn a_refused_change_makes_no_event() {
    let double = Double::start();
    let sold = subscription(&double).await;
    double.register_thin("http://127.0.0.1:1/", &[UPDATED]).await;
    let before = double.get("/v2/core/events?limit=100").await.body;
    let refused = double.post(&format!("/v1/subscriptions/{}", sold.0), "metadata[a]=b&expand[]=nothing").await;
    assert_eq!(refused.status, 400);
    assert_eq!(double.get("/v2/core/events?limit=100").await.body, before);
    assert!(double.deliveries("").await.is_empty());
}

#[tokio::test]
async fn pages_lead_from_the_newest_to_the_oldest() {
    let double = Double::start();
    let customer = double.post("/v1/customers", "name=0").await.id();
    double.post("/v1/customers", "name=other").await;
    for name in 1..5 {
        double.post(&format!("/v1/customers/{customer}"), &format!("name={name}")).await;
    }
    let mut kinds = Vec::new();
    let mut next = Some(format!("/v2/core/events?limit=2&object_id={customer}"));
    while let Some(url) = next {
        let page = double.get(&url).await.body;
        kinds.push(page["data"].as_array().expect("a list").iter().map(|row| row["type"].clone()).collect::<Vec<_>>());
        next = page["next_page_url"].as_str().map(str::to_owned);
    }
    let (created, updated) = ("v1.customer.created", "v1.customer.updated");
    assert_eq!(kinds, [vec![updated, updated], vec![updated, updated], vec![created]]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_in_the_second_versions_words() {
    let double = Double::start();
    let check = async |path: &str, expected: (u16, &str)| {
        let reply = double.get(path).await;
        let error = reply.body["error"].as_object().expect("an error");
        assert_eq!((reply.status, error["code"].as_str().expect("a code")), expected, "{path}");
        assert_eq!(error.keys().collect::<Vec<_>>(), ["code", "message"], "{path}");
    };
    check("/v2/core/events/evt_none", (404, "not_found")).await;
    check("/v2/core/nothing", (404, "not_found")).await;
    check("/v2/core/events?limit=0", (400, "parameter_invalid_integer")).await;
    check("/v2/core/events?page=evt_none", (400, "invalid_request_error")).await;
    check("/v2/core/events?colour=red", (400, "parameter_unknown")).await;
    double.fault(json!({"path": "/v2/core/events", "kind": "too_many_requests"})).await;
    check("/v2/core/events", (429, "rate_limit")).await;
}

#[tokio::test]
async fn a_destination_that_cannot_be_is_refused() {
    let double = Double::start();
    let order = |field: &str, value: Value| {
        let mut order = json!({
            "name": "n", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": [UPDATED],
            "webhook_endpoint": {"url": "http://127.0.0.1:1/"},
        });
        order[field] = value;
        order
    };
    for (field, value) in [
        ("name", Value::Null),
        ("type", json!("amazon_eventbridge")),
        ("event_payload", json!("snapshot")),
        ("enabled_events", json!([])),
        ("enabled_events", json!(["customer.created"])),
        ("webhook_endpoint", json!({"url": "nowhere"})),
        ("colour", json!("red")),
    ] {
        let reply = double.post_json("/v2/core/event_destinations", &order(field, value.clone())).await;
        assert_eq!(reply.status, 400, "{field}: {value}");
    }
    assert_eq!(double.post_json("/v2/core/event_destinations", &json!([])).await.body["error"]["code"], "invalid_json");
    assert_eq!(double.get("/v2/core/event_destinations").await.body["data"], json!([]));
    let made = double.post_json("/v2/core/event_destinations", &order("name", json!("kept"))).await;
    assert_eq!((made.status, &made.body["webhook_endpoint"]), (200, &Value::Null));
}

#[tokio::test]
async fn a_destination_shows_its_secret_once_and_can_be_disabled_and_deleted() {
    let double = Double::start();
    let thins = Inbox::failing(0).await;
    let (id, secret) = double.register_thin(&thins.url, &["v1.customer.created"]).await;
    assert!(secret.starts_with("whsec_"));
    let path = format!("/v2/core/event_destinations/{id}");
    let shown = double.get(&format!("{path}?include[0]=webhook_endpoint.url")).await;
    assert_eq!(shown.body["webhook_endpoint"], json!({"url": thins.url}));
    let listed = double.get("/v2/core/event_destinations").await;
    assert!(listed.body["data"][0]["id"] == id && !listed.text.contains("whsec_"), "{}", listed.text);
    assert_eq!(double.post_json(&format!("{path}/disable"), &json!({})).await.body["status"], "disabled");
    double.post("/v1/customers", "").await;
    assert_eq!(double.post_json(&format!("{path}/enable"), &json!({})).await.body["status"], "enabled");
    let wanted = double.post("/v1/customers", "").await.id();
    assert_eq!(thins.until(1).await[0].event()["related_object"]["id"], wanted);
    assert_eq!(double.delete(&path).await.body["deleted"], true);
    assert_eq!(double.get(&path).await.status, 404);
    double.post("/v1/customers", "").await;
    assert_eq!(double.deliveries("").await.len(), 1);
}

#[tokio::test]
async fn a_thin_destination_can_be_failed_alone() {
    let double = Double::start();
    let (snapshots, thins) = (Inbox::failing(0).await, Inbox::failing(0).await);
    double.register(&snapshots.url, "&enabled_events[]=customer.created").await;
    let (thin, _) = double.register_thin(&thins.url, &["v1.customer.created"]).await;
    double.policy(json!({"drop": {"endpoint": thin}})).await;
    double.post("/v1/customers", "").await;
    snapshots.until(1).await;
    let dropped = eventually("dropped", async || double.deliveries("state=dropped").await.pop()).await;
    assert_eq!((&dropped["endpoint"], &dropped["type"]), (&json!(thin), &json!("v1.customer.created")));
    let path = format!("/webhook_endpoints/{thin}/roll");
    assert!(double.admin(Method::POST, &path, json!({})).await["secret"].is_string());
}
