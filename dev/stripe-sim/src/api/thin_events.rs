//! Thin events (<https://docs.stripe.com/api/v2/core/events>), kept for 30 days, and pages as the
//! second version of the API makes them: `next_page_url` instead of cursors. There are no earlier
//! pages to go back to.

use serde_json::{Value, json};

use super::events::KEPT_SECS;
use super::{Call, Route};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::limit;
use crate::world::{number, text};

pub(super) const ROUTES: &[Route] = &[
    Route { method: "GET", path: "/v2/core/events", accepts: &[&["limit", "object_id", "page", "types[]"]], run: list },
    Route { method: "GET", path: "/v2/core/events/{id}", accepts: &[], run: retrieve },
];

const TYPES_MAX: usize = 20;

fn list(call: &mut Call<'_>) -> Answer {
    let (world, params) = (&*call.world, call.params);
    let (types, object) = (params.strings("types"), params.str("object_id"));
    if types.len() > TYPES_MAX {
        return Err(Refusal::invalid("types", format!("At most {TYPES_MAX} types can be given.")));
    }
    let oldest = world.now() - KEPT_SECS;
    let rows = world.rows(Kind::ThinEvent).filter(|row| {
        number(row, "_created") >= oldest
            && object.is_none_or(|id| text(&row["related_object"], "id") == id)
            && (types.is_empty() || types.iter().any(|kind| text(row, "type") == kind))
    });
    page(params, Kind::ThinEvent, rows, |row| world.present(row))
}

/// One page of rows, newest first. Its token is the id of its last row.
pub(super) fn page<'w>(
    params: &Params,
    kind: Kind,
    rows: impl Iterator<Item = &'w Value>,
    show: impl Fn(&Value) -> Value,
) -> Answer {
    let limit = limit(params)?;
    let mut rows = rows.peekable();
    if let Some(token) = params.str("page") {
        rows.find(|row| text(row, "id") == token).ok_or_else(|| Refusal::invalid("page", "Invalid page token."))?;
    }
    let data: Vec<&Value> = rows.by_ref().take(limit).collect();
    let last = data.last().filter(|_| rows.peek().is_some());
    let next = last.map(|row| format!("{}?{}", kind.url(), query(params, text(row, "id"))));
    let data: Vec<Value> = data.into_iter().map(show).collect();
    Ok(json!({"data": data, "next_page_url": next, "previous_page_url": null}))
}

/// The same question about the next page. What is asked here needs no escapes.
fn query(params: &Params, token: &str) -> String {
    let mut pairs = vec![format!("page={token}")];
    for field in ["limit", "object_id"] {
        pairs.extend(params.str(field).map(|value| format!("{field}={value}")));
    }
    for field in ["include", "types"] {
        pairs.extend(params.strings(field).iter().enumerate().map(|(nth, value)| format!("{field}[{nth}]={value}")));
    }
    pairs.join("&")
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::ThinEvent, call.id())?;
    if number(row, "_created") < call.world.now() - KEPT_SECS {
        return Err(Refusal::no_such(Kind::ThinEvent.noun(), call.id(), "id"));
    }
    Ok(call.world.present(row))
}
