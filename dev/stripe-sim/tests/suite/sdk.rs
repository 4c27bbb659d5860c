//! The official SDK for Node, which judges signatures, envelopes and the second version of the API.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::Double;
use crate::inbox::Inbox;

/// What a script prints, as JSON. It finds `Stripe`, `stripe` (a client of the double) and `given`.
async fn node(double: &Double, given: &Value, script: &'static str) -> Value {
    let (url, given) = (double.url(""), given.to_string());
    let run = move || {
        let (program, modules): (PathBuf, PathBuf) =
            (stack::tools::node().expect("Node"), stack::tools::node_modules().expect("packages"));
        let whole = format!(
            "const Stripe = require('stripe'); const at = new URL(process.env.DOUBLE); const given = JSON.parse(process.env.GIVEN);
            const stripe = Stripe('sk_test_sdk', {{host: at.hostname, port: at.port, protocol: 'http'}});
            (async () => {{ {script} }})().then(said => console.log(JSON.stringify(said)));"
        );
        let mut node = Command::new(program);
        node.env("NODE_PATH", modules).env("DOUBLE", url).env("GIVEN", given).args(["-e", &whole]);
        stack::command::stdout(&mut node).expect("the script succeeds")
    };
    let printed = tokio::task::spawn_blocking(run).await.expect("no panic");
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[tokio::test]
async fn the_sdk_takes_our_signatures_and_no_others() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    let (endpoint, old) = double.register(&inbox.url, "&enabled_events[]=customer.created").await;
    let path = format!("/webhook_endpoints/{endpoint}/roll");
    let new = double.admin(reqwest::Method::POST, &path, json!({})).await["secret"].clone();
    double.post("/v1/customers", "name=Zoë").await;
    let letter = inbox.until(1).await.remove(0);
    let given = json!({"body": letter.body, "signature": letter.signature, "secrets": [new, old, "whsec_other"]});
    let said = node(
        &double,
        &given,
        "return given.secrets.map(secret => {
            try { return stripe.webhooks.constructEvent(given.body, given.signature, secret).data.object.name }
            catch (error) { return error.type }
        });",
    )
    .await;
    assert_eq!(said, json!(["Zoë", "Zoë", "StripeSignatureVerificationError"]));
}

#[tokio::test]
async fn the_sdk_refuses_what_was_signed_too_long_ago() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    let (_, secret) = double.register(&inbox.url, "&enabled_events[]=customer.created").await;
    double.policy(json!({"skew_secs": -400})).await;
    double.post("/v1/customers", "").await;
    let letter = inbox.until(1).await.remove(0);
    let given = json!({"body": letter.body, "signature": letter.signature, "secret": secret});
    let said = node(
        &double,
        &given,
        "try { stripe.webhooks.constructEvent(given.body, given.signature, given.secret); return 'taken' }
        catch (error) { return error.message }",
    )
    .await;
    assert!(said.as_str().is_some_and(|said| said.contains("outside the tolerance zone")), "{said}");
}

#[tokio::test]
async fn the_sdk_makes_a_destination_and_reads_what_it_gets() {
    let double = Double::start();
    let inbox = Inbox::failing(0).await;
    let made = node(
        &double,
        &json!({"url": inbox.url}),
        "return stripe.v2.core.eventDestinations.create({
            name: 'Thin', type: 'webhook_endpoint', event_payload: 'thin',
            enabled_events: ['v1.customer.created'], webhook_endpoint: {url: given.url},
            include: ['webhook_endpoint.url', 'webhook_endpoint.signing_secret'],
        });",
    )
    .await;
    let customer = double.post("/v1/customers", "name=Zoë").await.id();
    double.post(&format!("/v1/customers/{customer}"), "name=Zoe").await;
    let letter = inbox.until(1).await.remove(0);
    let given = json!({
        "body": letter.body, "signature": letter.signature, "secret": made["webhook_endpoint"]["signing_secret"],
        "customer": customer,
    });
    let said = node(
        &double,
        &given,
        "const notice = stripe.parseEventNotification(given.body, given.signature, given.secret);
        const [event, object] = [await notice.fetchEvent(), await notice.fetchRelatedObject()];
        const listed = [];
        for await (const one of stripe.v2.core.events.list({object_id: given.customer, limit: 1})) listed.push(one.type);
        return [notice.type, event.snapshot_event, object.name, listed];",
    )
    .await;
    let snapshot = double.events("customer.created").await[0]["id"].clone();
    assert_eq!(said, json!(["v1.customer.created", snapshot, "Zoe", ["v1.customer.updated", "v1.customer.created"]]));
}

#[tokio::test]
async fn the_sdk_searches_through_all_pages() {
    let double = Double::start();
    for name in ["a", "b", "c"] {
        double.post("/v1/customers", &format!("name={name}&email=Same@example.com")).await;
    }
    let said = node(
        &double,
        &json!({}),
        "const found = [];
        for await (const one of stripe.customers.search({query: \"email:'same@example.com'\", limit: 2})) found.push(one.name);
        return found;",
    )
    .await;
    assert_eq!(said, json!(["c", "b", "a"]));
}

#[tokio::test]
async fn the_sdk_previews_a_change() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let sold = double.subscribe(&customer, &price, "").await;
    let said = node(
        &double,
        &json!({"subscription": sold.id(), "item": sold.body["items"]["data"][0]["id"]}),
        "const details = {items: [{id: given.item, quantity: 25}], proration_behavior: 'none'};
        const next = await stripe.invoices.createPreview({subscription: given.subscription, subscription_details: details});
        return [next.object, next.billing_reason, next.amount_due, next.lines.data[0].quantity];",
    )
    .await;
    assert_eq!(said, json!(["invoice", "upcoming", 25_000, 25]));
}
