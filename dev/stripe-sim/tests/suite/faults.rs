//! Every fault, and what it leaves behind; holds.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, eventually};

/// How a client sees a fault: a status and its body's beginning, or a broken connection.
enum Seen {
    Answer(u16, &'static str),
    Broken,
}

async fn customers(double: &Double) -> usize {
    double.get("/v1/customers").await.body["data"].as_array().map_or(0, Vec::len)
}

async fn check(kind: &str, more: Value, seen: Seen, made: usize) {
    let double = Double::start();
    let mut order = json!({"method": "POST", "path": "/v1/cust*", "kind": kind});
    for (field, value) in more.as_object().into_iter().flatten() {
        order[field] = value.clone();
    }
    double.fault(order).await;
    let first = double.send(Method::POST, "/v1/customers", "name=a", Some("k")).await;
    match (seen, first) {
        (Seen::Answer(status, start), Ok(reply)) => {
            assert_eq!(reply.status, status, "{kind}");
            assert!(reply.text.starts_with(start), "{kind}: {}", reply.text);
        }
        (Seen::Broken, Err(error)) => assert!(!error.is_timeout(), "{kind}: {error:?}"),
        (Seen::Answer(..), Err(error)) => panic!("{kind}: {error:?}"),
        (Seen::Broken, Ok(reply)) => panic!("{kind}: answered {}", reply.status),
    }
    assert_eq!(customers(&double).await, made, "{kind}");
    let entry = double.requests("/v1/customers").await[0].clone();
    assert_eq!((&entry["fault"], &entry["effect"]), (&json!(kind), &json!(made == 1)), "{kind}");
    // Whatever it was, the same key leads to one customer, or repeats Stripe's own 500.
    let again = double.post_as("k", "/v1/customers", "name=a").await;
    assert_eq!(again.status, if kind == "server_error" { 500 } else { 200 }, "{kind}");
}

#[tokio::test]
async fn each_fault_does_what_its_name_says() {
    let none = || json!({});
    let anyway = || json!({"effect": true});
    check("too_many_requests", none(), Seen::Answer(429, "{\"error\""), 0).await;
    check("server_error", none(), Seen::Answer(500, "{\"error\""), 0).await;
    check("server_error", anyway(), Seen::Answer(500, "{\"error\""), 1).await;
    check("html_bad_gateway", none(), Seen::Answer(502, "<html>"), 0).await;
    check("html_bad_gateway", anyway(), Seen::Answer(502, "<html>"), 1).await;
    check("empty_gateway_timeout", none(), Seen::Answer(504, ""), 0).await;
    check("reset_before", none(), Seen::Broken, 0).await;
    check("reset_after", none(), Seen::Broken, 1).await;
    check("unauthorized", none(), Seen::Answer(401, "{\"error\""), 0).await;
    check("forbidden", none(), Seen::Answer(403, "{\"error\""), 0).await;
    check("not_found", none(), Seen::Answer(404, "{\"error\""), 0).await;
}

#[tokio::test]
async fn a_not_found_to_order_reads_like_a_true_one() {
    let double = Double::start();
    let check = async |path: &str| {
        let real = double.get(path).await;
        double.fault(json!({"path": path, "kind": "not_found"})).await;
        let ordered = double.get(path).await;
        assert_eq!((ordered.status, &ordered.body), (404, &real.body), "{path}");
        assert_eq!(ordered.refusal().2, "resource_missing", "{path}");
    };
    check("/v1/customers/cus_none").await;
    check("/v1/subscriptions/sub_none").await;
    check("/v1/checkout/sessions/cs_none").await;
    check("/v1/prices/price_none").await;
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_answered_under_its_key() {
    let double = Double::start();
    double.fault(json!({"path": "/v1/customers", "kind": "reset_after"})).await;
    let lost = double.send(Method::POST, "/v1/customers", "", Some("k")).await;
    assert!(lost.is_err());
    let found = double.post_as("k", "/v1/customers", "").await;
    assert_eq!((found.status, found.header("idempotent-replayed")), (200, "true"));
    assert_eq!(customers(&double).await, 1);
}

#[tokio::test]
async fn a_hang_gives_no_answer() {
    let double = Double::start();
    double.fault(json!({"path": "/v1/customers", "kind": "hang"})).await;
    let request = double.client.get(double.url("/v1/customers")).bearer_auth("sk_test_double");
    let hanging = tokio::spawn(request.send());
    let entry = eventually("the hang", async || {
        double.requests("/v1/customers").await.into_iter().find(|entry| entry["fault"] == "hang")
    })
    .await;
    assert_eq!(entry["status"], Value::Null);
    assert_eq!(double.get("/v1/customers").await.status, 200);
    assert!(!hanging.is_finished(), "what came before the next one's answer");
    hanging.abort();
}

#[tokio::test]
async fn a_fault_strikes_as_often_as_ordered_after_those_it_skips() {
    let double = Double::start();
    double
        .fault(json!({"method": "GET", "path": "/v1/account", "kind": "too_many_requests", "skip": 1, "count": 2}))
        .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(double.get("/v1/account").await.status);
    }
    assert_eq!(statuses, [200, 429, 429, 200]);
    let faults = double.admin(Method::GET, "/faults", json!({})).await;
    assert_eq!((&faults["data"][0]["hits"], &faults["data"][0]["left"]), (&json!(2), &json!(0)));
    double.admin(Method::DELETE, "/faults", json!({})).await;
    assert_eq!(double.admin(Method::GET, "/faults", json!({})).await["data"], json!([]));
}

#[tokio::test]
async fn a_fault_strikes_each_nth_call_and_its_kinds_take_turns() {
    let double = Double::start();
    double.fault(json!({"path": "/v1/c*", "every": 3, "kinds": ["server_error", "too_many_requests"]})).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(double.get("/v1/customers").await.status);
        statuses.push(double.post("/v1/customers", "").await.status);
        double.get("/v1/account").await;
    }
    assert_eq!(statuses, [200, 200, 500, 200, 200, 429, 200, 200, 500, 200]);
    let faults = double.admin(Method::GET, "/faults", json!({})).await;
    let counts = (&faults["data"][0]["calls"], &faults["data"][0]["hits"]);
    assert_eq!(counts, (&json!(10), &json!(3)));
    let refused = double.admin(Method::POST, "/faults", json!({"path": "/v1/*", "every": 3})).await;
    assert_eq!(refused["error"]["message"], "give kind or kinds");
}

#[tokio::test]
async fn a_fault_for_each_nth_call_counts_those_that_another_struck() {
    let double = Double::start();
    double.fault(json!({"path": "/v1/*", "kind": "not_found"})).await;
    double.fault(json!({"path": "/v1/*", "kind": "too_many_requests", "every": 2, "count": 1})).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(double.get("/v1/account").await.status);
    }
    assert_eq!(statuses, [404, 429, 200, 200]);
}

/// Holds a read of a customer while its name changes; what does the read say?
async fn name_read_while_held(phase: &str) -> Value {
    let double = Double::start();
    let path = format!("/v1/customers/{}", double.post("/v1/customers", "name=old").await.id());
    let order = json!({"method": "GET", "path": path, "phase": phase});
    let hold =
        format!("/holds/{}", double.admin(Method::POST, "/holds", order).await["id"].as_str().unwrap_or_default());
    let (read, ()) = tokio::join!(double.get(&path), async {
        eventually("the read is held", async || {
            (double.admin(Method::GET, &hold, json!({})).await["waiting"] == 1).then_some(())
        })
        .await;
        double.post(&path, "name=new").await;
        double.admin(Method::POST, &format!("{hold}/release"), json!({})).await;
    });
    eventually("nobody waits", async || {
        (double.admin(Method::GET, &hold, json!({})).await["waiting"] == 0).then_some(())
    })
    .await;
    read.body["name"].clone()
}

#[tokio::test]
async fn a_read_held_after_its_execution_is_stale_and_one_held_before_is_not() {
    assert_eq!(name_read_while_held("after").await, "old");
    assert_eq!(name_read_while_held("before").await, "new");
}

#[tokio::test]
async fn a_held_write_is_executed_although_its_client_left() {
    let double = Double::start();
    let order = json!({"method": "POST", "path": "/v1/customers", "phase": "before"});
    let hold = double.admin(Method::POST, "/holds", order).await["id"].as_str().unwrap_or_default().to_owned();
    let request = double.client.post(double.url("/v1/customers")).bearer_auth("sk_test_double");
    let client = tokio::spawn(request.send());
    eventually("the write is held", async || {
        (double.admin(Method::GET, &format!("/holds/{hold}"), json!({})).await["waiting"] == 1).then_some(())
    })
    .await;
    client.abort();
    assert!(client.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(customers(&double).await, 0);
    double.admin(Method::POST, &format!("/holds/{hold}/release"), json!({})).await;
    eventually("the late write", async || (customers(&double).await == 1).then_some(())).await;
}
