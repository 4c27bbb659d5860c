//! The endpoint that a start asks for.

use serde_json::{Value, json};
use stripe_sim::{API_VERSION, Config, StandingWebhook};

use crate::client::{Double, eventually};
use crate::deliveries::verified;
use crate::inbox::Inbox;
use crate::restart::Scratch;

const SECRET: &str = "whsec_of_this_machine";

fn told(inbox: &Inbox, secret: &str) -> Option<StandingWebhook> {
    Some(StandingWebhook { url: inbox.url.clone(), secret: secret.to_owned() })
}

async fn endpoints(double: &Double) -> Vec<Value> {
    let list = double.get("/v1/webhook_endpoints").await;
    list.body["data"].as_array().cloned().expect("a list")
}

#[tokio::test]
async fn it_is_told_of_everything_under_its_secret() {
    let inbox = Inbox::failing(0).await;
    let double = Double::with(Config { webhook: told(&inbox, SECRET), ..Config::default() });
    let customer = double.post("/v1/customers", "").await.id();
    let letter = eventually("the event", async || inbox.letters().first().cloned()).await;
    verified(SECRET, &letter);
    let event: Value = serde_json::from_str(&letter.body).expect("JSON");
    assert_eq!((&event["api_version"], &event["data"]["object"]["id"]), (&json!(API_VERSION), &json!(customer)));
}

#[tokio::test]
async fn a_restart_finds_it_moves_it_and_takes_it_away() {
    let scratch = Scratch::new("standing");
    let (here, there) = (Inbox::failing(usize::MAX).await, Inbox::failing(0).await);
    let start = |webhook| Double::with(Config { webhook, ..scratch.config() });

    let first = start(told(&here, SECRET));
    first.post("/v1/customers", "").await;
    eventually("a try", async || here.letters().first().cloned()).await;
    drop(first);
    drop(start(told(&here, SECRET)));

    let moved = start(told(&there, "whsec_another"));
    let shown: Vec<Value> = endpoints(&moved).await.iter().map(|one| one["url"].clone()).collect();
    assert_eq!(shown, [json!(there.url)]);
    let letter = eventually("what it was owed", async || there.letters().first().cloned()).await;
    verified("whsec_another", &letter);
    drop(moved);

    assert_eq!(endpoints(&start(None)).await, Vec::<Value>::new());
}

#[test]
fn one_that_cannot_be_stripes_is_refused() {
    let check = |url: &str, secret: &str, says: &str| {
        let webhook = Some(StandingWebhook { url: url.to_owned(), secret: secret.to_owned() });
        let refusal = stripe_sim::start(Config { webhook, ..Config::default() }).err().expect("refused").to_string();
        assert!(refusal.contains(says), "{refusal}");
    };
    check("127.0.0.1:8787", SECRET, "not 127.0.0.1:8787");
    check("http://127.0.0.1:8787", "sk_test_1", "whsec_");
    check("http://127.0.0.1:8787", "whsec_", "whsec_");
}
