//! The state file.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stripe_sim::Config;

use crate::client::{Double, eventually};
use crate::inbox::Inbox;

/// A folder for one test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stripe-sim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    /// A double's that keeps its state here.
    pub(crate) fn config(&self) -> Config {
        let retry_after = Duration::from_millis(20);
        Config { state: Some(self.0.join("state.json")), retry_after, ..Config::default() }
    }

    fn double(&self) -> Double {
        Double::with(self.config())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Only litter is at stake.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_restart_keeps_objects_their_order_and_the_promised_answers() {
    let scratch = Scratch::new("restart");
    let first = scratch.double();
    let (customer, price) = (first.customer_with("pm_card_visa").await, first.price().await);
    let subscription = first.subscribe(&customer, &price, "").await.id();
    let kept = first.post_as("k", "/v1/customers", "name=second").await;
    drop(first);
    let second = scratch.double();
    let read = second.get(&format!("/v1/subscriptions/{subscription}")).await;
    assert_eq!((&read.body["status"], &read.body["items"]["data"][0]["quantity"]), (&"active".into(), &10.into()));
    let again = second.post_as("k", "/v1/customers", "name=second").await;
    assert_eq!((again.header("idempotent-replayed"), again.id()), ("true", kept.id()));
    let third = second.post("/v1/customers", "name=third").await;
    let list = second.get("/v1/customers").await;
    let ids: Vec<&str> =
        list.body["data"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(ids, [third.id(), kept.id(), customer]);
}

#[tokio::test]
async fn an_event_that_was_not_delivered_is_delivered_after_a_restart() {
    let scratch = Scratch::new("redelivery");
    let inbox = Inbox::failing(1).await;
    let slow = Config {
        state: Some(scratch.0.join("state.json")),
        retry_after: Duration::from_secs(3_600),
        ..Config::default()
    };
    let first = Double::with(slow);
    first.post("/v1/webhook_endpoints", &format!("url={}&enabled_events[]=customer.created", inbox.url)).await;
    first.post("/v1/customers", "").await;
    eventually("a first try", async || inbox.letters().first().cloned()).await;
    drop(first);
    let _second = scratch.double();
    let letters = eventually("a second try", async || Some(inbox.letters()).filter(|letters| letters.len() == 2)).await;
    assert_eq!(letters[0].body, letters[1].body);
}

#[tokio::test]
async fn held_deliveries_the_policy_and_a_frozen_clock_outlive_a_restart() {
    let scratch = Scratch::new("held");
    let (inbox, thins) = (Inbox::failing(0).await, Inbox::failing(0).await);
    let first = scratch.double();
    first.register(&inbox.url, "&enabled_events[]=customer.created&api_version=2020-08-27").await;
    let (_, thin_secret) = first.register_thin(&thins.url, &["v1.customer.created"]).await;
    first.policy(json!({"hold": {}})).await;
    let now = first.freeze().await;
    first.post("/v1/customers", "").await;
    drop(first);
    let second = scratch.double();
    assert_eq!(second.admin(Method::GET, "/clock", json!({})).await["now"], now);
    second.post("/v1/customers", "").await;
    assert_eq!((second.deliveries("state=held").await.len(), second.deliveries("").await.len()), (4, 4));
    second.admin(Method::POST, "/deliveries/release", json!({})).await;
    let letters = inbox.until(2).await;
    assert!(letters.iter().all(|letter| letter.event()["api_version"] == "2020-08-27"));
    thins.until(2).await[0].verified(&thin_secret);
    eventually("all delivered", async || {
        let page = second.get("/v1/events?delivery_success=false").await;
        (page.body["data"] == json!([])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_schedule_goes_on_after_a_restart() {
    let scratch = Scratch::new("schedule");
    let first = scratch.double();
    let (customer, price) = (first.customer_with("pm_card_visa").await, first.price().await);
    let item = |phase: usize, quantity: u8| {
        format!("&phases[{phase}][items][0][price]={price}&phases[{phase}][items][0][quantity]={quantity}")
    };
    let form = format!("customer={customer}{}{}", item(0, 4), item(1, 2));
    let schedule = first.post("/v1/subscription_schedules", &form).await;
    let subscription = schedule.body["subscription"].as_str().expect("a subscription").to_owned();
    drop(first);
    let second = scratch.double();
    second.admin(Method::POST, "/clock", json!({"advance_secs": 32 * 86_400})).await;
    let read = second.get(&format!("/v1/subscriptions/{subscription}?expand[]=schedule")).await.body;
    assert_eq!((&read["schedule"]["id"], &read["schedule"]["status"]), (&schedule.id().into(), &"active".into()));
    assert_eq!(read["items"]["data"][0]["quantity"], 2);
}

#[test]
fn only_loopback_is_listened_on_unless_allowed() {
    let everywhere = Config { listen: ([0, 0, 0, 0], 0).into(), ..Config::default() };
    assert!(stripe_sim::start(everywhere.clone()).is_err());
    assert!(stripe_sim::start(Config { allow_remote: true, ..everywhere }).is_ok());
}
