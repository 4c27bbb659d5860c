//! Events reach the endpoints that want them, signed, and again until they are taken.

use reqwest::Method;
use serde_json::json;
use stripe_sim::API_VERSION;

use crate::client::{Double, eventually};
use crate::inbox::Inbox;

#[tokio::test]
async fn an_event_is_delivered_signed_to_those_who_want_it() {
    let double = Double::start();
    let (wants, wants_not) = (Inbox::failing(0).await, Inbox::failing(0).await);
    let types = "&enabled_events[]=customer.created&enabled_events[]=customer.deleted";
    let (_, secret) = double.register(&wants.url, types).await;
    double.register(&wants_not.url, "&enabled_events[]=invoice.paid").await;
    let customer = double.post_as("k", "/v1/customers", "email=a@example.com").await;
    let letter = wants.until(1).await.remove(0);
    letter.verified(&secret);
    let event = letter.event();
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
    let owed = double.deliveries("").await;
    assert_eq!(owed.iter().map(|one| &one["url"]).collect::<Vec<_>>(), [&json!(wants.url)]);
}

#[tokio::test]
async fn a_failed_delivery_comes_again_with_a_fresh_signature() {
    let double = Double::start();
    let inbox = Inbox::failing(2).await;
    let (endpoint, secret) = double.register(&inbox.url, "&enabled_events[]=*").await;
    double.policy(json!({"retry_ms": 1_000})).await;
    double.post("/v1/customers", "").await;
    inbox.until(1).await;
    // Were a later try signed like the first, it would not have this time.
    double.policy(json!({"retry_ms": 1_000, "skew_secs": -100_000})).await;
    let letters = inbox.until(3).await;
    let times: Vec<i64> = letters.iter().map(|letter| letter.verified(&secret)).collect();
    assert!(times[0] - times[2] >= 90_000, "{times:?}");
    assert_eq!(letters[0].body, letters[2].body);
    let delivered = eventually("delivered", async || {
        double.deliveries(&format!("endpoint={endpoint}&state=delivered")).await.pop()
    })
    .await;
    let tries = delivered["attempts"].as_array().expect("tries");
    assert_eq!(tries.iter().map(|attempt| &attempt["status"]).collect::<Vec<_>>(), [503, 503, 200]);
    assert_eq!(
        tries.iter().map(|attempt| attempt["at"].as_i64()).collect::<Vec<_>>(),
        times.into_iter().map(Some).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_signature_is_of_now_however_far_the_clock_was_moved() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    let (_, secret) = double.register(&inbox.url, "&enabled_events[]=*").await;
    let clock = double.admin(Method::POST, "/clock", json!({"advance_secs": 40 * 86_400})).await;
    double.post("/v1/customers", "").await;
    let at = inbox.until(1).await[0].verified(&secret);
    assert!(at < clock["now"].as_i64().expect("seconds") - 39 * 86_400);
}

#[tokio::test]
async fn a_rolled_secret_signs_beside_the_new_one_until_it_expires() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    let (endpoint, old) = double.register(&inbox.url, "&enabled_events[]=*").await;
    let path = format!("/webhook_endpoints/{endpoint}/roll");
    let rolled = double.admin(Method::POST, &path, json!({"expires_in_secs": 600})).await;
    let new = rolled["secret"].as_str().expect("a secret").to_owned();
    double.post("/v1/customers", "").await;
    let both = inbox.until(1).await.remove(0);
    assert_eq!((both.verified(&old), both.parts("v1=").len()), (both.verified(&new), 2));
    // A receiver that takes any scheme for a signature would be fooled by this one.
    assert_eq!(both.parts("v0=").len(), 1);
    double.admin(Method::POST, "/clock", json!({"advance_secs": 601})).await;
    double.post("/v1/customers", "").await;
    let one = inbox.until(2).await.remove(1);
    assert_eq!((one.parts("v1=").len(), one.verified(&new) > 0), (1, true));
    let unknown = double.admin(Method::POST, "/webhook_endpoints/we_none/roll", json!({})).await;
    assert_eq!(unknown["error"]["message"], "no such webhook endpoint");
}

#[tokio::test]
async fn a_disabled_or_deleted_endpoint_is_given_up() {
    for ending in ["disabled", "deleted"] {
        let double = Double::start();
        let inbox = Inbox::failing(usize::MAX).await;
        let (endpoint, _) = double.register(&inbox.url, "&enabled_events[]=*").await;
        double.post("/v1/customers", "").await;
        inbox.until(1).await;
        let path = format!("/v1/webhook_endpoints/{endpoint}");
        if ending == "deleted" {
            double.delete(&path).await
        } else {
            double.post(&path, "disabled=true").await
        };
        eventually("given up", async || double.deliveries("state=given_up").await.pop()).await;
        double.post("/v1/customers", "").await;
        assert_eq!(double.deliveries("").await.len(), 1, "{ending}");
        // What was not delivered is not forgotten: that is how a reconciler finds it.
        let missed = double.get("/v1/events?delivery_success=false").await;
        assert_eq!(missed.body["data"].as_array().map(Vec::len), Some(1), "{ending}");
    }
}

#[tokio::test]
async fn an_endpoint_shows_its_secret_once() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    double.register(&inbox.url, "&enabled_events[]=*").await;
    let list = double.get("/v1/webhook_endpoints").await;
    assert_eq!(list.body["data"][0]["url"], inbox.url);
    assert!(!list.text.contains("whsec_"));
}

#[tokio::test]
async fn after_three_days_a_delivery_is_given_up() {
    let double = Double::start();
    let inbox = Inbox::failing(usize::MAX).await;
    double.register(&inbox.url, "&enabled_events[]=*").await;
    double.post("/v1/customers", "").await;
    inbox.until(1).await;
    double.admin(Method::POST, "/clock", json!({"advance_secs": 4 * 86_400})).await;
    eventually("given up", async || double.deliveries("state=given_up").await.pop()).await;
}
