//! `GET /v1/events`: what a reconciler asks after an outage.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, eventually};
use crate::inbox::Inbox;

async fn types(double: &Double, query: &str) -> Vec<String> {
    let page = double.get(&format!("/v1/events?{query}")).await;
    let data = page.body["data"].as_array().unwrap_or_else(|| panic!("{query}: {}", page.text));
    data.iter().map(|row| row["type"].as_str().expect("a type").to_owned()).collect()
}

#[tokio::test]
async fn events_of_one_second_keep_their_order() {
    let double = Double::start();
    let now = double.freeze().await;
    let customer = double.post("/v1/customers", "name=a").await.id();
    for name in ["b", "c", "d"] {
        double.post(&format!("/v1/customers/{customer}"), &format!("name={name}")).await;
    }
    let page = double.get("/v1/events").await;
    let data = page.body["data"].as_array().expect("events");
    let names: Vec<&Value> = data.iter().map(|row| &row["data"]["object"]["name"]).collect();
    assert_eq!(names, ["d", "c", "b", "a"]);
    assert!(data.iter().all(|row| row["created"] == now));
    let ids: Vec<&str> = data.iter().map(|row| row["id"].as_str().expect("an id")).collect();
    let page = async |query: String| {
        let page = double.get(&format!("/v1/events?{query}")).await;
        let data = page.body["data"].as_array().cloned().expect("events");
        (
            data.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>(),
            page.body["has_more"] == true,
        )
    };
    let named = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    assert_eq!(page(format!("limit=2&created[gte]={now}")).await, (named(&ids[..2]), true));
    assert_eq!(page(format!("limit=2&starting_after={}", ids[1])).await, (named(&ids[2..]), false));
    assert_eq!(page(format!("limit=2&ending_before={}", ids[3])).await, (named(&ids[1..3]), true));
    assert_eq!(page(format!("created[gt]={now}")).await, (Vec::new(), false));
    assert_eq!(page(format!("created={now}")).await.0.len(), 4);
}

#[tokio::test]
async fn the_clock_goes_on_after_it_was_frozen() {
    let double = Double::start();
    let now = double.freeze().await;
    let moved = double.admin(Method::POST, "/clock", json!({"advance_secs": 60})).await;
    assert_eq!((&moved["now"], &moved["frozen"]), (&json!(now + 60), &json!(true)));
    let running = double.admin(Method::POST, "/clock", json!({"freeze": false})).await;
    assert_eq!(running["frozen"], false);
    eventually("a second", async || {
        let clock = double.admin(Method::GET, "/clock", json!({})).await;
        (clock["now"].as_i64() > Some(now + 60)).then_some(())
    })
    .await;
    assert!(double.admin(Method::POST, "/clock", json!({})).await["error"].is_object());
}

#[tokio::test]
async fn events_are_filtered_by_type() {
    let double = Double::start();
    let customer = double.post("/v1/customers", "name=a").await.id();
    double.post(&format!("/v1/customers/{customer}"), "name=b").await;
    double.delete(&format!("/v1/customers/{customer}")).await;
    assert_eq!(types(&double, "type=customer.updated").await, ["customer.updated"]);
    assert_eq!(
        types(&double, "types[]=customer.created&types[]=customer.deleted").await,
        ["customer.deleted", "customer.created"]
    );
    assert_eq!(types(&double, "type=customer.*&limit=2").await, ["customer.deleted", "customer.updated"]);
    let both = double.get("/v1/events?type=a&types[]=b").await;
    assert_eq!(both.refusal().0, 400);
    let unknown = double.get("/v1/events?kind=a").await;
    assert_eq!(unknown.refusal(), (400, "invalid_request_error", "parameter_unknown", "kind"));
}

#[tokio::test]
async fn delivered_means_that_every_endpoint_took_it() {
    let double = Double::start();
    let (takes, fails) = (Inbox::failing(0).await, Inbox::failing(usize::MAX).await);
    double.policy(json!({"retry_ms": 5})).await;
    double.register(&takes.url, "&enabled_events[]=*").await;
    double.register(&fails.url, "&enabled_events[]=customer.created").await;
    let customer = double.post("/v1/customers", "name=a").await.id();
    double.post(&format!("/v1/customers/{customer}"), "name=b").await;
    takes.until(2).await;
    fails.until(2).await;
    eventually("the second", async || {
        (types(&double, "delivery_success=true").await == ["customer.updated"]).then_some(())
    })
    .await;
    assert_eq!(types(&double, "delivery_success=false").await, ["customer.created"]);
}

#[tokio::test]
async fn after_thirty_days_events_are_gone() {
    let double = Double::start();
    double.post("/v1/customers", "").await;
    let id = double.events("customer.created").await[0]["id"].as_str().expect("an id").to_owned();
    let thin = double.get("/v2/core/events").await.body["data"][0]["id"].as_str().expect("an id").to_owned();
    double.admin(Method::POST, "/clock", json!({"advance_secs": 30 * 86_400 + 60})).await;
    assert!(types(&double, "").await.is_empty());
    for cursor in ["starting_after", "ending_before"] {
        let forgotten = double.get(&format!("/v1/events?{cursor}={id}")).await;
        assert_eq!(forgotten.refusal(), (400, "invalid_request_error", "resource_missing", cursor));
    }
    let gone = double.get(&format!("/v1/events/{id}")).await;
    assert_eq!(gone.refusal(), (404, "invalid_request_error", "resource_missing", "id"));
    assert_eq!(double.get("/v2/core/events").await.body["data"], json!([]));
    assert_eq!(double.get(&format!("/v2/core/events/{thin}")).await.status, 404);
}
