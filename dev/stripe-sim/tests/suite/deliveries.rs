//! Events reach the endpoints that want them, signed, and again until they are taken.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use stripe_sim::API_VERSION;

use crate::client::{Double, eventually};
use crate::inbox::{Inbox, Letter};

async fn register(double: &Double, inbox: &Inbox, kinds: &str) -> String {
    let reply = double.post("/v1/webhook_endpoints", &format!("url={}{kinds}", inbox.url)).await;
    reply.body["secret"].as_str().expect("a secret").to_owned()
}

/// The `t` of a signature that is right.
fn verified(secret: &str, letter: &Letter) -> i64 {
    let (t, v1) = letter.signature.split_once(",v1=").expect("t and v1");
    let at = t.strip_prefix("t=").expect("t");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(format!("{at}.{}", letter.body).as_bytes());
    assert_eq!(v1, hex::encode(mac.finalize().into_bytes()));
    at.parse().expect("seconds")
}

#[tokio::test]
async fn an_event_is_delivered_signed_to_those_who_want_it() {
    let double = Double::start();
    let (wants, wants_not) = (Inbox::failing(0).await, Inbox::failing(0).await);
    let secret =
        register(&double, &wants, "&enabled_events[]=customer.created&enabled_events[]=customer.deleted").await;
    register(&double, &wants_not, "&enabled_events[]=invoice.paid").await;
    let customer = double.post_as("k", "/v1/customers", "email=a@example.com").await;
    let letter = eventually("the event", async || wants.letters().first().cloned()).await;
    verified(&secret, &letter);
    let event: Value = serde_json::from_str(&letter.body).expect("JSON");
    assert_eq!(
        (&event["type"], &event["api_version"], &event["livemode"]),
        (&json!("customer.created"), &json!(API_VERSION), &json!(false))
    );
    assert_eq!(event["data"]["object"]["id"], customer.id());
    assert_eq!(event["request"], json!({"id": customer.header("request-id"), "idempotency_key": "k"}));
    let stored = eventually("taken", async || {
        let stored = double.get(&format!("/v1/events/{}", event["id"].as_str().unwrap_or_default())).await;
        (stored.body["pending_webhooks"] == 0).then_some(stored)
    })
    .await;
    assert_eq!(stored.body["data"], event["data"]);
    // Deliveries are owed when the event is made, so this one entry is all there will ever be.
    let owed = double.admin(Method::GET, "/deliveries", json!({})).await;
    let owed: Vec<&Value> = owed["data"].as_array().into_iter().flatten().map(|one| &one["url"]).collect();
    assert_eq!(owed, [&json!(wants.url)]);
}

#[tokio::test]
async fn an_endpoint_of_another_version_is_refused() {
    let double = Double::start();
    let register = async |version: &str| {
        let form = format!("url=http://127.0.0.1:1/&enabled_events[]=*&api_version={version}");
        double.post("/v1/webhook_endpoints", &form).await
    };
    for version in ["2024-06-20", "2026-10-28.endive", "newest"] {
        assert_eq!(register(version).await.refusal(), (400, "invalid_request_error", "", "api_version"), "{version}");
    }
    assert_eq!(register(API_VERSION).await.body["api_version"], API_VERSION);
}

#[tokio::test]
async fn a_failed_delivery_comes_again_with_a_fresh_signature() {
    let double = Double::start();
    let inbox = Inbox::failing(2).await;
    let secret = register(&double, &inbox, "&enabled_events[]=*").await;
    double.post("/v1/customers", "").await;
    eventually("a first try", async || inbox.letters().first().cloned()).await;
    double.admin(Method::POST, "/clock", json!({"advance_secs": 1_000})).await;
    let letters = eventually("a third try", async || Some(inbox.letters()).filter(|letters| letters.len() == 3)).await;
    let times: Vec<i64> = letters.iter().map(|letter| verified(&secret, letter)).collect();
    assert!(times[2] - times[0] >= 1_000, "{times:?}");
    assert_eq!(letters[0].body, letters[2].body);
    let delivery = eventually("delivered", async || {
        let list = double.admin(Method::GET, "/deliveries", json!({})).await;
        Some(list["data"][0].clone()).filter(|delivery| delivery["state"] == "delivered")
    })
    .await;
    let statuses: Vec<&Value> =
        delivery["attempts"].as_array().into_iter().flatten().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [&json!(503), &json!(503), &json!(200)]);
}

#[tokio::test]
async fn an_endpoint_shows_its_secret_once() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    register(&double, &inbox, "&enabled_events[]=*").await;
    let list = double.get("/v1/webhook_endpoints").await;
    assert_eq!(list.body["data"][0]["url"], inbox.url);
    assert!(!list.text.contains("whsec_"));
}

#[tokio::test]
async fn after_three_days_a_delivery_is_given_up() {
    let double = Double::start();
    let inbox = Inbox::failing(usize::MAX).await;
    register(&double, &inbox, "&enabled_events[]=*").await;
    double.post("/v1/customers", "").await;
    eventually("a first try", async || inbox.letters().first().cloned()).await;
    double.admin(Method::POST, "/clock", json!({"advance_secs": 4 * 86_400})).await;
    eventually("given up", async || {
        let list = double.admin(Method::GET, "/deliveries", json!({})).await;
        (list["data"][0]["state"] == "given_up").then_some(())
    })
    .await;
}
