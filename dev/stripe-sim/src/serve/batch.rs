//! Many requests in one go: a test that needs ten thousand customers makes them in seconds.
//!
//! Each goes the way of a request of the API from its parameters on. Keys, pace, faults and holds
//! are for those who come over the wire, and the journal is about them.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::admin::{Shared, by_hand, ok, parse};
use super::app::App;
use crate::api;
use crate::params::Params;
use crate::world::World;
use crate::world::policy::Policy;

const BYTES_MAX: usize = 64 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    requests: Vec<Wanted>,
    /// What is answered of each object; without it, all.
    fields: Option<Vec<String>>,
    /// Without events, which cost more than the objects do.
    #[serde(default)]
    silent: bool,
}

/// One request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    method: String,
    path: String,
    #[serde(default)]
    form: String,
}

pub(super) fn route() -> MethodRouter<std::sync::Arc<App>> {
    post(run).layer(DefaultBodyLimit::max(BYTES_MAX))
}

/// Answers a status and a body for each, in their order; one that is refused stops no other.
async fn run(State(app): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let batch: Batch = match parse(&body) {
        Ok(batch) => batch,
        Err(response) => return *response,
    };
    let cause = by_hand(&headers);
    let answers = app.with_world(|world| {
        world.cause = cause;
        if batch.silent {
            world.with_policy(Policy::silent(), |world| execute(world, &batch))
        } else {
            execute(world, &batch)
        }
    });
    ok(&json!({"data": answers}))
}

fn execute(world: &mut World, batch: &Batch) -> Vec<Value> {
    let fields = batch.fields.as_deref();
    batch.requests.iter().map(|wanted| answer(world, wanted, fields)).collect()
}

fn answer(world: &mut World, wanted: &Wanted, fields: Option<&[String]>) -> Value {
    let (path, query) = wanted.path.split_once('?').unwrap_or((&wanted.path, ""));
    let params = Params::parse(&format!("{query}&{}", wanted.form));
    match api::execute(world, &wanted.method, path, &params) {
        Ok(body) => json!({"status": 200, "body": only(fields, body)}),
        Err(refusal) => json!({"status": refusal.status.as_u16(), "body": refusal.at(path).body()}),
    }
}

fn only(fields: Option<&[String]>, mut body: Value) -> Value {
    let Some(fields) = fields else { return body };
    Value::Object(fields.iter().map(|field| (field.clone(), body[field.as_str()].take())).collect::<Map<_, _>>())
}
