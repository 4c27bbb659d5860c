//! The webhook that a start asks for.

use serde_json::{Value, json};
use stripe_sim::{API_VERSION, Config, StandingWebhook};

use crate::client::{Double, eventually};
use crate::inbox::{Inbox, Letter};
use crate::restart::Scratch;

const SECRET: &str = "whsec_of_this_machine";
const THIN_SECRET: &str = "whsec_for_thin_events";

fn told(inbox: &Inbox, secret: &str) -> Option<StandingWebhook> {
    let (url, secret) = (inbox.url.clone(), secret.to_owned());
    Some(StandingWebhook { url, secret, thin_secret: Some(THIN_SECRET.to_owned()) })
}

fn one<'l>(letters: &'l [Letter], object: &str) -> &'l Letter {
    letters.iter().find(|letter| letter.event()["object"] == object).expect(object)
}

async fn urls(double: &Double) -> Vec<Value> {
    let endpoints = double.get("/v1/webhook_endpoints").await.body["data"].clone();
    let path = "/v2/core/event_destinations?include[]=webhook_endpoint.url";
    let destinations = double.get(path).await.body["data"].clone();
    let rows = [endpoints, destinations].into_iter().flat_map(|rows| rows.as_array().cloned().expect("a list"));
    rows.map(|row| row["url"].as_str().map_or(row["webhook_endpoint"]["url"].clone(), Value::from)).collect()
}

#[tokio::test]
async fn it_is_told_of_everything_under_its_secrets() {
    let inbox = Inbox::failing(0).await;
    let double = Double::with(Config { webhook: told(&inbox, SECRET), ..Config::default() });
    let customer = double.post("/v1/customers", "").await.id();
    let letters = inbox.until(2).await;
    let (snapshot, thin) = (one(&letters, "event"), one(&letters, "v2.core.event"));
    snapshot.verified(SECRET);
    thin.verified(THIN_SECRET);
    assert_eq!(snapshot.event()["api_version"], API_VERSION);
    assert_eq!(snapshot.event()["data"]["object"]["id"], customer);
    assert_eq!(thin.event()["snapshot_event"], snapshot.id());
}

#[tokio::test]
async fn a_restart_finds_it_moves_it_and_takes_it_away() {
    let scratch = Scratch::new("standing");
    let (here, there) = (Inbox::failing(usize::MAX).await, Inbox::failing(0).await);
    let start = |webhook| Double::with(Config { webhook, ..scratch.config() });

    let first = start(told(&here, SECRET));
    first.post("/v1/customers", "").await;
    here.until(2).await;
    drop(first);
    drop(start(told(&here, SECRET)));

    let moved = start(told(&there, "whsec_another"));
    assert_eq!(urls(&moved).await, [json!(there.url), json!(there.url)]);
    let owed = there.until(2).await;
    one(&owed, "event").verified("whsec_another");
    drop(moved);

    assert_eq!(urls(&start(None)).await, Vec::<Value>::new());
}

#[tokio::test]
async fn without_a_secret_for_them_no_thin_events_are_delivered() {
    let inbox = Inbox::failing(0).await;
    let webhook = told(&inbox, SECRET).map(|told| StandingWebhook { thin_secret: None, ..told });
    let double = Double::with(Config { webhook, ..Config::default() });
    double.post("/v1/customers", "").await;
    eventually("delivered", async || double.deliveries("state=delivered").await.pop()).await;
    assert_eq!(double.deliveries("").await.len(), 1);
}

#[test]
fn one_that_cannot_be_stripes_is_refused() {
    let check = |url: &str, secret: &str, thin_secret: &str, says: &str| {
        let [url, secret, thin_secret] = [url, secret, thin_secret].map(str::to_owned);
        let webhook = Some(StandingWebhook { url, secret, thin_secret: Some(thin_secret) });
        let refusal = stripe_sim::start(Config { webhook, ..Config::default() }).err().expect("refused").to_string();
        assert!(refusal.contains(says), "{refusal}");
    };
    check("127.0.0.1:8787", SECRET, THIN_SECRET, "not 127.0.0.1:8787");
    check("http://127.0.0.1:8787", "sk_test_1", THIN_SECRET, "whsec_");
    check("http://127.0.0.1:8787", SECRET, "whsec_", "whsec_");
}
