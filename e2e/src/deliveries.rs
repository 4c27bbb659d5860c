//! The double's events on their way to us: endpoints, and orders about what arrives when.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use stack::deadline;

use crate::Double;

const ARRIVAL: Duration = Duration::from_secs(60);

/// Where the double sends events.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `we_…`, or `ed_…` for thin events.
    pub id: String,
    /// `whsec_…`.
    pub secret: String,
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `evt_…`.
    pub event: String,
    /// `customer.created`, or `v1.customer.created` for a thin event.
    pub kind: String,
    /// The endpoint's id.
    pub endpoint: String,
    /// `held`, `pending`, `delivered`, `given_up` or `dropped`.
    pub state: String,
    /// What each try was answered; none where there was no answer.
    pub statuses: Vec<Option<u64>>,
}

impl Double {
    /// Has snapshot events of these types sent there, rendered at that version or at the pinned one.
    pub fn webhook_endpoint(&self, url: &str, types: &[&str], version: Option<&str>) -> Result<Endpoint> {
        let mut form: Vec<(&str, &str)> = types.iter().map(|kind| ("enabled_events[]", *kind)).collect();
        form.push(("url", url));
        form.extend(version.map(|version| ("api_version", version)));
        let made = self.post("/webhook_endpoints", &form)?;
        Ok(Endpoint { id: text(&made, "id")?, secret: text(&made, "secret")? })
    }

    /// Has thin events of these types (`v1.customer.created`) sent there.
    pub fn thin_destination(&self, url: &str, types: &[&str]) -> Result<Endpoint> {
        let order = json!({
            "name": "Thin", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": types,
            "webhook_endpoint": {"url": url}, "include": ["webhook_endpoint.signing_secret"],
        });
        let made = self.post_v2("/core/event_destinations", &order)?;
        Ok(Endpoint { id: text(&made, "id")?, secret: text(&made["webhook_endpoint"], "signing_secret")? })
    }

    /// Gives an endpoint a new secret and answers it. The old one signs too for that long.
    pub fn roll_secret(&self, endpoint: &str, expires_in_secs: u64) -> Result<String> {
        let order = json!({"expires_in_secs": expires_in_secs});
        text(&self.admin("POST", &format!("/webhook_endpoints/{endpoint}/roll"), &order)?, "secret")
    }

    /// What becomes of deliveries from now on, e.g. `{"hold": {}}`; `{}` is back to normal. The
    /// double's `delivery_orders` says what a policy can be.
    pub fn delivery_policy(&self, policy: &Value) -> Result<()> {
        self.admin("POST", "/deliveries/policy", policy).map(drop)
    }

    /// Sends everything that is held, together.
    pub fn release_all(&self) -> Result<Vec<Delivery>> {
        self.decide("release", &json!({}))
    }

    /// Sends everything that is held, one after the other, in an order that the seed gives.
    pub fn release_shuffled(&self, seed: u64) -> Result<Vec<Delivery>> {
        self.decide("release", &json!({"shuffle": seed}))
    }

    /// Sends an event to an endpoint so many times now: at once, or one after the other.
    pub fn redeliver(&self, event: &str, endpoint: &str, times: u8, at_once: bool) -> Result<()> {
        let order = json!({"event": event, "endpoint": endpoint, "times": times, "at_once": at_once});
        self.admin("POST", "/deliveries/redeliver", &order).map(drop)
    }

    /// Every delivery that fits a query such as `event=evt_1&state=held`, oldest first.
    pub fn deliveries(&self, query: &str) -> Result<Vec<Delivery>> {
        read(&self.admin("GET", &format!("/deliveries?{query}"), &Value::Null)?)
    }

    /// Waits until that many deliveries that fit the query were taken.
    pub fn wait_for_deliveries(&self, query: &str, count: usize) -> Result<Vec<Delivery>> {
        deadline::poll("deliveries to be taken", ARRIVAL, || {
            let taken = self.deliveries(&format!("{query}&state=delivered"))?;
            Ok((taken.len() >= count).then_some(taken))
        })
    }

    /// Makes an event by hand, e.g. of a connected account or of an unknown type. `order` has
    /// `type`, and `snapshot` or `thin` with fields of the envelope. Answers the ids under these names.
    pub fn make_event(&self, order: &Value) -> Result<Value> {
        self.admin("POST", "/events", order)
    }

    fn decide(&self, what: &str, choice: &Value) -> Result<Vec<Delivery>> {
        read(&self.admin("POST", &format!("/deliveries/{what}"), choice)?)
    }
}

fn read(listed: &Value) -> Result<Vec<Delivery>> {
    listed["data"].as_array().context("no list of deliveries")?.iter().map(delivery).collect()
}

fn delivery(entry: &Value) -> Result<Delivery> {
    let attempts = entry["attempts"].as_array().into_iter().flatten();
    Ok(Delivery {
        event: text(entry, "event")?,
        kind: text(entry, "type")?,
        endpoint: text(entry, "endpoint")?,
        state: text(entry, "state")?,
        statuses: attempts.map(|attempt| attempt["status"].as_u64()).collect(),
    })
}

fn text(object: &Value, field: &str) -> Result<String> {
    object[field].as_str().map(str::to_owned).with_context(|| format!("no {field} in the double's answer"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use serde_json::json;

    use crate::Double;

    /// An endpoint that takes everything.
    fn endpoint() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                take(stream).expect("a whole request");
            }
        });
        url
    }

    /// Reads to the end: a connection closed before that would be reset, and its answer lost.
    fn take(mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            length = line.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap_or(0));
            line.clear();
            reader.read_line(&mut line)?;
        }
        reader.read_exact(&mut vec![0; length])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    }

    #[test]
    fn what_is_ordered_of_deliveries_happens() {
        let double = Double::start("acct_deliveries").expect("a double");
        let old = double.webhook_endpoint(&endpoint(), &["customer.created"], Some("2024-06-20")).expect("an endpoint");
        let thin = double.thin_destination(&endpoint(), &["v1.customer.created"]).expect("a destination");
        double.delivery_policy(&json!({"hold": {"endpoint": old.id}})).expect("a policy");
        let now = double.freeze(true).expect("a time");
        (0..3).for_each(|_| drop(double.make("/customers", &[]).expect("a customer")));
        let held = double.deliveries("state=held").expect("a list");
        let events: Vec<&str> = held.iter().map(|one| one.event.as_str()).collect();
        let [first, ..] = events[..] else { panic!("{held:?}") };
        assert_eq!(double.get(&format!("/events/{first}")).expect("an event")["created"], now);
        assert_eq!(double.release_shuffled(1).expect("released").len(), 3);
        assert!(double.release_all().expect("nothing is left").is_empty());
        double.redeliver(first, &old.id, 2, true).expect("sent again");
        let taken = double.wait_for_deliveries(&format!("endpoint={}", old.id), 5).expect("taken");
        assert!(taken.iter().all(|one| one.statuses == [Some(200)] && one.kind == "customer.created"), "{taken:?}");
        double.wait_for_deliveries(&format!("endpoint={}", thin.id), 3).expect("taken");
        assert!(double.get_v2("/core/events").expect("a list")["data"][0]["id"].is_string());
        assert_ne!(double.roll_secret(&old.id, 60).expect("a secret"), old.secret);
        let made = double.make_event(&json!({"type": "tea.brewed", "snapshot": {"account": "acct_other"}}));
        assert!(made.expect("an event")["snapshot"].is_string());
    }
}
