//! What webhook endpoints are owed: each event on its way to each of them, and those that arrived.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::spread;

/// One event on its way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) event: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) endpoint: String,
    pub(crate) url: String,
    pub(crate) state: DeliveryState,
    /// The wait before the first try.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    pub(crate) attempts: Vec<Attempt>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryState {
    /// Waits until a test releases it.
    Held,
    /// Not answered 2xx yet; it will be tried again.
    Pending,
    Delivered,
    /// The endpoint is gone, or three days are over.
    GivenUp,
    /// Left out by order of a test.
    Dropped,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The `t` of its signature.
    pub(crate) at: i64,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
}

/// What a courier has to do with the deliveries at these places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// All may be under way together; no order is promised.
    AtOnce(Vec<usize>),
    /// Each is answered before the next is sent.
    InOrder(Vec<usize>),
}

/// All deliveries, in the order in which they were owed. A place in it stays what it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Delivery>", into = "Vec<Delivery>")]
pub(crate) struct Deliveries {
    list: Vec<Delivery>,
    /// How many of an event's have not arrived; no entry when all have.
    missing: HashMap<String, usize>,
    /// Nobody has taken these on yet.
    errands: Vec<Errand>,
}

/// How far the deliveries had come.
pub(crate) struct Mark {
    owed: usize,
    errands: usize,
}

impl From<Vec<Delivery>> for Deliveries {
    /// Deliveries of an earlier run that are still pending are tried again.
    fn from(list: Vec<Delivery>) -> Self {
        let pending = list.iter().enumerate().filter(|(_, one)| one.state == DeliveryState::Pending);
        let errands = vec![Errand::AtOnce(pending.map(|(place, _)| place).collect())];
        let mut deliveries = Self { list: Vec::new(), missing: HashMap::new(), errands };
        for delivery in list {
            deliveries.push(delivery);
        }
        deliveries
    }
}

impl From<Deliveries> for Vec<Delivery> {
    fn from(deliveries: Deliveries) -> Self {
        deliveries.list
    }
}

impl Deliveries {
    pub(crate) fn list(&self) -> &[Delivery] {
        &self.list
    }

    /// The delivery at a place, if it is still to be made.
    pub(crate) fn pending(&self, place: usize) -> Option<&Delivery> {
        self.list.get(place).filter(|one| one.state == DeliveryState::Pending)
    }

    /// How many endpoints have not taken the event.
    pub(crate) fn missing(&self, event: &str) -> usize {
        self.missing.get(event).copied().unwrap_or_default()
    }

    /// Notes what is owed, and says its place.
    pub(crate) fn push(&mut self, delivery: Delivery) -> usize {
        if delivery.state != DeliveryState::Delivered {
            *self.missing.entry(delivery.event.clone()).or_default() += 1;
        }
        self.list.push(delivery);
        self.list.len() - 1
    }

    /// Notes what is owed and, unless it is held or dropped, has it carried.
    pub(crate) fn owe(&mut self, delivery: Delivery) {
        let is_pending = delivery.state == DeliveryState::Pending;
        let place = self.push(delivery);
        if is_pending {
            self.errands.push(Errand::AtOnce(vec![place]));
        }
    }

    pub(crate) fn send(&mut self, errand: Errand) {
        self.errands.push(errand);
    }

    /// What is to be carried from now on; asking again does not answer it again.
    pub(crate) fn take_errands(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.errands)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { owed: self.list.len(), errands: self.errands.len() }
    }

    /// Forgets what came after the mark.
    pub(crate) fn rewind(&mut self, mark: &Mark) {
        for forgotten in self.list.split_off(mark.owed) {
            self.arrived(&forgotten.event);
        }
        self.errands.truncate(mark.errands);
    }

    fn arrived(&mut self, event: &str) {
        let Some(count) = self.missing.get_mut(event) else { return };
        *count -= 1;
        if *count == 0 {
            self.missing.remove(event);
        }
    }

    /// Writes a try down.
    pub(crate) fn note(&mut self, place: usize, attempt: Attempt, is_taken: bool) {
        let Some(delivery) = self.list.get_mut(place) else { return };
        delivery.attempts.push(attempt);
        if is_taken && delivery.state == DeliveryState::Pending {
            delivery.state = DeliveryState::Delivered;
            let event = delivery.event.clone();
            self.arrived(&event);
        }
    }

    /// Says whether there was something to give up.
    pub(crate) fn give_up(&mut self, place: usize) -> bool {
        let delivery = self.list.get_mut(place).filter(|one| one.state == DeliveryState::Pending);
        delivery.map(|one| one.state = DeliveryState::GivenUp).is_some()
    }

    /// The places of all that is held, oldest first.
    pub(crate) fn held(&self, endpoint: Option<&str>) -> Vec<usize> {
        let is_held = |one: &Delivery| {
            one.state == DeliveryState::Held && endpoint.is_none_or(|endpoint| one.endpoint == endpoint)
        };
        let held = self.list.iter().enumerate().filter(|(_, one)| is_held(one));
        held.map(|(place, _)| place).collect()
    }

    /// The places of what is held of these events, in the order in which the events are named.
    /// Naming an event once means its oldest copy for each endpoint; naming it again, the next.
    /// An event of which nothing (more) is held is the error.
    pub(crate) fn held_of(&self, events: &[String], endpoint: Option<&str>) -> Result<Vec<usize>, String> {
        let mut left: HashMap<&str, Vec<usize>> = HashMap::new();
        for place in self.held(endpoint) {
            left.entry(&self.list[place].event).or_default().push(place);
        }
        let mut chosen = Vec::new();
        for event in events {
            let places = left.get_mut(event.as_str()).filter(|places| !places.is_empty()).ok_or(event)?;
            let mut served = HashSet::new();
            let (now, later) = places.iter().partition(|place| served.insert(&self.list[**place].endpoint));
            *places = later;
            chosen.extend::<Vec<usize>>(now);
        }
        Ok(chosen)
    }

    /// Lets them go on at once, or leaves them out for good.
    pub(crate) fn decide(&mut self, places: &[usize], state: DeliveryState) {
        for place in places {
            self.list[*place].state = state;
            self.list[*place].delay_ms = 0;
        }
    }
}

/// The same places in an order that depends on the seed only.
pub(crate) fn shuffled(mut places: Vec<usize>, seed: u64) -> Vec<usize> {
    for last in (1..places.len()).rev() {
        let (nth, below) = (last as u64, last as u64 + 1);
        let other = usize::try_from(spread(seed, nth) % below).unwrap_or_default();
        places.swap(last, other);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Deliveries, Delivery, DeliveryState, Errand, shuffled};

    fn held(event: &str, endpoint: &str) -> Delivery {
        Delivery {
            event: event.to_owned(),
            kind: "customer.created".to_owned(),
            endpoint: endpoint.to_owned(),
            url: String::new(),
            state: DeliveryState::Held,
            delay_ms: 0,
            attempts: Vec::new(),
        }
    }

    #[test]
    fn an_event_named_once_is_one_copy_for_each_endpoint() {
        let list = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")];
        let deliveries = Deliveries::from(list.map(|(event, endpoint)| held(event, endpoint)).to_vec());
        let check = |events: &[&str], endpoint, expected: Result<&[usize], &str>| {
            let events: Vec<String> = events.iter().map(|&event| event.to_owned()).collect();
            let expected = expected.map(<[usize]>::to_vec).map_err(str::to_owned);
            assert_eq!(deliveries.held_of(&events, endpoint), expected, "{events:?}");
        };
        check(&["b", "a"], None, Ok(&[2, 0, 1]));
        check(&["a", "b", "a"], None, Ok(&[0, 1, 2, 3]));
        check(&["a"], Some("y"), Ok(&[1]));
        check(&["b", "b"], None, Err("b"));
        check(&["c"], None, Err("c"));
    }

    #[test]
    fn an_event_is_missing_until_every_copy_arrived() {
        let mut deliveries = Deliveries::from(vec![held("a", "x"), held("a", "y")]);
        deliveries.decide(&[0, 1], DeliveryState::Pending);
        let mark = deliveries.mark();
        deliveries.owe(Delivery { state: DeliveryState::Pending, ..held("a", "z") });
        assert_eq!(deliveries.missing("a"), 3);
        deliveries.rewind(&mark);
        // An errand left behind would carry whatever takes that place next.
        assert_eq!(deliveries.take_errands(), [Errand::AtOnce(Vec::new())]);
        let attempt = || Attempt { at: 0, status: Some(200), error: None };
        deliveries.note(0, attempt(), true);
        assert_eq!(deliveries.missing("a"), 1);
        deliveries.note(1, attempt(), true);
        assert_eq!((deliveries.missing("a"), deliveries.missing("b")), (0, 0));
    }

    #[test]
    fn a_seed_gives_one_order() {
        let places: Vec<usize> = (0..50).collect();
        let (one, again, other) =
            (shuffled(places.clone(), 1), shuffled(places.clone(), 1), shuffled(places.clone(), 2));
        assert_eq!(one, again);
        assert!(one != other && one != places);
        let mut sorted = other;
        sorted.sort_unstable();
        assert_eq!(sorted, places);
    }
}
