//! Products (<https://docs.stripe.com/api/products>).

use serde_json::{Value, json};

use super::{Call, Route, deleted, fields, prices};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::{World, text};

const WRITABLE: &[&str] = &[
    "active",
    "description",
    "images[]",
    "marketing_features[].name",
    "metadata.*",
    "name",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
];
const AT_CREATION: &[&str] = &[
    "default_price_data.currency",
    "default_price_data.metadata.*",
    "default_price_data.recurring.interval",
    "default_price_data.recurring.interval_count",
    "default_price_data.tax_behavior",
    "default_price_data.unit_amount",
    "default_price_data.unit_amount_decimal",
    "id",
    "type",
];
const FILTERS: &[&str] = &["active", "ids[]", "shippable", "type", "url"];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/products", accepts: &[WRITABLE, AT_CREATION], run: create },
    Route { method: "GET", path: "/v1/products", accepts: &[PAGE, CREATED, FILTERS], run: list },
    Route { method: "GET", path: "/v1/products/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/products/{id}", accepts: &[WRITABLE, &["default_price"]], run: update },
    Route { method: "DELETE", path: "/v1/products/{id}", accepts: &[], run: delete },
];

fn create(call: &mut Call<'_>) -> Answer {
    let id = make(call.world, call.params)?;
    if call.params.has("default_price_data") {
        let price = prices::make(call.world, &call.params.child("default_price_data"), Some(&id))?;
        call.world.set(Kind::Product, &id, json!({"default_price": price}));
    }
    Ok(call.world.presented(Kind::Product, &id))
}

/// Makes a product of `name` and what else is given, as `product_data` does too.
pub(super) fn make(world: &mut World, params: &Params) -> Result<String, Refusal> {
    let name = params.required("name")?;
    let given = params.str("id").map(str::to_owned);
    refuse_taken(world, given.as_deref())?;
    let id = given.unwrap_or_else(|| world.new_id(Kind::Product));
    let mut product = json!({
        "id": id,
        "object": "product",
        "active": true,
        "created": world.now(),
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": world.livemode,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "type": params.str("type").unwrap_or("service"),
        "unit_label": null,
        "updated": world.now(),
        "url": null,
    });
    write(params, &mut product)?;
    world.insert(Kind::Product, product);
    world.emit("product.created", Kind::Product, &id);
    Ok(id)
}

fn refuse_taken(world: &World, id: Option<&str>) -> Result<(), Refusal> {
    match id {
        Some(id) if world.get(Kind::Product, id).is_some() => {
            Err(Refusal::invalid("id", "Product already exists.").coded("resource_already_exists"))
        }
        Some(_) | None => Ok(()),
    }
}

fn write(params: &Params, product: &mut Value) -> Result<(), Refusal> {
    fields::texts(params, product, &["description", "statement_descriptor", "tax_code", "unit_label", "url"]);
    fields::flags(params, product, &["active", "shippable"])?;
    fields::metadata(params, product)?;
    if let Some(name) = params.str("name") {
        product["name"] = json!(name);
    }
    if params.has("images") {
        product["images"] = json!(params.strings("images"));
    }
    if params.has("marketing_features") {
        let features =
            params.children("marketing_features").iter().map(|one| json!({"name": one.str("name")})).collect();
        product["marketing_features"] = Value::Array(features);
    }
    Ok(())
}

fn list(call: &mut Call<'_>) -> Answer {
    let active = call.params.bool("active")?;
    let (params, shippable) = (call.params, call.params.bool("shippable")?);
    let ids = params.strings("ids");
    call.world.page(Kind::Product, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        active.is_none_or(|active| row["active"] == active)
            && shippable.is_none_or(|shippable| row["shippable"] == shippable)
            && (ids.is_empty() || ids.iter().any(|id| row["id"] == *id))
            && is("type")
            && is("url")
    })
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::Product, call.id())?;
    Ok(call.world.present(row))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut product = call.world.at_url(Kind::Product, &id)?.clone();
    let before = call.world.present(&product);
    write(call.params, &mut product)?;
    if let Some(price) = call.params.str("default_price") {
        call.world.referenced(Kind::Price, price, "default_price")?;
        product["default_price"] = json!(price);
    }
    product["updated"] = json!(call.world.now());
    call.world.set(Kind::Product, &id, product);
    call.world.emit_change("product.updated", Kind::Product, &id, &before);
    Ok(call.world.presented(Kind::Product, &id))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    call.world.at_url(Kind::Product, &id)?;
    if call.world.rows(Kind::Price).any(|price| text(price, "product") == id) {
        let message = "This product cannot be deleted because it has one or more user-created prices.";
        return Err(Refusal::not_allowed(message));
    }
    call.world.emit("product.deleted", Kind::Product, &id);
    call.world.remove(Kind::Product, &id);
    Ok(deleted(&id, "product"))
}
