//! Customers, searched (<https://docs.stripe.com/api/customers/search>).

use serde_json::{Value, json};

use super::{Call, Route};
use crate::error::{Answer, Refusal};
use crate::world::kind::Kind;
use crate::world::list::limit;
use crate::world::search_query::Query;
use crate::world::{World, text};

/// Before `/v1/customers/{id}`, which would take it for an id.
pub(super) const ROUTES: &[Route] =
    &[Route { method: "GET", path: "/v1/customers/search", accepts: &[&["limit", "page", "query"]], run: search }];

fn search(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let (query, limit) = (Query::parse(params.required("query")?)?, limit(params)?);
    let world = &*call.world;
    let is_found = |row: &&Value| row["deleted"] != true && world.indexed(row).is_some_and(|row| query.finds(row));
    let mut found: Vec<&Value> = behind(world, params.str("page"))?.filter(is_found).take(limit + 1).collect();
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    Ok(json!({
        "object": "search_result",
        "data": found.iter().map(|row| world.present(row)).collect::<Vec<_>>(),
        "has_more": has_more,
        "next_page": last.map(|row| token(text(row, "id"))),
        "url": "/v1/customers/search",
    }))
}

/// The customers after the last one of the page before, newest first.
fn behind<'w>(world: &'w World, page: Option<&str>) -> Result<impl Iterator<Item = &'w Value>, Refusal> {
    let mut rows = world.rows(Kind::Customer);
    if let Some(page) = page {
        let is_known = rows.any(|row| token(text(row, "id")) == page);
        is_known.then_some(()).ok_or_else(|| Refusal::invalid("page", format!("Invalid page: {page}")))?;
    }
    Ok(rows)
}

/// A text that only its next page gives a meaning to, as at Stripe.
fn token(id: &str) -> String {
    id.bytes().map(|byte| format!("{byte:02x}")).collect()
}
