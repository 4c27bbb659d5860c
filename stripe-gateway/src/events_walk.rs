//! The events that Stripe made, by the page: what was never delivered is found here.
//!
//! Stripe lists them for thirty days, newest first, and not those of connected accounts, see
//! <https://docs.stripe.com/api/events/list>.

use domain::event::Envelope;
use domain::ids::EventId;
use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::error::Error;
use crate::transport::Stripe;
use crate::webhook::{LISTED_TYPES, read_envelope};

/// The most that a list gives at a time.
const PAGE: &str = "100";

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsPage {
    /// The newest.
    Newest,
    /// Those that are just older than this event.
    OlderThan(EventId),
    /// Those that are just newer than this event.
    NewerThan(EventId),
}

/// A page of events, newest first.
#[derive(Clone, Debug)]
pub struct ListedEvents {
    /// The events that could be read.
    pub events: Vec<ListedEvent>,
    /// Whether there are more on the same way.
    pub has_more: bool,
}

/// An event as the list has it.
#[derive(Clone, Debug)]
pub struct ListedEvent {
    /// What it says of itself, as far as we read it.
    pub envelope: Envelope,
    /// Its bytes.
    pub payload: Vec<u8>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    has_more: bool,
}

impl Stripe {
    /// A page of the events that may concern a subscription; none where Stripe no longer has the
    /// event that the page begins at.
    pub async fn events(&self, page: &EventsPage) -> Result<Option<ListedEvents>, Error> {
        let request = page.request();
        let name = format!("GET /v1{}", request.path);
        let body = match self.get_bytes(request, "the event that the page begins at").await {
            Ok(body) => body,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let listed = ListedEvents::read(&body).map_err(|wrong| Error::Unreadable { request: name, wrong })?;
        Ok(Some(listed))
    }
}

impl ListedEvents {
    fn read(body: &[u8]) -> Result<Self, String> {
        let page: Page = serde_json::from_slice(body).map_err(|_| "it is not a page of events".to_owned())?;
        let events = page.data.iter().filter_map(|event| read(event)).collect();
        Ok(Self { events, has_more: page.has_more })
    }
}

/// As any event that came by webhook is read. One that cannot be must not keep all others waiting.
fn read(event: &RawValue) -> Option<ListedEvent> {
    let payload = event.get().as_bytes().to_vec();
    match read_envelope(&payload) {
        Ok(envelope) => Some(ListedEvent { envelope, payload }),
        Err(error) => {
            let Named { id } = serde_json::from_slice(&payload).unwrap_or_default();
            let id = id.as_deref().unwrap_or("without an id");
            tracing::warn!(event = id, wrong = %error, "an event in Stripe's list cannot be read");
            None
        }
    }
}

/// What an event that cannot be read may still say of itself.
#[derive(Default, Deserialize)]
struct Named {
    id: Option<String>,
}

/// Cursors are parameters, so Stripe answers 400 for one that it does not know; 404 is taken for the
/// same.
fn is_gone(error: &Error) -> bool {
    match error {
        Error::NotFound { .. } => true,
        Error::Refused(answer) => answer.codes.iter().any(|code| code == "resource_missing"),
        Error::Unreachable { .. }
        | Error::Unauthorized(_)
        | Error::Throttled(_)
        | Error::KeyTaken(_)
        | Error::Declined(_)
        | Error::Unavailable(_)
        | Error::Unreadable { .. }
        | Error::Forbidden(_) => false,
    }
}

impl EventsPage {
    /// Its typed builder has no `types[]` in any order that stays, and lives in a crate of its own.
    fn request(&self) -> RequestBuilder {
        let types = LISTED_TYPES.map(|kind| ("types[]", kind.to_owned()));
        let place = match self {
            Self::Newest => None,
            Self::OlderThan(event) => Some(("starting_after", event.to_string())),
            Self::NewerThan(event) => Some(("ending_before", event.to_string())),
        };
        let pairs = [("limit", PAGE.to_owned())].into_iter().chain(place).chain(types);
        // Ids, types and numbers hold nothing that a URL could not; brackets go as they are.
        let query: Vec<_> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = RequestBuilder::new(StripeMethod::Get, "/events");
        request.query = Some(query.join("&"));
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_cannot_be_read_is_passed_over() {
        let event = |id: &str, created: &str| {
            format!(r#"{{"object":"event","id":"{id}","type":"a.b","created":{created},"livemode":false}}"#)
        };
        let data = [event("evt_3", "3"), event("evt_2", "[]"), "7".to_owned(), event("evt_1", "1")].join(",");
        let page = ListedEvents::read(format!(r#"{{"data":[{data}],"has_more":true}}"#).as_bytes()).expect("a page");
        let ids: Vec<_> = page.events.iter().map(|event| event.envelope.id.as_str()).collect();
        assert_eq!((ids.as_slice(), page.has_more), (&["evt_3", "evt_1"][..], true));
    }

    #[test]
    fn a_page_is_asked_for_by_what_is_known_of_its_place() {
        let event: EventId = "evt_1".parse().expect("an id");
        let begins = |page: EventsPage| {
            let query = page.request().query.expect("a query");
            query.split("&types[]").next().unwrap_or_default().to_owned()
        };
        assert_eq!(begins(EventsPage::Newest), "limit=100");
        assert_eq!(begins(EventsPage::NewerThan(event.clone())), "limit=100&ending_before=evt_1");
        assert_eq!(begins(EventsPage::OlderThan(event)), "limit=100&starting_after=evt_1");
    }
}
