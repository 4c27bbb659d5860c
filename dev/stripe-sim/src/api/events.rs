//! Events (<https://docs.stripe.com/api/events>), kept for 30 days.

use super::{Call, Route};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::time::DAY;
use crate::world::{World, number, text};

pub(super) const KEPT_SECS: i64 = 30 * DAY;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/v1/events",
        accepts: &[PAGE, CREATED, &["delivery_success", "type", "types[]"]],
        run: list,
    },
    Route { method: "GET", path: "/v1/events/{id}", accepts: &[], run: retrieve },
];

/// `type` may end in `*`, e.g. `customer.subscription.*`.
fn list(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let kinds = params.strings("types");
    let kind = params.str("type");
    if kind.is_some() && !kinds.is_empty() {
        return Err(Refusal::not_allowed("You may only specify one of these parameters: type, types."));
    }
    let delivered = params.bool("delivery_success")?;
    let oldest = call.world.now() - KEPT_SECS;
    let world = &*call.world;
    refuse_forgotten(world, params, oldest)?;
    world.page(Kind::Event, params, |row| {
        let is = |pattern: &str| {
            pattern.strip_suffix('*').map_or(text(row, "type") == pattern, |start| text(row, "type").starts_with(start))
        };
        number(row, "created") >= oldest
            && kind.is_none_or(is)
            && (kinds.is_empty() || kinds.iter().any(|kind| is(kind)))
            && delivered.is_none_or(|delivered| (world.deliveries.missing(text(row, "id")) == 0) == delivered)
    })
}

/// A cursor older than what is kept is no event any more.
fn refuse_forgotten(world: &World, params: &Params, oldest: i64) -> Result<(), Refusal> {
    for field in ["starting_after", "ending_before"] {
        let Some(id) = params.str(field) else { continue };
        if world.get(Kind::Event, id).is_some_and(|row| number(row, "created") < oldest) {
            return Err(Refusal::no_such_reference("event", id, field));
        }
    }
    Ok(())
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::Event, call.id())?;
    if number(row, "created") < call.world.now() - KEPT_SECS {
        return Err(Refusal::no_such("event", call.id(), "id"));
    }
    Ok(call.world.present(row))
}
