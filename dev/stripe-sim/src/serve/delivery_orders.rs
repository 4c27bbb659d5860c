//! Orders about deliveries and events, under `/_sim/`:
//!
//! | route | what it does |
//! | --- | --- |
//! | `GET /deliveries?event=&endpoint=&type=&state=` | every delivery so far, with its tries |
//! | `GET`, `POST /deliveries/policy` | what becomes of deliveries from now on; `{}` is back to normal |
//! | `POST /deliveries/release` | sends what is held |
//! | `POST /deliveries/drop` | leaves out what is held, for good |
//! | `POST /deliveries/redeliver` | sends an event to an endpoint again, now |
//! | `POST /events` | makes an event of any type and shape |
//! | `POST /webhook_endpoints/{id}/roll` | gives an endpoint or destination a new secret |
//!
//! A policy has `hold`, `duplicate`, `drop` and `lose` (no event is even made), each a selection, and
//! `delay` as `{"ms": 50, "of": selection}`, `retry_ms` and `skew_secs` (of the signature's `t`). A
//! selection is `{}` for all, narrowed by `types` and `endpoint`, then `every` (the nth) or `one_in`
//! with a `seed`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::{Shared, ok, parse, wrong};
use super::app::App;
use crate::world::World;
use crate::world::deliveries::{Delivery, DeliveryState, Errand, shuffled};
use crate::world::policy::Policy;
use crate::world::text;
use crate::world::time::DAY;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/deliveries", get(list))
        .route("/deliveries/policy", get(show_policy).post(set_policy))
        .route("/deliveries/release", post(release))
        .route("/deliveries/drop", post(drop_held))
        .route("/deliveries/redeliver", post(redeliver))
        .route("/events", post(emit))
        .route("/webhook_endpoints/{id}/roll", post(roll))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    event: Option<String>,
    endpoint: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    state: Option<DeliveryState>,
}

async fn list(State(app): Shared, Query(filter): Query<Filter>) -> Response {
    let fits = |one: &&Delivery| {
        filter.event.as_ref().is_none_or(|event| one.event == *event)
            && filter.endpoint.as_ref().is_none_or(|endpoint| one.endpoint == *endpoint)
            && filter.kind.as_ref().is_none_or(|kind| one.kind == *kind)
            && filter.state.is_none_or(|state| one.state == state)
    };
    app.read_world(|world| ok(&json!({"data": world.deliveries.list().iter().filter(fits).collect::<Vec<_>>()})))
}

async fn show_policy(State(app): Shared) -> Response {
    app.read_world(|world| ok(&json!(world.policy)))
}

async fn set_policy(State(app): Shared, body: Bytes) -> Response {
    let policy: Policy = match parse(&body) {
        Ok(policy) => policy,
        Err(response) => return *response,
    };
    app.with_world(|world| {
        world.touch();
        world.policy = policy;
        ok(&json!(world.policy))
    })
}

/// Without `events`, all that is held: together, or one after the other where a seed shuffles them.
/// With `events`, those, one after the other in that order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    events: Option<Vec<String>>,
    endpoint: Option<String>,
    shuffle: Option<u64>,
}

impl Choice {
    fn places(&self, world: &World) -> Result<Vec<usize>, String> {
        let endpoint = self.endpoint.as_deref();
        let places = match &self.events {
            Some(events) => world.deliveries.held_of(events, endpoint)?,
            None => world.deliveries.held(endpoint),
        };
        Ok(self.shuffle.map_or(places.clone(), |seed| shuffled(places, seed)))
    }
}

async fn release(State(app): Shared, body: Bytes) -> Response {
    decide(&app, &body, DeliveryState::Pending)
}

async fn drop_held(State(app): Shared, body: Bytes) -> Response {
    decide(&app, &body, DeliveryState::Dropped)
}

fn decide(app: &App, body: &Bytes, state: DeliveryState) -> Response {
    let choice: Choice = match parse(body) {
        Ok(choice) => choice,
        Err(response) => return *response,
    };
    app.with_world(|world| {
        let places = match choice.places(world) {
            Ok(places) => places,
            Err(event) => return wrong(404, &format!("nothing is held of {event}")),
        };
        world.touch();
        world.deliveries.decide(&places, state);
        let chosen: Vec<&Delivery> = places.iter().map(|place| &world.deliveries.list()[*place]).collect();
        let answer = ok(&json!({"data": chosen}));
        if state == DeliveryState::Pending {
            let is_ordered = choice.events.is_some() || choice.shuffle.is_some();
            world.deliveries.send(if is_ordered { Errand::InOrder(places) } else { Errand::AtOnce(places) });
        }
        answer
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    event: String,
    endpoint: String,
    #[serde(default = "once")]
    times: u8,
    /// Together, not one after the other.
    #[serde(default)]
    at_once: bool,
}

fn once() -> u8 {
    1
}

/// Whatever the policy says, and whether or not the endpoint asked for the type.
async fn redeliver(State(app): Shared, body: Bytes) -> Response {
    let again: Again = match parse(&body) {
        Ok(again) => again,
        Err(response) => return *response,
    };
    app.with_world(|world| {
        let (Some(event), Some(receiver)) = (world.event(&again.event), world.receiver(&again.endpoint)) else {
            return wrong(404, "no such event, or no such endpoint that is enabled");
        };
        let delivery = Delivery {
            event: again.event,
            kind: text(event, "type").to_owned(),
            endpoint: again.endpoint,
            url: receiver.url,
            state: DeliveryState::Pending,
            delay_ms: 0,
            attempts: Vec::new(),
        };
        world.touch();
        let places = (0..again.times).map(|_| world.deliveries.push(delivery.clone())).collect();
        world.deliveries.send(if again.at_once { Errand::AtOnce(places) } else { Errand::InOrder(places) });
        ok(&json!({"data": vec![delivery; usize::from(again.times)]}))
    })
}

/// Fields that replace or extend those of the envelope, for a snapshot, a thin event, or both, which
/// are linked. Without either, a plain snapshot of an empty object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    /// Without `v1.`; the thin event's has it put before.
    #[serde(rename = "type")]
    kind: String,
    snapshot: Option<Value>,
    thin: Option<Value>,
}

async fn emit(State(app): Shared, body: Bytes) -> Response {
    let Made { kind, snapshot, thin } = match parse(&body) {
        Ok(made) => made,
        Err(response) => return *response,
    };
    app.with_world(|world| {
        let ids = [&snapshot, &thin].map(|fields| fields.as_ref().and_then(|fields| fields["id"].as_str()));
        if ids.into_iter().flatten().any(|id| world.event(id).is_some()) {
            return wrong(409, "there is an event of that id");
        }
        let is_plain = snapshot.is_none() && thin.is_none();
        let snapshot = snapshot.or_else(|| is_plain.then(|| json!({})));
        let made = snapshot.map(|fields| world.record_snapshot(&kind, &fields));
        let notified = thin.map(|mut fields| {
            if let (Some(id), Some(fields)) = (&made, fields.as_object_mut()) {
                fields.entry("snapshot_event").or_insert_with(|| json!(id));
            }
            world.record_thin(&format!("v1.{kind}"), &fields)
        });
        ok(&json!({"snapshot": made, "thin": notified}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    /// For how long the old secret signs too, by the double's clock.
    expires_in_secs: Option<i64>,
}

async fn roll(State(app): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let Roll { expires_in_secs } = match parse(&body) {
        Ok(roll) => roll,
        Err(response) => return *response,
    };
    let secret = app.with_world(|world| world.roll_secret(&id, expires_in_secs.unwrap_or(DAY)));
    secret.map_or_else(|| wrong(404, "no such webhook endpoint"), |secret| ok(&json!({"id": id, "secret": secret})))
}
