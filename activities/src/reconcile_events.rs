//! Walking Stripe's events by the cursor, and feeding the inbox what it lacks.
//!
//! The list is newest first. The first walk goes back from the newest to Stripe's horizon, page by
//! page; from then on each page is the one just newer than the cursor.
//!
//! `created` is a whole second, and an event may be listed later than one that is newer. So the cursor
//! stays behind the last minutes, and these are read again by the next walk: feeding is idempotent.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::steps::WalkedEvents;
use domain::walk::WalkId;
use store::{EventsCursor, NewEvent, Store};
use stripe_gateway::{EventsPage, ListedEvent, ListedEvents, Stripe};

use crate::Error;

/// How many seconds an event may take to be listed.
const UNSETTLED: i64 = 10 * 60;

/// One page, and the cursor behind it.
pub(crate) async fn walk(store: &Store, stripe: &Stripe, walk: WalkId) -> Result<WalkedEvents, Error> {
    let from = store.events_cursor().await?;
    let listed = stripe.events(&page(from.as_ref())).await?;
    let (to, more) = next(from.as_ref(), listed.as_ref(), now());
    let events: Vec<NewEvent> = listed.into_iter().flat_map(|listed| listed.events).map(new_event).collect();
    let fed = store.feed(walk, &events, from.as_ref(), to.as_ref()).await?;
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
fn next(from: Option<&EventsCursor>, listed: Option<&ListedEvents>, now: i64) -> (Option<EventsCursor>, bool) {
    let events = listed.map(|listed| listed.events.as_slice()).unwrap_or_default();
    let at = |end: Option<&ListedEvent>| end.map(|event| event.envelope.id.clone());
    let (first, last, settled) = (at(events.first()), at(events.last()), at(settled(events, now)));
    let has_more = listed.is_some_and(|listed| listed.has_more);
    match from {
        // Where the whole page is of the last minutes, the way back begins at its end as well.
        None if has_more => (settled.or(last.clone()).map(|newest| EventsCursor { newest, oldest: last }), true),
        None => (settled.map(|newest| EventsCursor { newest, oldest: None }), false),
        // What is older than the horizon is gone, and so may be the event that the page begins at.
        Some(EventsCursor { newest, oldest: Some(_) }) => {
            (Some(EventsCursor { newest: newest.clone(), oldest: last.filter(|_| has_more) }), true)
        }
        // The last event seen is gone too: nobody has walked for thirty days.
        Some(EventsCursor { oldest: None, .. }) if listed.is_none() => (None, true),
        // A page that is followed by another is gone beyond in any case, or it would be read for ever.
        Some(EventsCursor { newest, oldest: None }) => {
            let to = if has_more { first } else { settled };
            let more = has_more && to.is_some();
            (Some(EventsCursor { newest: to.unwrap_or_else(|| newest.clone()), oldest: None }), more)
        }
    }
}

/// The newest of the events that nothing can be listed behind any more. Stripe's clock counts where
/// ours is behind it.
fn settled(events: &[ListedEvent], now: i64) -> Option<&ListedEvent> {
    let created = |event: &ListedEvent| event.envelope.created.timestamp();
    let latest = events.first().map_or(now, |event| created(event).max(now));
    events.iter().find(|event| created(event) <= latest - UNSETTLED)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The row that it becomes, as if it had come by webhook. Events of connected accounts are not in
/// the list.
fn new_event(ListedEvent { envelope, payload }: ListedEvent) -> NewEvent {
    NewEvent { envelope, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    /// An event, and its age in minutes.
    fn event(id: &str, age: i64) -> ListedEvent {
        let created = NOW - age * 60;
        let body = format!(r#"{{"object":"event","id":"{id}","type":"a.b","created":{created},"livemode":false}}"#);
        let envelope = stripe_gateway::read_envelope(body.as_bytes()).expect("an event");
        ListedEvent { envelope, payload: body.into_bytes() }
    }

    fn cursor(newest: &str, oldest: Option<&str>) -> Option<EventsCursor> {
        let id = |id: &str| id.parse().expect("an id");
        Some(EventsCursor { newest: id(newest), oldest: oldest.map(id) })
    }

    fn check(from: Option<EventsCursor>, page: Option<(&[(&str, i64)], bool)>, expected: (Option<EventsCursor>, bool)) {
        let listed = page.map(|(ids, has_more)| ListedEvents {
            events: ids.iter().map(|(id, age)| event(id, *age)).collect(),
            has_more,
        });
        assert_eq!(next(from.as_ref(), listed.as_ref(), NOW), expected, "{from:?} {page:?}");
    }

    #[test]
    fn the_first_walk_goes_back_to_the_horizon_and_then_forward_for_ever() {
        check(None, Some((&[], false)), (None, false));
        check(None, Some((&[("evt_9", 20), ("evt_8", 30)], false)), (cursor("evt_9", None), false));
        check(None, Some((&[("evt_9", 20), ("evt_8", 30)], true)), (cursor("evt_9", Some("evt_8")), true));
        let back = || cursor("evt_9", Some("evt_8"));
        check(back(), Some((&[("evt_7", 40), ("evt_6", 50)], true)), (cursor("evt_9", Some("evt_6")), true));
        check(back(), Some((&[("evt_7", 40)], false)), (cursor("evt_9", None), true));
        check(back(), Some((&[], false)), (cursor("evt_9", None), true));
        check(cursor("evt_9", None), Some((&[("evt_b", 11), ("evt_a", 12)], true)), (cursor("evt_b", None), true));
        check(cursor("evt_9", None), Some((&[], false)), (cursor("evt_9", None), false));
    }

    #[test]
    fn the_last_minutes_are_read_again_and_no_page_for_ever() {
        check(None, Some((&[("evt_9", 1)], false)), (None, false));
        check(None, Some((&[("evt_9", 1), ("evt_8", 11)], false)), (cursor("evt_8", None), false));
        check(None, Some((&[("evt_9", 1), ("evt_8", 2)], true)), (cursor("evt_8", Some("evt_8")), true));
        let on = || cursor("evt_7", None);
        check(on(), Some((&[("evt_9", 1), ("evt_8", 2)], false)), (on(), false));
        check(on(), Some((&[("evt_9", 1), ("evt_8", 10)], false)), (cursor("evt_8", None), false));
        check(on(), Some((&[("evt_9", 1), ("evt_8", 10)], true)), (cursor("evt_9", None), true));
        check(on(), Some((&[("evt_9", -60), ("evt_8", -51)], false)), (on(), false));
        check(on(), Some((&[("evt_9", -60), ("evt_8", -50)], false)), (cursor("evt_8", None), false));
        check(on(), Some((&[], true)), (on(), false));
    }

    #[test]
    fn an_event_that_is_gone_is_the_horizon_on_the_way_back_and_a_new_beginning_on_the_way_forward() {
        check(cursor("evt_9", Some("evt_8")), None, (cursor("evt_9", None), true));
        check(cursor("evt_9", None), None, (None, true));
    }
}
