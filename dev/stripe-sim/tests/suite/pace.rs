//! The answer time and the limit of requests a second.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use stripe_sim::Config;

use crate::client::Double;

#[tokio::test]
async fn every_answer_takes_the_time_that_was_ordered() {
    let ms = |ms: u64| Duration::from_millis(ms);
    let double = Double::with(Config { latency: ms(300), ..Config::default() });
    let began = Instant::now();
    let (a, b) = tokio::join!(double.get("/v1/account"), double.get("/v1/customers"));
    assert_eq!((a.status, b.status), (200, 200));
    assert!(began.elapsed() >= ms(300), "{:?}", began.elapsed());
    assert!(began.elapsed() < ms(600), "they wait side by side: {:?}", began.elapsed());
    assert_eq!(double.admin(Method::POST, "/latency", json!({"ms": 0})).await, json!({"ms": 0}));
    let began = Instant::now();
    double.get("/v1/account").await;
    assert!(began.elapsed() < ms(300), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_exceeds_the_limit_is_answered_429_and_counted() {
    let double = Double::start();
    double.admin(Method::POST, "/limit", json!({"per_second": 3})).await;
    // All within one second: an answer takes a few milliseconds.
    let answers = [
        double.post_as("k", "/v1/customers", "").await,
        double.get("/v1/customers").await,
        double.get("/v1/customers").await,
        double.post_as("l", "/v1/customers", "").await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 200, 429]);
    assert_eq!(answers[3].refusal(), (429, "invalid_request_error", "rate_limit", ""));
    let limit = double.admin(Method::GET, "/limit", json!({})).await;
    assert_eq!(limit, json!({"per_second": 3, "admitted": 3, "refused": 1, "peak": 3}));
    double.admin(Method::POST, "/limit", json!({})).await;
    assert_eq!(double.post_as("l", "/v1/customers", "").await.status, 200, "no 429 is kept under a key");
}
