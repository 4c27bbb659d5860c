//! The admin routes under `/_sim/`, a prefix that Stripe does not use. Bodies are JSON. Those about
//! deliveries are in `delivery_orders`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::app::{App, lock};
use super::reply::with_body;
use super::{batch, delivery_orders, faults, holds, pipeline, search_orders};
use crate::api::checkout_complete::{Payer, complete};
use crate::api::follow;
use crate::error::Refusal;
use crate::world::kind::Kind;
use crate::world::{Cause, World};

pub(super) type Shared = State<Arc<App>>;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/health", get(async || ok(&json!({"ok": true}))))
        .route("/faults", get(list_faults).post(order_fault).delete(clear_faults))
        .route("/holds", get(list_holds).post(order_hold))
        .route("/holds/{id}", get(show_hold))
        .route("/holds/{id}/release", post(release_hold))
        .route("/requests", get(list_requests).delete(clear_requests))
        .route("/clock", get(show_clock).post(move_clock))
        .route("/latency", get(show_latency).post(order_latency))
        .route("/limit", get(show_limit).post(order_limit))
        .route("/keys/expire", post(expire_key))
        .route("/batch", batch::route())
        .merge(delivery_orders::router())
        .merge(search_orders::router())
        .route("/checkout/sessions/{id}/complete", post(complete_session))
        .route("/payment_intents/{id}/authenticate", post(authenticate))
}

pub(super) fn ok(body: &Value) -> Response {
    with_body(200, "application/json", body.to_string())
}

pub(super) fn wrong(status: u16, message: &str) -> Response {
    with_body(status, "application/json", json!({"error": {"message": message}}).to_string())
}

fn refused(refusal: &Refusal) -> Response {
    with_body(refusal.status.as_u16(), "application/json", refusal.body().to_string())
}

/// An empty body is an empty object.
pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Box<Response>> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| Box::new(wrong(400, &error.to_string())))
}

async fn list_faults(State(app): Shared) -> Response {
    ok(&json!({"data": lock(&app.faults).list()}))
}

async fn order_fault(State(app): Shared, body: Bytes) -> Response {
    match parse::<faults::Order>(&body) {
        Ok(order) => {
            let id = lock(&app.faults).order(order);
            id.map_or_else(|| wrong(400, "give kind or kinds"), |id| ok(&json!({"id": id})))
        }
        Err(response) => *response,
    }
}

async fn clear_faults(State(app): Shared) -> Response {
    lock(&app.faults).clear();
    ok(&json!({"data": []}))
}

async fn list_holds(State(app): Shared) -> Response {
    ok(&json!({"data": lock(&app.holds).list()}))
}

async fn order_hold(State(app): Shared, body: Bytes) -> Response {
    match parse::<holds::Order>(&body) {
        Ok(order) => ok(&json!({"id": lock(&app.holds).order(order)})),
        Err(response) => *response,
    }
}

async fn show_hold(State(app): Shared, Path(id): Path<String>) -> Response {
    lock(&app.holds).get(&id).map_or_else(|| wrong(404, "no such hold"), |hold| ok(&json!(hold)))
}

async fn release_hold(State(app): Shared, Path(id): Path<String>) -> Response {
    lock(&app.holds).release(&id).map_or_else(|| wrong(404, "no such hold"), |hold| ok(&json!(hold)))
}

async fn list_requests(State(app): Shared) -> Response {
    ok(&json!({"data": lock(&app.journal).entries()}))
}

async fn clear_requests(State(app): Shared) -> Response {
    lock(&app.journal).clear();
    ok(&json!({"data": []}))
}

async fn show_latency(State(app): Shared) -> Response {
    ok(&json!(lock(&app.pace).shown_latency()))
}

async fn order_latency(State(app): Shared, body: Bytes) -> Response {
    match parse(&body) {
        Ok(latency) => lock(&app.pace).set_latency(latency),
        Err(response) => return *response,
    }
    show_latency(State(app)).await
}

async fn show_limit(State(app): Shared) -> Response {
    ok(&json!(lock(&app.pace).limit()))
}

async fn order_limit(State(app): Shared, body: Bytes) -> Response {
    match parse(&body) {
        Ok(order) => lock(&app.pace).set_limit(order),
        Err(response) => return *response,
    }
    show_limit(State(app)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RolledKey {
    key: String,
}

/// From now on it opens nothing, as a key that was rolled in the dashboard.
async fn expire_key(State(app): Shared, body: Bytes) -> Response {
    match parse::<RolledKey>(&body) {
        Ok(RolledKey { key }) => {
            lock(&app.expired_keys).insert(key);
            ok(&json!({"expired": true}))
        }
        Err(response) => *response,
    }
}

async fn show_clock(State(app): Shared) -> Response {
    app.read_world(|world| ok(&clock(world)))
}

fn clock(world: &World) -> Value {
    json!({"now": world.now(), "offset_secs": world.clock.offset_secs(), "frozen": world.clock.is_frozen()})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance_secs: Option<i64>,
    set: Option<i64>,
    /// Whether it stands still from then on.
    freeze: Option<bool>,
}

async fn move_clock(State(app): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let Move { advance_secs, set, freeze } = match parse(&body) {
        Ok(moved) => moved,
        Err(response) => return *response,
    };
    app.with_world(|world| {
        world.cause = by_hand(&headers);
        match (advance_secs, set) {
            (Some(secs), None) => world.clock.advance(secs),
            (None, Some(unix)) => world.clock.set(unix),
            (None, None) if freeze.is_some() => {}
            (Some(_), Some(_)) | (None, None) => return wrong(400, "give advance_secs, set or freeze"),
        }
        if let Some(freeze) = freeze {
            world.clock.freeze(freeze);
        }
        world.touch();
        world.roll();
        ok(&clock(world))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completion {
    payment_method: Option<String>,
    email: Option<String>,
    name: Option<String>,
}

async fn complete_session(State(app): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let given: Completion = match parse(&body) {
        Ok(given) => given,
        Err(response) => return *response,
    };
    let payer = Payer {
        method: given.payment_method.unwrap_or_else(|| "pm_card_visa".to_owned()),
        email: json!(given.email),
        name: json!(given.name),
    };
    app.with_world(|world| {
        world.cause = by_hand(&headers);
        match complete(world, &id, payer) {
            Ok(()) => ok(&world.presented(Kind::CheckoutSession, &id)),
            Err(refusal) => refused(&refusal),
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authentication {
    passed: Option<bool>,
}

/// Somebody went through 3-D Secure, or gave up.
async fn authenticate(State(app): Shared, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let given: Authentication = match parse(&body) {
        Ok(given) => given,
        Err(response) => return *response,
    };
    app.with_world(|world| {
        let status = world.presented(Kind::PaymentIntent, &id)["status"].clone();
        if status != "requires_action" {
            return wrong(409, &format!("the payment intent does not wait for authentication: {status}"));
        }
        world.cause = by_hand(&headers);
        let payment = world.authenticate_intent(&id, given.passed.unwrap_or(true));
        follow(world, &id, &payment);
        ok(&world.presented(Kind::PaymentIntent, &id))
    })
}

/// Not a request of the API: events of it name none.
pub(crate) fn by_hand(headers: &HeaderMap) -> Cause {
    Cause { base_url: pipeline::base_url(headers), ..Cause::default() }
}
