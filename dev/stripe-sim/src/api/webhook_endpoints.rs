//! Webhook endpoints (<https://docs.stripe.com/api/webhook_endpoints>). The secret is answered
//! once, at creation.
//!
//! `api_version` may be one that `world::versions` can render; without it, snapshots are of the
//! account's default, the pinned one.

use serde_json::{Value, json};

use super::{Call, Route, deleted, fields};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::PAGE;
use crate::world::versions::Version;

const WRITABLE: &[&str] = &["description", "enabled_events[]", "metadata.*", "url"];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/webhook_endpoints", accepts: &[WRITABLE, &["api_version"]], run: create },
    Route { method: "GET", path: "/v1/webhook_endpoints", accepts: &[PAGE], run: list },
    Route { method: "GET", path: "/v1/webhook_endpoints/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/webhook_endpoints/{id}", accepts: &[WRITABLE, &["disabled"]], run: update },
    Route { method: "DELETE", path: "/v1/webhook_endpoints/{id}", accepts: &[], run: delete },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let url = params.required("url")?;
    check_url(url)?;
    check_version(params)?;
    if params.strings("enabled_events").is_empty() {
        return Err(Refusal::missing_param("enabled_events"));
    }
    let id = call.world.new_id(Kind::WebhookEndpoint);
    let secret = call.world.new_secret();
    let mut endpoint = call.world.new_endpoint(url, &secret);
    endpoint["id"] = json!(id);
    endpoint["api_version"] = json!(params.str("api_version"));
    write(params, &mut endpoint)?;
    call.world.insert(Kind::WebhookEndpoint, endpoint);
    let mut answer = call.world.presented(Kind::WebhookEndpoint, &id);
    answer["secret"] = json!(secret);
    Ok(answer)
}

/// An endpoint of a version whose shapes are not known would be lied to.
fn check_version(params: &Params) -> Result<(), Refusal> {
    let Some(unknown) = params.str("api_version").filter(|name| Version::parse(name).is_none()) else { return Ok(()) };
    let known = Version::ALL.map(Version::name).join(", ");
    let message = format!("Invalid API version: {unknown}. This double renders events at {known}.");
    Err(Refusal::invalid("api_version", message))
}

pub(super) fn check_url(url: &str) -> Result<(), Refusal> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(Refusal::invalid("url", "Invalid URL: An explicit scheme (such as https) must be provided.")
        .coded("url_invalid"))
}

fn write(params: &Params, endpoint: &mut Value) -> Result<(), Refusal> {
    fields::texts(params, endpoint, &["description"]);
    fields::metadata(params, endpoint)?;
    if params.has("enabled_events") {
        endpoint["enabled_events"] = json!(params.strings("enabled_events"));
    }
    if let Some(url) = params.str("url") {
        check_url(url)?;
        endpoint["url"] = json!(url);
    }
    if let Some(disabled) = params.bool("disabled")? {
        endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    Ok(())
}

fn list(call: &mut Call<'_>) -> Answer {
    call.world.page(Kind::WebhookEndpoint, call.params, |_| true)
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::WebhookEndpoint, call.id())?;
    Ok(call.world.present(row))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut endpoint = call.world.at_url(Kind::WebhookEndpoint, &id)?.clone();
    write(call.params, &mut endpoint)?;
    call.world.set(Kind::WebhookEndpoint, &id, endpoint);
    Ok(call.world.presented(Kind::WebhookEndpoint, &id))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    call.world.at_url(Kind::WebhookEndpoint, &id)?;
    call.world.remove(Kind::WebhookEndpoint, &id);
    Ok(deleted(&id, "webhook_endpoint"))
}
