//! The answer time and the limit of requests a second.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use stripe_sim::Config;

use crate::client::Double;

#[tokio::test]
async fn every_answer_takes_the_time_that_was_ordered() {
    let ms = |ms: u64| Duration::from_millis(ms);
    let double = Double::with(Config { latency: ms(2_000), ..Config::default() });
    let began = Instant::now();
    let (a, b) = tokio::join!(double.get("/v1/account"), double.get("/v1/customers"));
    assert_eq!((a.status, b.status), (200, 200));
    assert!(began.elapsed() >= ms(2_000), "{:?}", began.elapsed());
    assert!(began.elapsed() < ms(4_000), "they wait side by side: {:?}", began.elapsed());
    assert_eq!(double.admin(Method::POST, "/latency", json!({"ms": 0})).await, json!({"ms": 0}));
    let began = Instant::now();
    double.get("/v1/account").await;
    assert!(began.elapsed() < ms(2_000), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_exceeds_the_limit_is_answered_429_and_counted() {
    let double = Double::start();
    double.admin(Method::POST, "/limit", json!({"per_second": 1})).await;
    // Two within one second, at which a slow machine may need several tries.
    let mut sent = 0;
    let (key, refused) = loop {
        let keys = [format!("k{sent}"), format!("k{}", sent + 1)];
        let write = async |key| double.post_as(key, "/v1/customers", "").await;
        let both = tokio::join!(write(&keys[0]), write(&keys[1]));
        sent += 2;
        let mut answers = keys.into_iter().zip([both.0, both.1]);
        if let Some(refused) = answers.find(|(_, answer)| answer.status != 200) {
            break refused;
        }
    };
    assert_eq!(refused.refusal(), (429, "invalid_request_error", "rate_limit", ""));
    let limit = double.admin(Method::GET, "/limit", json!({})).await;
    // Both were refused where another one, of the try before, was in the same second.
    let refusals = limit["refused"].as_u64().expect("a number");
    assert!((1..=2).contains(&refusals), "{limit}");
    assert_eq!(limit, json!({"per_second": 1, "admitted": sent - refusals, "refused": refusals, "peak": 1}));
    double.admin(Method::POST, "/limit", json!({})).await;
    assert_eq!(double.post_as(&key, "/v1/customers", "").await.status, 200, "no 429 is kept under a key");
}
