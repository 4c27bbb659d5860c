//! Lists: newest first, pages joined by cursors, filters as Stripe's.

use serde_json::Value;

use crate::client::{Double, Reply};

fn names(page: &Reply) -> Vec<String> {
    let data = page.body["data"].as_array().cloned().unwrap_or_default();
    data.iter().map(|row| row["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_and_back() {
    let double = Double::start();
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(double.post("/v1/customers", &format!("name={name}")).await.id());
    }
    let check = async |query: String, expected: &[&str], has_more: bool| {
        let page = double.get(&format!("/v1/customers?{query}")).await;
        assert_eq!(
            (names(&page), &page.body["has_more"]),
            (expected.iter().map(|&n| n.to_owned()).collect(), &Value::Bool(has_more)),
            "{query}"
        );
    };
    check(String::new(), &["e", "d", "c", "b", "a"], false).await;
    check("limit=2".to_owned(), &["e", "d"], true).await;
    check(format!("limit=2&starting_after={}", ids[3]), &["c", "b"], true).await;
    check(format!("limit=2&starting_after={}", ids[1]), &["a"], false).await;
    check(format!("limit=2&ending_before={}", ids[0]), &["c", "b"], true).await;
    check(format!("limit=5&ending_before={}", ids[2]), &["e", "d"], false).await;
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let double = Double::start();
    let check = async |query: &str, param: &str| {
        let reply = double.get(&format!("/v1/customers?{query}")).await;
        assert_eq!((reply.status, reply.refusal().3), (400, param), "{query}");
    };
    check("limit=0", "limit").await;
    check("limit=101", "limit").await;
    check("limit=many", "limit").await;
    check("starting_after=cus_nobody", "starting_after").await;
}

#[tokio::test]
async fn the_email_filter_is_exact_and_knows_letter_case() {
    let double = Double::start();
    double.post("/v1/customers", "name=small&email=ann@example.com").await;
    double.post("/v1/customers", "name=capital&email=Ann@example.com").await;
    let check = async |email: &str, expected: &[&str]| {
        let page = double.get(&format!("/v1/customers?email={email}")).await;
        assert_eq!(names(&page), expected, "{email}");
    };
    check("ann@example.com", &["small"]).await;
    check("Ann@example.com", &["capital"]).await;
    check("ANN@example.com", &[]).await;
}

#[tokio::test]
async fn deleted_customers_are_read_but_not_listed() {
    let double = Double::start();
    let id = double.post("/v1/customers", "").await.id();
    double.delete(&format!("/v1/customers/{id}")).await;
    let read = double.get(&format!("/v1/customers/{id}")).await;
    assert_eq!((read.status, &read.body["deleted"]), (200, &Value::Bool(true)));
    assert_eq!(names(&double.get("/v1/customers").await), [""; 0]);
    assert_eq!(double.post(&format!("/v1/customers/{id}"), "name=x").await.status, 404);
}

#[tokio::test]
async fn subscriptions_are_filtered_by_status_customer_price_and_age() {
    let double = Double::start();
    let (ann, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let (bob, other) = (double.customer_with("pm_card_visa").await, double.price().await);
    let live = double.subscribe(&ann, &price, "").await;
    let gone = double.subscribe(&ann, &price, "").await.id();
    let of_bob = double.subscribe(&bob, &other, "&trial_period_days=3").await.id();
    double.delete(&format!("/v1/subscriptions/{gone}")).await;
    let (created, live) = (live.body["created"].as_i64().unwrap_or_default(), live.id());
    let check = async |query: String, expected: &[&String]| {
        let page = double.get(&format!("/v1/subscriptions?{query}")).await;
        let ids: Vec<String> = page.body["data"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row["id"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{query}");
    };
    check(String::new(), &[&of_bob, &live]).await;
    check("status=all".to_owned(), &[&of_bob, &gone, &live]).await;
    check("status=canceled".to_owned(), &[&gone]).await;
    check("status=trialing".to_owned(), &[&of_bob]).await;
    check(format!("customer={ann}"), &[&live]).await;
    check(format!("price={other}"), &[&of_bob]).await;
    check(format!("created[gte]={created}&customer={ann}"), &[&live]).await;
    check(format!("created[gte]={}", created + 1_000), &[]).await;
}
