//! Orders about the search index, under `/_sim/search`: `{"secs": 30}` lets it lag behind by the
//! double's clock, `{"held": true}` until the next order, `{}` not at all.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::admin::{Shared, ok, parse};
use super::app::App;
use crate::world::search::Lag;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/search", get(show).post(order))
}

async fn show(State(app): Shared) -> Response {
    app.read_world(|world| ok(&json!(world.search_lag)))
}

async fn order(State(app): Shared, body: Bytes) -> Response {
    let lag: Lag = match parse(&body) {
        Ok(lag) => lag,
        Err(response) => return *response,
    };
    app.with_world(|world| {
        world.touch();
        world.order_lag(lag);
        ok(&json!(world.search_lag))
    })
}
