//! Deliveries of `customer.subscription.updated` as Stripe sends them: printed over many lines, of
//! about 4 KiB, each another event.
//!
//! All have the same shape and length, so that only the places where they differ are kept, and a
//! sender writes these into a buffer of its own.

use std::time::SystemTime;

use anyhow::{Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What the deliveries are signed with.
pub(crate) const SECRET: &str = "whsec_fGk2pXv8QmRt5ZyLw3Nc7Bd1";

const EVENT: &str = include_str!("event.json");
const EVENT_ID: &str = "evt_1EVENTEVENTEVENTEVENTEVE";
const SUBSCRIPTION: &str = "sub_1SUBSCRIPTIONSUBSCRIPTIO";
const SIGNATURE: &str = "v1=0000000000000000000000000000000000000000000000000000000000000000";

/// Events that differ in their ids, signed at one moment; Stripe's tolerance is five minutes.
#[derive(Debug)]
pub(crate) struct Deliveries {
    template: Template,
    first: u64,
    subscriptions: Vec<String>,
    signatures: Vec<[u8; 64]>,
}

impl Deliveries {
    /// Signs that many, numbered from `first`, about these subscriptions in turn; about one each if
    /// there are none.
    pub(crate) fn sign(first: u64, count: usize, subscriptions: &[String]) -> Result<Self> {
        ensure!(
            subscriptions.iter().all(|id| id.len() == SUBSCRIPTION.len()),
            "a subscription's id has another length"
        );
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut all =
            Self { template: Template::new(at), first, subscriptions: subscriptions.to_vec(), signatures: Vec::new() };
        let mut request = all.template.clone();
        for place in 0..count {
            all.write_ids(&mut request, place);
            all.signatures.push(signature(at, request.body())?);
        }
        Ok(all)
    }

    pub(crate) fn len(&self) -> usize {
        self.signatures.len()
    }

    /// A buffer for one sender.
    pub(crate) fn buffer(&self) -> Template {
        self.template.clone()
    }

    /// Makes the buffer the request at that place.
    pub(crate) fn write(&self, request: &mut Template, place: usize) {
        self.write_ids(request, place);
        request.bytes[request.signature..][..64].copy_from_slice(&self.signatures[place]);
    }

    /// The id of the event at that place.
    pub(crate) fn event_id(&self, place: usize) -> String {
        format!("evt_1{:0>width$}", self.first + place as u64, width = EVENT_ID.len() - 5)
    }

    fn write_ids(&self, request: &mut Template, place: usize) {
        write_digits(&mut request.bytes[request.event..][5..EVENT_ID.len()], self.first + place as u64);
        for &subscription in &request.subscriptions {
            let id = &mut request.bytes[subscription..][..SUBSCRIPTION.len()];
            match self.subscriptions.len() {
                0 => write_digits(&mut id[5..], self.first + place as u64),
                count => id.copy_from_slice(self.subscriptions[place % count].as_bytes()),
            }
        }
    }
}

/// A whole request, and where in it deliveries differ.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    body: usize,
    signature: usize,
    event: usize,
    subscriptions: Vec<usize>,
}

impl Template {
    fn new(at: u64) -> Self {
        let head = format!(
            "POST /api/webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nCache-Control: no-cache\r\n\
             User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nAccept: */*; q=0.5, application/xml\r\n\
             Content-Type: application/json; charset=utf-8\r\nStripe-Signature: t={at},{SIGNATURE}\r\n\
             Content-Length: {}\r\n\r\n",
            EVENT.len(),
        );
        let request = format!("{head}{EVENT}");
        let places = |text: &str| request.match_indices(text).map(|(place, _)| place).collect::<Vec<_>>();
        Self {
            body: head.len(),
            signature: places(SIGNATURE)[0] + "v1=".len(),
            event: places(EVENT_ID)[0],
            subscriptions: places(SUBSCRIPTION),
            bytes: request.into_bytes(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }
}

/// `v1` of <https://docs.stripe.com/webhooks#verify-manually>, in hex.
fn signature(at: u64, body: &[u8]) -> Result<[u8; 64]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let mut hex = [0; 64];
    hex::encode_to_slice(mac.finalize().into_bytes(), &mut hex)?;
    Ok(hex)
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Deliveries, signature};

    fn body(deliveries: &Deliveries, place: usize) -> (String, Value) {
        let mut buffer = deliveries.buffer();
        deliveries.write(&mut buffer, place);
        let text = String::from_utf8(buffer.bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_owned(), serde_json::from_str(body).expect("JSON"))
    }

    #[test]
    fn each_delivery_is_another_event_and_says_its_own_length() {
        let deliveries = Deliveries::sign(41, 2, &[]).expect("signs");
        let (head, second) = body(&deliveries, 1);
        assert_eq!(second["id"], deliveries.event_id(1));
        assert!(deliveries.event_id(1).ends_with("042"));
        assert_ne!(body(&deliveries, 0).1["data"]["object"]["id"], second["data"]["object"]["id"]);
        assert!(head.contains(&format!("Content-Length: {}", deliveries.buffer().body().len())));
    }

    #[test]
    fn subscriptions_take_turns_wherever_an_event_names_one() {
        let ids = ["sub_1aaaaaaaaaaaaaaaaaaaaaaa", "sub_1bbbbbbbbbbbbbbbbbbbbbbb"].map(String::from);
        let deliveries = Deliveries::sign(0, 3, &ids).expect("signs");
        let subscription = &body(&deliveries, 1).1["data"]["object"];
        assert_eq!(subscription["id"], ids[1]);
        assert_eq!(subscription["items"]["data"][0]["subscription"], ids[1]);
        assert_eq!(body(&deliveries, 2).1["data"]["object"]["id"], ids[0]);
        assert!(Deliveries::sign(0, 1, &["sub_short".to_owned()]).is_err());
    }

    #[test]
    fn the_signature_is_that_of_the_body_that_is_sent() {
        let deliveries = Deliveries::sign(0, 3, &[]).expect("signs");
        let mut buffer = deliveries.buffer();
        deliveries.write(&mut buffer, 2);
        let head = String::from_utf8_lossy(buffer.bytes()).into_owned();
        let (_, at) = head.split_once("Stripe-Signature: t=").expect("a time");
        let (at, rest) = at.split_once(",v1=").expect("a signature");
        let expected = signature(at.parse().expect("a number"), buffer.body()).expect("signs");
        assert_eq!(rest.as_bytes()[..64], expected);
    }
}
