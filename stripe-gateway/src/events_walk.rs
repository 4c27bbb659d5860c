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
    /// The events.
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
        let events = page.data.iter().map(|event| read(event)).collect::<Result<_, _>>()?;
        Ok(Self { events, has_more: page.has_more })
    }
}

/// As any event that came by webhook is read.
fn read(event: &RawValue) -> Result<ListedEvent, String> {
    let payload = event.get().as_bytes().to_vec();
    let envelope = read_envelope(&payload).map_err(|error| error.to_string())?;
    Ok(ListedEvent { envelope, payload })
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
