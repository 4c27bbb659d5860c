//! Walking Stripe's events by the cursor, and feeding the inbox what it lacks.
//!
//! The list is newest first. The first walk goes back from the newest to Stripe's horizon, page by
//! page; from then on each page is the one just newer than the last event that was seen.

use domain::ids::EventId;
use domain::steps::WalkedEvents;
use store::{EventsCursor, NewEvent, Store};
use stripe_gateway::{EventsPage, ListedEvent, ListedEvents, Stripe};

use crate::Error;

/// One page, and the cursor behind it.
pub(crate) async fn walk(store: &Store, stripe: &Stripe) -> Result<WalkedEvents, Error> {
    let from = store.events_cursor().await?;
    let listed = stripe.events(&page(from.as_ref())).await?;
    let (to, more) = next(from.as_ref(), listed.as_ref());
    let events: Vec<NewEvent> = listed.into_iter().flat_map(|listed| listed.events).map(new_event).collect();
    let fed = store.feed(&events, from.as_ref(), to.as_ref()).await?;
    Ok(WalkedEvents { fed, more })
}

fn page(from: Option<&EventsCursor>) -> EventsPage {
    match from {
        None => EventsPage::Newest,
        Some(EventsCursor { oldest: Some(oldest), .. }) => EventsPage::OlderThan(oldest.clone()),
        Some(EventsCursor { newest, oldest: None }) => EventsPage::NewerThan(newest.clone()),
    }
}

/// Where the walk is after that page, and whether it goes on.
fn next(from: Option<&EventsCursor>, listed: Option<&ListedEvents>) -> (Option<EventsCursor>, bool) {
    let at = |end: Option<&ListedEvent>| end.map(|event| event.envelope.id.clone());
    let (first, last): (Option<EventId>, Option<EventId>) =
        listed.map_or((None, None), |listed| (at(listed.events.first()), at(listed.events.last())));
    let has_more = listed.is_some_and(|listed| listed.has_more);
    match from {
        None => (first.map(|newest| EventsCursor { newest, oldest: last.filter(|_| has_more) }), has_more),
        // What is older than the horizon is gone, and so may be the event that the page begins at.
        Some(EventsCursor { newest, oldest: Some(_) }) => {
            (Some(EventsCursor { newest: newest.clone(), oldest: last.filter(|_| has_more) }), true)
        }
        // The last event seen is gone too: nobody has walked for thirty days.
        Some(EventsCursor { oldest: None, .. }) if listed.is_none() => (None, true),
        Some(EventsCursor { newest, oldest: None }) => {
            (Some(EventsCursor { newest: first.unwrap_or_else(|| newest.clone()), oldest: None }), has_more)
        }
    }
}

/// The row that it becomes, as if it had come by webhook. Events of connected accounts are not in
/// the list.
fn new_event(ListedEvent { envelope, payload }: ListedEvent) -> NewEvent {
    NewEvent { envelope, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str) -> ListedEvent {
        let body = format!(r#"{{"object":"event","id":"{id}","type":"a.b","created":7,"livemode":false}}"#);
        let envelope = stripe_gateway::read_envelope(body.as_bytes()).expect("an event");
        ListedEvent { envelope, payload: body.into_bytes() }
    }

    fn cursor(newest: &str, oldest: Option<&str>) -> Option<EventsCursor> {
        let id = |id: &str| id.parse().expect("an id");
        Some(EventsCursor { newest: id(newest), oldest: oldest.map(id) })
    }

    fn check(from: Option<EventsCursor>, page: Option<(&[&str], bool)>, expected: (Option<EventsCursor>, bool)) {
        let listed =
            page.map(|(ids, has_more)| ListedEvents { events: ids.iter().map(|id| event(id)).collect(), has_more });
        assert_eq!(next(from.as_ref(), listed.as_ref()), expected, "{from:?} {page:?}");
    }

    #[test]
    fn the_first_walk_goes_back_to_the_horizon_and_then_forward_for_ever() {
        check(None, Some((&[], false)), (None, false));
        check(None, Some((&["evt_9", "evt_8"], false)), (cursor("evt_9", None), false));
        check(None, Some((&["evt_9", "evt_8"], true)), (cursor("evt_9", Some("evt_8")), true));
        let back = || cursor("evt_9", Some("evt_8"));
        check(back(), Some((&["evt_7", "evt_6"], true)), (cursor("evt_9", Some("evt_6")), true));
        check(back(), Some((&["evt_7"], false)), (cursor("evt_9", None), true));
        check(back(), Some((&[], false)), (cursor("evt_9", None), true));
        check(cursor("evt_9", None), Some((&["evt_b", "evt_a"], true)), (cursor("evt_b", None), true));
        check(cursor("evt_9", None), Some((&[], false)), (cursor("evt_9", None), false));
    }

    #[test]
    fn an_event_that_is_gone_is_the_horizon_on_the_way_back_and_a_new_beginning_on_the_way_forward() {
        check(cursor("evt_9", Some("evt_8")), None, (cursor("evt_9", None), true));
        check(cursor("evt_9", None), None, (None, true));
    }
}
