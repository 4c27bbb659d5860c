//! The same key and request give the same answer; anything else is refused.

use reqwest::Method;
use serde_json::json;

use crate::client::{Double, eventually};

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_makes_nothing() {
    let double = Double::start();
    let first = double.post_as("k", "/v1/customers", "email=a@example.com").await;
    let again = double.post_as("k", "/v1/customers", "email=a@example.com").await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!(again.header("original-request"), first.header("request-id"));
    let customers = double.get("/v1/customers").await;
    assert_eq!(customers.body["data"].as_array().map(Vec::len), Some(1));
    let effects: Vec<bool> =
        double.requests("/v1/customers").await.iter().map(|entry| entry["effect"] == true).collect();
    assert_eq!(effects, [true, false, false]);
}

#[tokio::test]
async fn another_request_under_a_used_key_is_refused() {
    let double = Double::start();
    double.post_as("k", "/v1/customers", "email=a@example.com").await;
    let other_params = double.post_as("k", "/v1/customers", "email=b@example.com").await;
    let other_path = double.post_as("k", "/v1/products", "name=Pro").await;
    assert_eq!(other_params.refusal(), (400, "idempotency_error", "", ""));
    assert_eq!(other_path.refusal(), (400, "idempotency_error", "", ""));
}

#[tokio::test]
async fn an_answered_500_is_repeated_under_its_key_and_a_new_key_goes_through() {
    let double = Double::start();
    double.fault(json!({"method": "POST", "path": "/v1/customers", "kind": "server_error"})).await;
    for _ in 0..3 {
        let reply = double.post_as("k", "/v1/customers", "").await;
        assert_eq!(reply.refusal(), (500, "api_error", "", ""));
    }
    assert_eq!(double.post_as("k/2", "/v1/customers", "").await.status, 200);
}

#[tokio::test]
async fn a_500_may_hide_a_write_that_took_effect() {
    let double = Double::start();
    double.fault(json!({"path": "/v1/customers", "kind": "server_error", "effect": true})).await;
    assert_eq!(double.post_as("k", "/v1/customers", "email=a@example.com").await.status, 500);
    let customers = double.get("/v1/customers").await;
    assert_eq!(customers.body["data"][0]["email"], "a@example.com");
}

#[tokio::test]
async fn refusals_before_execution_are_not_kept_and_declines_are() {
    let double = Double::start();
    double.fault(json!({"path": "/v1/customers", "kind": "too_many_requests"})).await;
    let check = async |form: &str, status: u16| {
        let reply = double.post_as("k", "/v1/customers", form).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (status, ""), "{form}: {}", reply.text);
    };
    check("email=a@example.com", 429).await;
    check("colour=red", 400).await;
    check("email=a@example.com", 200).await;

    for replayed in ["", "true"] {
        let reply = double.post_as("d", "/v1/customers", "payment_method=pm_card_chargeDeclined").await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (402, replayed), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_key_that_is_being_worked_on_is_a_conflict() {
    let double = Double::start();
    let order = json!({"method": "POST", "path": "/v1/customers", "phase": "before"});
    let hold = double.admin(Method::POST, "/holds", order).await["id"].as_str().unwrap_or_default().to_owned();
    let (first, second) = tokio::join!(double.post_as("k", "/v1/customers", ""), async {
        eventually("the first is held", async || {
            (double.admin(Method::GET, &format!("/holds/{hold}"), json!({})).await["waiting"] == 1).then_some(())
        })
        .await;
        let second = double.post_as("k", "/v1/customers", "").await;
        double.admin(Method::POST, &format!("/holds/{hold}/release"), json!({})).await;
        second
    });
    assert_eq!(second.refusal(), (409, "idempotency_error", "idempotency_key_in_use", ""));
    assert_eq!(first.status, 200);
    assert_eq!(double.post_as("k", "/v1/customers", "").await.text, first.text);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let double = Double::start();
    let first = double.post_as("k", "/v1/customers", "").await;
    double.admin(Method::POST, "/clock", json!({"advance_secs": 86_400})).await;
    assert_ne!(double.post_as("k", "/v1/customers", "").await.id(), first.id());
}

#[tokio::test]
async fn keys_mean_nothing_on_reads() {
    let double = Double::start();
    let customer = double.post("/v1/customers", "name=before").await.id();
    let path = format!("/v1/customers/{customer}");
    let read = async || double.send(Method::GET, &path, "", Some("r")).await.expect("an answer").body["name"].clone();
    assert_eq!(read().await, "before");
    double.post(&path, "name=after").await;
    assert_eq!(read().await, "after");
}
