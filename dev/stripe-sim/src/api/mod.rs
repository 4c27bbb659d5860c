//! Stripe's endpoints, one module per family of objects.
//!
//! A family says what it answers in its `ROUTES`: method, path, the parameters it accepts (all
//! others are refused as unknown, as Stripe does) and the function that executes it. To add an
//! endpoint, add a line there; to add a family, add its module to `ROUTES` below.

mod account;
mod checkout;
pub(crate) mod checkout_complete;
mod customer_search;
mod customers;
mod event_destinations;
mod events;
mod fields;
mod invoice_items;
mod invoice_preview;
mod invoices;
mod payment_intents;
pub(crate) use payment_intents::follow;
mod payment_methods;
mod prices;
mod products;
mod schedule_phases;
mod subscription_changes;
mod subscription_items;
mod subscription_schedules;
mod subscriptions;
mod thin_events;
mod webhook_endpoints;

use serde_json::Value;

use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::World;
use crate::world::expand::check_depth;

/// One endpoint.
pub(crate) struct Route {
    method: &'static str,
    /// `{id}` stands for one segment.
    path: &'static str,
    /// What it accepts beside `expand[]`.
    accepts: &'static [&'static [&'static str]],
    run: fn(&mut Call<'_>) -> Answer,
}

/// A request that found its endpoint.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) params: &'a Params,
    /// What stood for `{id}` and the like, in order.
    ids: Vec<String>,
}

impl Call<'_> {
    /// The first id in the URL.
    fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }
}

const ROUTES: &[&[Route]] = &[
    account::ROUTES,
    checkout::ROUTES,
    customer_search::ROUTES,
    customers::ROUTES,
    event_destinations::ROUTES,
    events::ROUTES,
    invoice_items::ROUTES,
    invoice_preview::ROUTES,
    invoices::ROUTES,
    payment_intents::ROUTES,
    payment_methods::ROUTES,
    prices::ROUTES,
    products::ROUTES,
    subscription_items::ROUTES,
    subscription_schedules::ROUTES,
    subscriptions::ROUTES,
    thin_events::ROUTES,
    webhook_endpoints::ROUTES,
];

/// Executes a request against the world. One that is refused, be it for its `expand[]`, changes nothing.
pub(crate) fn execute(world: &mut World, method: &str, path: &str, params: &Params) -> Answer {
    let (route, ids) = find(method, path).ok_or_else(|| Refusal::unknown_url(method, path))?;
    if let Some(name) = unknown_param(route, params) {
        return Err(Refusal::unknown_param(name));
    }
    let expand = params.strings("expand");
    check_depth(&expand)?;
    world.attempt(|world| {
        let mut object = (route.run)(&mut Call { world, params, ids })?;
        world.expand(&mut object, &expand)?;
        Ok(object)
    })
}

fn unknown_param(route: &Route, params: &Params) -> Option<String> {
    let accepted: Vec<&[&str]> = route.accepts.iter().copied().chain([&["expand[]"][..]]).collect();
    params.unknown(&accepted)
}

fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let routes = ROUTES.iter().flat_map(|family| family.iter()).filter(|route| route.method == method);
    routes.filter_map(|route| Some((route, captures(route.path, path)?))).next()
}

fn captures(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut ids = Vec::new();
    for (wanted, given) in wanted.iter().zip(&given) {
        if wanted.starts_with('{') && !given.is_empty() {
            ids.push(crate::params::decode(given));
        } else if wanted != given {
            return None;
        }
    }
    Some(ids)
}

/// The answer to a deletion.
fn deleted(id: &str, object: &str) -> Value {
    serde_json::json!({"id": id, "object": object, "deleted": true})
}
