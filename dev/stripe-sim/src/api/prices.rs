//! Prices (<https://docs.stripe.com/api/prices>), and plans, their older shape.

use serde_json::{Value, json};

use super::{Call, Route, deleted, fields, products};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::present::plan;
use crate::world::{World, number, text};

const WRITABLE: &[&str] = &["active", "lookup_key", "metadata.*", "nickname", "transfer_lookup_key"];
const AT_CREATION: &[&str] = &[
    "billing_scheme",
    "currency",
    "product",
    "product_data.active",
    "product_data.id",
    "product_data.metadata.*",
    "product_data.name",
    "product_data.statement_descriptor",
    "product_data.tax_code",
    "product_data.unit_label",
    "recurring.interval",
    "recurring.interval_count",
    "recurring.meter",
    // Only `trial_from_plan` would use it, which is refused.
    "recurring.trial_period_days",
    "recurring.usage_type",
    "tax_behavior",
    "transform_quantity.divide_by",
    "transform_quantity.round",
    "unit_amount",
    "unit_amount_decimal",
];
const FILTERS: &[&str] = &[
    "active",
    "currency",
    "lookup_keys[]",
    "product",
    "recurring.interval",
    "recurring.meter",
    "recurring.usage_type",
    "type",
];
const PLAN: &[&str] = &[
    "amount",
    "amount_decimal",
    "billing_scheme",
    "currency",
    "interval",
    "interval_count",
    "nickname",
    "product",
    "product.active",
    "product.id",
    "product.metadata.*",
    "product.name",
    "product.statement_descriptor",
    "product.tax_code",
    "product.unit_label",
    "trial_period_days",
    "usage_type",
];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/prices", accepts: &[WRITABLE, AT_CREATION], run: create },
    Route { method: "GET", path: "/v1/prices", accepts: &[PAGE, CREATED, FILTERS], run: list },
    Route { method: "GET", path: "/v1/prices/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/prices/{id}", accepts: &[WRITABLE], run: update },
    Route { method: "POST", path: "/v1/plans", accepts: &[PLAN], run: create_plan },
    Route { method: "GET", path: "/v1/plans", accepts: &[PAGE, CREATED, &["active", "product"]], run: list_plans },
    Route { method: "GET", path: "/v1/plans/{id}", accepts: &[], run: retrieve_plan },
    Route { method: "DELETE", path: "/v1/plans/{id}", accepts: &[], run: delete_plan },
];

fn create(call: &mut Call<'_>) -> Answer {
    let id = make(call.world, call.params, None)?;
    Ok(call.world.presented(Kind::Price, &id))
}

/// Makes a price, as `price_data` and `default_price_data` do too.
pub(super) fn make(world: &mut World, params: &Params, product: Option<&str>) -> Result<String, Refusal> {
    let currency = fields::currency(params)?;
    let recurring = recurring(params)?;
    let amount = Amount::parse(params)?;
    let product = match product {
        Some(id) => id.to_owned(),
        None => product_of(world, params)?,
    };
    let id = world.new_id(Kind::Price);
    let mut price = json!({
        "id": id,
        "object": "price",
        "active": true,
        "billing_scheme": params.one_of("billing_scheme", &["per_unit"])?.unwrap_or("per_unit"),
        "created": world.now(),
        "currency": currency,
        "custom_unit_amount": null,
        "livemode": world.livemode,
        "lookup_key": null,
        "metadata": {},
        "nickname": null,
        "product": product,
        "recurring": recurring,
        "tax_behavior": params.str("tax_behavior").unwrap_or("unspecified"),
        "tiers_mode": null,
        "transform_quantity": packages(params)?,
        "type": if recurring.is_null() { "one_time" } else { "recurring" },
        "unit_amount": amount.whole,
        "unit_amount_decimal": amount.decimal,
    });
    write(world, params, &mut price)?;
    world.insert(Kind::Price, price);
    world.emit("price.created", Kind::Price, &id);
    if !recurring.is_null() {
        emit_plan(world, "plan.created", &id);
    }
    Ok(id)
}

/// An older event beside `price.*`, with the price in its older shape.
fn emit_plan(world: &mut World, kind: &str, price: &str) {
    let object = plan(&world.presented(Kind::Price, price));
    world.emit_object(kind, object);
}

fn product_of(world: &mut World, params: &Params) -> Result<String, Refusal> {
    if params.has("product_data") {
        return products::make(world, &params.child("product_data"));
    }
    let id = params.required("product")?;
    let product = world.referenced(Kind::Product, id, &params.name("product"))?;
    Ok(text(product, "id").to_owned())
}

fn recurring(params: &Params) -> Result<Value, Refusal> {
    if !params.has("recurring") {
        return Ok(Value::Null);
    }
    let given = params.child("recurring");
    given.required("interval")?;
    let interval = given.one_of("interval", &["day", "week", "month", "year"])?;
    Ok(json!({
        "interval": interval,
        "interval_count": given.int("interval_count")?.unwrap_or(1),
        "meter": given.str("meter"),
        "trial_period_days": given.int("trial_period_days")?,
        "usage_type": given.one_of("usage_type", &["licensed", "metered"])?.unwrap_or("licensed"),
    }))
}

/// How many units are billed as one, and what becomes of a broken one.
fn packages(params: &Params) -> Result<Value, Refusal> {
    if !params.has("transform_quantity") {
        return Ok(Value::Null);
    }
    let given = params.child("transform_quantity");
    let divide_by = given.int("divide_by")?.ok_or_else(|| Refusal::missing_param(given.name("divide_by")))?;
    if divide_by < 1 {
        return Err(Refusal::invalid(given.name("divide_by"), "This value must be greater than or equal to 1."));
    }
    given.required("round")?;
    Ok(json!({"divide_by": divide_by, "round": given.one_of("round", &["down", "up"])?}))
}

struct Amount {
    whole: Option<i64>,
    decimal: Option<String>,
}

impl Amount {
    fn parse(params: &Params) -> Result<Self, Refusal> {
        let whole = params.int("unit_amount")?;
        let decimal = params.str("unit_amount_decimal").map(str::to_owned);
        match (whole, decimal) {
            (None, None) => Err(Refusal::missing_param(params.name("unit_amount"))),
            (Some(whole), _) => Ok(Self { whole: Some(whole), decimal: Some(whole.to_string()) }),
            (None, decimal) => Ok(Self { whole: decimal.as_deref().and_then(|text| text.parse().ok()), decimal }),
        }
    }
}

fn write(world: &mut World, params: &Params, price: &mut Value) -> Result<(), Refusal> {
    fields::texts(params, price, &["nickname"]);
    fields::flags(params, price, &["active"])?;
    fields::metadata(params, price)?;
    if params.has("lookup_key") {
        claim_lookup_key(world, params, text(price, "id"))?;
        price["lookup_key"] = json!(params.str("lookup_key"));
    }
    Ok(())
}

/// A lookup key names one price; `transfer_lookup_key` takes it from the one that has it.
fn claim_lookup_key(world: &mut World, params: &Params, price: &str) -> Result<(), Refusal> {
    let Some(key) = params.str("lookup_key") else { return Ok(()) };
    let has_it = |row: &&Value| text(row, "lookup_key") == key && text(row, "id") != price;
    let Some(holder) = world.rows(Kind::Price).find(has_it).map(|row| text(row, "id").to_owned()) else {
        return Ok(());
    };
    if params.bool("transfer_lookup_key")? == Some(true) {
        world.set(Kind::Price, &holder, json!({"lookup_key": null}));
        return Ok(());
    }
    Err(Refusal::invalid("lookup_key", format!("A price ({holder}) already uses that lookup key.")))
}

fn list(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let active = params.bool("active")?;
    let keys = params.strings("lookup_keys");
    let recurring = params.child("recurring");
    call.world.page(Kind::Price, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        let recurs = |field: &str| recurring.str(field).is_none_or(|wanted| text(&row["recurring"], field) == wanted);
        active.is_none_or(|active| row["active"] == active)
            && (keys.is_empty() || keys.iter().any(|key| row["lookup_key"] == *key))
            && is("product")
            && is("currency")
            && is("type")
            && recurs("interval")
            && recurs("meter")
            && recurs("usage_type")
    })
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::Price, call.id())?;
    Ok(call.world.present(row))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut price = call.world.at_url(Kind::Price, &id)?.clone();
    let before = call.world.present(&price);
    write(call.world, call.params, &mut price)?;
    call.world.set(Kind::Price, &id, price);
    call.world.emit_change("price.updated", Kind::Price, &id, &before);
    Ok(call.world.presented(Kind::Price, &id))
}

fn create_plan(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let product = match params.str("product") {
        Some(id) => text(call.world.referenced(Kind::Product, id, "product")?, "id").to_owned(),
        None => products::make(call.world, &params.child("product"))?,
    };
    let pairs = [
        ("currency", params.str("currency")),
        ("unit_amount", params.str("amount")),
        ("unit_amount_decimal", params.str("amount_decimal")),
        ("billing_scheme", params.str("billing_scheme")),
        ("nickname", params.str("nickname")),
        ("recurring[interval]", Some(params.required("interval")?)),
        ("recurring[interval_count]", params.str("interval_count")),
        ("recurring[usage_type]", params.str("usage_type")),
        ("recurring[trial_period_days]", params.str("trial_period_days")),
    ];
    let given = pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
    let form = given.collect::<Vec<_>>().join("&");
    let id = make(call.world, &Params::parse(&form), Some(&product))?;
    Ok(plan(&call.world.presented(Kind::Price, &id)))
}

fn list_plans(call: &mut Call<'_>) -> Answer {
    let product = call.params.str("product");
    let active = call.params.bool("active")?;
    let mut page = call.world.page(Kind::Price, call.params, |row| {
        !row["recurring"].is_null()
            && product.is_none_or(|product| text(row, "product") == product)
            && active.is_none_or(|active| row["active"] == active)
    })?;
    for price in page["data"].as_array_mut().into_iter().flatten() {
        *price = plan(price);
    }
    page["url"] = json!("/v1/plans");
    Ok(page)
}

fn recurring_price<'w>(world: &'w World, id: &str) -> Result<&'w Value, Refusal> {
    let price = world.get(Kind::Price, id).filter(|row| number(&row["recurring"], "interval_count") > 0);
    price.ok_or_else(|| Refusal::no_such("plan", id, "plan"))
}

fn retrieve_plan(call: &mut Call<'_>) -> Answer {
    recurring_price(call.world, call.id()).map(plan)
}

fn delete_plan(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    recurring_price(call.world, &id)?;
    emit_plan(call.world, "plan.deleted", &id);
    call.world.set(Kind::Price, &id, json!({"active": false}));
    Ok(deleted(&id, "plan"))
}
