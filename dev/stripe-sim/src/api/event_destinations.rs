//! Event destinations (<https://docs.stripe.com/api/v2/core/event_destinations>): where thin events
//! go. Destinations for snapshots are left out; `/v1/webhook_endpoints` makes those.

use serde_json::{Value, json};

use super::{Call, Route, fields, webhook_endpoints};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::text;

const AT_CREATION: &[&str] = &[
    "description",
    "enabled_events[]",
    "event_payload",
    "include[]",
    "metadata.*",
    "name",
    "type",
    "webhook_endpoint.url",
];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v2/core/event_destinations", accepts: &[AT_CREATION], run: create },
    Route {
        method: "GET",
        path: "/v2/core/event_destinations",
        accepts: &[&["include[]", "limit", "page"]],
        run: list,
    },
    Route { method: "GET", path: "/v2/core/event_destinations/{id}", accepts: &[&["include[]"]], run: retrieve },
    Route { method: "DELETE", path: "/v2/core/event_destinations/{id}", accepts: &[], run: delete },
    Route { method: "POST", path: "/v2/core/event_destinations/{id}/disable", accepts: &[], run: disable },
    Route { method: "POST", path: "/v2/core/event_destinations/{id}/enable", accepts: &[], run: enable },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    required_word(params, "type", "webhook_endpoint")?;
    required_word(params, "event_payload", "thin")?;
    let endpoint = params.child("webhook_endpoint");
    let url = endpoint.required("url")?;
    webhook_endpoints::check_url(url)?;
    let types = thin_types(params)?;
    let (id, secret) = (call.world.new_id(Kind::EventDestination), call.world.new_secret());
    let mut destination = call.world.new_destination(params.required("name")?, url, &secret);
    destination["id"] = json!(id);
    destination["description"] = json!(params.str("description").unwrap_or_default());
    destination["enabled_events"] = json!(types);
    destination["metadata"] = fields::new_metadata(params)?;
    call.world.insert(Kind::EventDestination, destination);
    let mut answer = shown(call, &id)?;
    if params.strings("include").iter().any(|field| field == "webhook_endpoint.signing_secret") {
        answer["webhook_endpoint"]["signing_secret"] = json!(secret);
    }
    Ok(answer)
}

fn thin_types(params: &Params) -> Result<Vec<String>, Refusal> {
    let types = params.strings("enabled_events");
    if types.is_empty() {
        return Err(Refusal::missing_param("enabled_events"));
    }
    let other = types.iter().find(|kind| !kind.starts_with("v1.") && !kind.starts_with("v2."));
    match other {
        Some(other) => Err(Refusal::invalid("enabled_events", format!("{other} is not the type of a thin event."))),
        None => Ok(types),
    }
}

fn required_word(params: &Params, field: &str, word: &str) -> Result<(), Refusal> {
    params.required(field)?;
    params.one_of(field, &[word]).map(drop)
}

/// The URL is shown to those who ask for it; the secret only at creation.
fn shown(call: &Call<'_>, id: &str) -> Answer {
    let row = call.world.at_url(Kind::EventDestination, id)?;
    Ok(with_included(call.params, row, call.world.present(row)))
}

fn with_included(params: &Params, row: &Value, mut answer: Value) -> Value {
    if params.strings("include").iter().any(|field| field == "webhook_endpoint.url") {
        answer["webhook_endpoint"] = json!({"url": text(row, "_url")});
    }
    answer
}

fn list(call: &mut Call<'_>) -> Answer {
    let (world, params) = (&*call.world, call.params);
    let show = |row: &Value| with_included(params, row, world.present(row));
    super::thin_events::page(params, Kind::EventDestination, world.rows(Kind::EventDestination), show)
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    shown(call, &id)
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    call.world.at_url(Kind::EventDestination, &id)?;
    call.world.remove(Kind::EventDestination, &id);
    Ok(json!({"id": id, "object": "v2.core.event_destination", "deleted": true}))
}

fn disable(call: &mut Call<'_>) -> Answer {
    set_status(call, json!({"status": "disabled", "status_details": {"disabled": {"reason": "user"}}}))
}

fn enable(call: &mut Call<'_>) -> Answer {
    set_status(call, json!({"status": "enabled", "status_details": null}))
}

fn set_status(call: &mut Call<'_>, fields: Value) -> Answer {
    let id = call.id().to_owned();
    call.world.at_url(Kind::EventDestination, &id)?;
    call.world.set(Kind::EventDestination, &id, fields);
    shown(call, &id)
}
