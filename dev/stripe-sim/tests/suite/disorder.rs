//! Deliveries to order: held, released in any order, twice, never, late.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, eventually};
use crate::inbox::{Inbox, Letter};

const ALL: &str = "&enabled_events[]=*";

fn ids(letters: &[Letter]) -> Vec<String> {
    letters.iter().map(Letter::id).collect()
}

fn events(deliveries: &[Value]) -> Vec<String> {
    deliveries.iter().map(|one| one["event"].as_str().expect("an id").to_owned()).collect()
}

/// An inbox whose events are held, and the ids of that many, oldest first.
async fn held(double: &Double, count: usize) -> (Inbox, Vec<String>) {
    let inbox = Inbox::failing(0).await;
    double.register(&inbox.url, ALL).await;
    double.policy(json!({"hold": {}})).await;
    for _ in 0..count {
        double.post("/v1/customers", "").await;
    }
    let held = events(&double.deliveries("state=held").await);
    assert_eq!(held.len(), count);
    (inbox, held)
}

async fn release(double: &Double, order: Value) -> Value {
    double.admin(Method::POST, "/deliveries/release", order).await
}

#[tokio::test]
async fn what_is_held_arrives_in_the_order_in_which_it_is_released() {
    let double = Double::start();
    let (inbox, held) = held(&double, 4).await;
    let order = [&held[2], &held[0]];
    release(&double, json!({"events": order})).await;
    assert_eq!(ids(&inbox.until(2).await).iter().collect::<Vec<_>>(), order);
    assert_eq!(events(&double.deliveries("state=held").await), [held[1].clone(), held[3].clone()]);
    release(&double, json!({})).await;
    assert_eq!(ids(&inbox.until(4).await).into_iter().collect::<BTreeSet<_>>(), held.into_iter().collect());
}

#[tokio::test]
async fn a_held_event_is_not_delivered_even_after_a_failed_release() {
    let double = Double::start();
    let (inbox, held) = held(&double, 1).await;
    let refused = release(&double, json!({"events": [held[0], "evt_unknown"]})).await;
    assert_eq!(refused["error"]["message"], "nothing is held of evt_unknown");
    let pending = double.get(&format!("/v1/events/{}", held[0])).await;
    assert_eq!((&pending.body["pending_webhooks"], double.deliveries("state=held").await.len()), (&json!(1), 1));
    // Something that is not held overtakes it.
    double.policy(json!({})).await;
    double.post("/v1/customers", "").await;
    assert_ne!(ids(&inbox.until(1).await), held);
}

#[tokio::test]
async fn a_seed_shuffles_the_same_way_twice_and_the_order_is_kept() {
    let mut orders = Vec::new();
    for seed in [7, 7, 8] {
        let double = Double::start();
        let (inbox, held) = held(&double, 12).await;
        let released = release(&double, json!({"shuffle": seed})).await;
        let arrived = ids(&inbox.until(12).await);
        assert_eq!(arrived, events(released["data"].as_array().expect("a list")));
        let place = |id: &String| held.iter().position(|one| one == id).expect("held before");
        orders.push(arrived.iter().map(place).collect::<Vec<_>>());
    }
    assert_eq!(orders[0], orders[1]);
    assert!(orders[0] != orders[2] && !orders[0].is_sorted(), "{orders:?}");
}

#[tokio::test]
async fn every_third_is_delivered_twice() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    double.register(&inbox.url, ALL).await;
    double.policy(json!({"duplicate": {"every": 3}})).await;
    for _ in 0..6 {
        double.post("/v1/customers", "").await;
    }
    let arrived = ids(&inbox.until(8).await);
    assert_eq!((arrived.len(), arrived.iter().collect::<BTreeSet<_>>().len()), (8, 6));
    assert_eq!(double.deliveries("").await.len(), 8);
}

#[tokio::test]
async fn a_dropped_event_can_be_read_and_a_lost_one_was_never_made() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    double.register(&inbox.url, ALL).await;
    double.policy(json!({"drop": {"types": ["customer.c*"]}, "lose": {"types": ["customer.deleted"]}})).await;
    let customer = double.post("/v1/customers", "name=a").await.id();
    double.post(&format!("/v1/customers/{customer}"), "name=b").await;
    double.delete(&format!("/v1/customers/{customer}")).await;
    assert_eq!(inbox.until(1).await[0].event()["type"], "customer.updated");
    assert_eq!(events(&double.deliveries("state=dropped").await).len(), 1);
    let missed = double.get("/v1/events?delivery_success=false").await;
    assert_eq!(missed.body["data"][0]["type"], "customer.created");
    assert_eq!(missed.body["data"][0]["pending_webhooks"], 1);
    assert!(double.events("customer.deleted").await.is_empty());
    assert_eq!(double.get("/v2/core/events?types[0]=v1.customer.deleted").await.body["data"], json!([]));
}

#[tokio::test]
async fn what_is_held_can_be_dropped_by_its_id() {
    let double = Double::start();
    let (inbox, held) = held(&double, 2).await;
    double.admin(Method::POST, "/deliveries/drop", json!({"events": [held[0]]})).await;
    release(&double, json!({})).await;
    assert_eq!(ids(&inbox.until(1).await), held[1..]);
    assert_eq!(events(&double.deliveries("state=dropped").await), held[..1]);
}

#[tokio::test]
async fn a_delayed_event_is_overtaken() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    double.register(&inbox.url, ALL).await;
    let late = |ms: u64| json!({"delay": {"ms": ms, "of": {"types": ["customer.created"]}}});
    double.policy(late(600_000)).await;
    let customer = double.post("/v1/customers", "name=a").await.id();
    double.post(&format!("/v1/customers/{customer}"), "name=b").await;
    assert_eq!(inbox.until(1).await[0].event()["type"], "customer.updated");
    assert_eq!(double.deliveries("state=pending").await[0]["type"], "customer.created");
    double.policy(late(50)).await;
    double.post("/v1/customers", "name=c").await;
    assert_eq!(inbox.until(2).await[1].event()["type"], "customer.created");
}

#[tokio::test]
async fn one_event_comes_many_times_at_once() {
    let double = Double::start();
    let inbox = Inbox::answering_together(4).await;
    let (endpoint, _) = double.register(&inbox.url, "&enabled_events[]=invoice.paid").await;
    double.post("/v1/customers", "").await;
    let event = double.events("customer.created").await[0]["id"].clone();
    let again = json!({"event": event, "endpoint": endpoint, "times": 4, "at_once": true});
    double.admin(Method::POST, "/deliveries/redeliver", again).await;
    let delivered = eventually("all answered", async || {
        Some(double.deliveries("state=delivered").await).filter(|delivered| delivered.len() == 4)
    })
    .await;
    assert_eq!(events(&delivered), vec![event.as_str().expect("an id"); 4]);
    let unknown = double.admin(Method::POST, "/deliveries/redeliver", json!({"event": "evt_x", "endpoint": "we_x"}));
    assert!(unknown.await["error"].is_object());
}

#[tokio::test]
async fn an_event_of_another_account_mode_or_kind_is_made_as_ordered() {
    let double = Double::start();
    let (inbox, thin) = (Inbox::failing(0).await, Inbox::failing(0).await);
    let (_, secret) = double.register(&inbox.url, ALL).await;
    double.register_thin(&thin.url, &["v1.customer.subscription.updated", "v1.tea.brewed"]).await;
    let order = json!({
        "type": "tea.brewed",
        "snapshot": {"account": "acct_other", "livemode": true, "data": {"object": {"object": "tea"}}, "mood": 5},
        "thin": {"context": "acct_other", "related_object": {"id": "tea_1", "type": "tea", "url": "/v1/teas/tea_1"}},
    });
    let made = double.admin(Method::POST, "/events", order).await;
    let letter = inbox.until(1).await.remove(0);
    letter.verified(&secret);
    let event = letter.event();
    assert_eq!(
        json!([
            event["id"],
            event["type"],
            event["account"],
            event["livemode"],
            event["mood"],
            event["data"]["object"]
        ]),
        json!([made["snapshot"], "tea.brewed", "acct_other", true, 5, {"object": "tea"}])
    );
    let event = thin.until(1).await[0].event();
    assert_eq!(
        json!([event["id"], event["type"], event["context"], event["snapshot_event"], event["related_object"]["id"]]),
        json!([made["thin"], "v1.tea.brewed", "acct_other", made["snapshot"], "tea_1"])
    );
    let twice = json!({"type": "tea.brewed", "snapshot": {"id": made["snapshot"]}});
    assert_eq!(double.admin(Method::POST, "/events", twice).await["error"]["message"], "there is an event of that id");
}

#[tokio::test]
async fn a_wrong_order_is_refused_and_changes_nothing() {
    let double = Double::start();
    for policy in [json!({"hold": true}), json!({"drop": {"every": 0}}), json!({"drops": {}})] {
        let answer = double.admin(Method::POST, "/deliveries/policy", policy.clone()).await;
        assert!(answer["error"].is_object(), "{policy}");
    }
    let policy = double.admin(Method::GET, "/deliveries/policy", json!({})).await;
    assert_eq!((&policy["hold"], &policy["drop"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_thousand_events_arrive_together() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    double.register(&inbox.url, ALL).await;
    double.policy(json!({"hold": {}})).await;
    for _ in 0..1_000 {
        double.admin(Method::POST, "/events", json!({"type": "customer.created"})).await;
    }
    release(&double, json!({})).await;
    let letters = inbox.until(1_000).await;
    let ids: BTreeSet<String> = letters.iter().map(Letter::id).collect();
    assert_eq!((letters.len(), ids.len()), (1_000, 1_000));
}
