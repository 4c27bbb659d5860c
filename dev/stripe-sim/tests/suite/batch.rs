//! Many requests in one go, and what a list of many rows costs.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Double;

fn wanted(path: &str, form: String) -> Value {
    json!({"method": "POST", "path": path, "form": form})
}

async fn batch(double: &Double, requests: &[Value], silent: bool) -> Vec<Value> {
    let mut answers = Vec::new();
    for part in requests.chunks(1_000) {
        let order = json!({"requests": part, "fields": ["id"], "silent": silent});
        let answer = double.admin(Method::POST, "/batch", order).await;
        answers.extend(answer["data"].as_array().cloned().unwrap_or_else(|| panic!("{answer}")));
    }
    answers
}

fn id(answer: &Value) -> &str {
    answer["body"]["id"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_batch_is_carried_out_in_order_and_each_request_is_answered() {
    let double = Double::start();
    let order = json!({"requests": [
        wanted("/v1/customers", "email=a@example.com".to_owned()),
        wanted("/v1/customers", "colour=red".to_owned()),
        {"method": "GET", "path": "/v1/customers?limit=2"},
    ]});
    let answer = double.admin(Method::POST, "/batch", order).await;
    let statuses = answer["data"].as_array().expect("answers").iter().map(|one| &one["status"]);
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 400, 200]);
    let (made, refused, listed) = (&answer["data"][0]["body"], &answer["data"][1]["body"], &answer["data"][2]["body"]);
    assert_eq!(made["email"], "a@example.com");
    assert_eq!(refused["error"]["code"], "parameter_unknown");
    assert_eq!(listed["data"], json!([made]));
    assert_eq!(double.admin(Method::GET, "/requests", json!({})).await["data"], json!([]));
    assert_eq!(double.events("customer.created").await.len(), 1);
}

#[tokio::test]
async fn a_silent_batch_makes_objects_and_no_events() {
    let double = Double::start();
    let answers = batch(&double, &[wanted("/v1/customers", String::new())], true).await;
    assert_eq!(double.get(&format!("/v1/customers/{}", id(&answers[0]))).await.status, 200);
    assert_eq!(double.events("*").await.len(), 0);
    double.post("/v1/customers", "").await;
    assert_eq!(double.events("*").await.len(), 1);
}

/// The bounds are far from what a quiet machine needs: they are there to notice a scan per request.
#[tokio::test]
async fn twelve_thousand_customers_and_their_subscriptions_are_made_and_listed_in_seconds() {
    let double = Double::start();
    let price = double.price().await;
    let customers = |n: usize| wanted("/v1/customers", format!("email=user{n}@example.com&source=tok_visa"));
    let began = Instant::now();
    let made = batch(&double, &(0..12_000).map(customers).collect::<Vec<_>>(), true).await;
    let subscription = |customer: &Value| {
        wanted("/v1/subscriptions", format!("customer={}&items[0][price]={price}&items[0][quantity]=3", id(customer)))
    };
    let subscribed = batch(&double, &made[..11_000].iter().map(subscription).collect::<Vec<_>>(), true).await;
    assert!(subscribed.iter().all(|one| one["status"] == 200));
    let making = began.elapsed();
    let (began, mut after, mut pages) = (Instant::now(), String::new(), 0);
    loop {
        let page = double.get(&format!("/v1/subscriptions?limit=100{after}")).await.body;
        pages += 1;
        if page["has_more"] != true {
            break;
        }
        after = format!("&starting_after={}", page["data"][99]["id"].as_str().expect("an id"));
    }
    let listing = began.elapsed();
    println!("made in {making:?}, listed in {listing:?}");
    assert_eq!(pages, 110);
    assert!(making < Duration::from_secs(600) && listing < Duration::from_secs(300), "{making:?}, {listing:?}");
}
