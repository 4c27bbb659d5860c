//! Checkout sessions (<https://docs.stripe.com/api/checkout/sessions>), and the payment page's own
//! two endpoints, which the CLI's triggers use to pay.

use serde_json::{Value, json};

use super::checkout_complete::{Payer, complete};
use super::{Call, Route, fields, prices};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{self, CREATED, PAGE};
use crate::world::subscribing::amount;
use crate::world::time::DAY;
use crate::world::{World, number, text};

const AT_CREATION: &[&str] = &[
    "cancel_url",
    "client_reference_id",
    "currency",
    "customer",
    "customer_creation",
    "customer_email",
    "line_items[].price",
    "line_items[].price_data.currency",
    "line_items[].price_data.product",
    "line_items[].price_data.product_data.metadata.*",
    "line_items[].price_data.product_data.name",
    "line_items[].price_data.recurring.interval",
    "line_items[].price_data.recurring.interval_count",
    "line_items[].price_data.tax_behavior",
    "line_items[].price_data.unit_amount",
    "line_items[].price_data.unit_amount_decimal",
    "line_items[].quantity",
    "locale",
    "metadata.*",
    "mode",
    "payment_intent_data.description",
    "payment_intent_data.metadata.*",
    "payment_intent_data.shipping.*",
    "return_url",
    "submit_type",
    "subscription_data.description",
    "subscription_data.metadata.*",
    "subscription_data.trial_end",
    "subscription_data.trial_period_days",
    "success_url",
    "ui_mode",
];
const FILTERS: &[&str] = &["customer", "customer_details.email", "payment_intent", "status", "subscription"];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/checkout/sessions", accepts: &[AT_CREATION], run: create },
    Route { method: "GET", path: "/v1/checkout/sessions", accepts: &[PAGE, CREATED, FILTERS], run: list_sessions },
    Route { method: "GET", path: "/v1/checkout/sessions/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/checkout/sessions/{id}", accepts: &[&["metadata.*"]], run: update },
    Route { method: "GET", path: "/v1/checkout/sessions/{id}/line_items", accepts: &[&["limit"]], run: line_items },
    Route { method: "POST", path: "/v1/checkout/sessions/{id}/expire", accepts: &[], run: expire },
    Route { method: "GET", path: "/v1/payment_pages/{id}", accepts: &[], run: retrieve },
    Route {
        method: "POST",
        path: "/v1/payment_pages/{id}/confirm",
        accepts: &[&["expected_amount", "payment_method"]],
        run: confirm,
    },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let mode = params.one_of("mode", &["payment", "subscription", "setup"])?.unwrap_or("payment");
    if params.str("ui_mode").is_none_or(|mode| matches!(mode, "hosted" | "hosted_page")) {
        params.required("success_url")?;
    }
    if let Some(customer) = params.str("customer") {
        call.world.referenced(Kind::Customer, customer, "customer")?;
    }
    refuse_mixed(params, mode)?;
    let lines = lines(call.world, params, mode)?;
    let session = session_object(call.world, params, mode, lines)?;
    let id = text(&session, "id").to_owned();
    call.world.insert(Kind::CheckoutSession, session);
    Ok(call.world.presented(Kind::CheckoutSession, &id))
}

fn refuse_mixed(params: &Params, mode: &str) -> Result<(), Refusal> {
    if params.has("subscription_data") && mode != "subscription" {
        return Err(Refusal::not_allowed("You can not pass `subscription_data` in `payment` mode."));
    }
    if params.has("payment_intent_data") && mode != "payment" {
        return Err(Refusal::not_allowed(format!("You can not pass `payment_intent_data` in `{mode}` mode.")));
    }
    if params.has("customer") && params.has("customer_email") {
        return Err(Refusal::not_allowed("You may only specify one of these parameters: customer, customer_email."));
    }
    Ok(())
}

fn lines(world: &mut World, params: &Params, mode: &str) -> Result<Vec<Value>, Refusal> {
    let given = params.children("line_items");
    if given.is_empty() && mode != "setup" {
        return Err(Refusal::missing_param("line_items"));
    }
    let lines: Vec<Value> = given.iter().map(|line| line_item(world, line)).collect::<Result<_, _>>()?;
    let recurs = lines.iter().any(|line| text(&line["price"], "type") == "recurring");
    match mode {
        "subscription" if !recurs => Err(Refusal::not_allowed(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
        )),
        "payment" if recurs => Err(Refusal::not_allowed(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.",
        )),
        _fitting => Ok(lines),
    }
}

fn line_item(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let price = match params.str("price") {
        Some(id) => id.to_owned(),
        None if params.has("price_data") => prices::make(world, &params.child("price_data"), None)?,
        None => return Err(Refusal::missing_param(params.name("price"))),
    };
    let price = world.referenced(Kind::Price, &price, &params.name("price"))?.clone();
    let is_metered = text(&price["recurring"], "usage_type") == "metered";
    let quantity = params.int("quantity")?;
    if quantity.is_none() && !is_metered {
        return Err(Refusal::missing_param(params.name("quantity")));
    }
    let total = amount(&price, quantity.unwrap_or(0));
    let product = world.get(Kind::Product, text(&price, "product")).map_or(Value::Null, |row| row["name"].clone());
    Ok(json!({
        "id": format!("li_1{}", world.random_text(23)),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": product,
        "price": price,
        "quantity": quantity,
    }))
}

fn session_object(world: &mut World, params: &Params, mode: &str, lines: Vec<Value>) -> Result<Value, Refusal> {
    let id = world.new_id(Kind::CheckoutSession);
    let total: i64 = lines.iter().map(|line| number(line, "amount_total")).sum();
    let is_setup = mode == "setup";
    let currency = lines.first().map_or(json!(params.str("currency")), |line| line["currency"].clone());
    let now = world.now();
    let mut session = json!({
        "id": id,
        "object": "checkout.session",
        "_line_items": lines,
        "_subscription_data": params.child("subscription_data").value(),
        "_payment_intent_data": params.child("payment_intent_data").value(),
        "adaptive_pricing": {"enabled": false},
        "allow_promotion_codes": null,
        "amount_subtotal": if is_setup { Value::Null } else { json!(total) },
        "amount_total": if is_setup { Value::Null } else { json!(total) },
        "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
        "billing_address_collection": null,
        "created": now,
        "currency": currency,
        "custom_fields": [],
        "custom_text": {"after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null},
        "customer_creation": customer_creation(params, mode),
        "discounts": [],
        "expires_at": now + DAY,
        "invoice_creation": invoice_creation(mode),
        "livemode": world.livemode,
        "managed_payments": {"enabled": false},
        "metadata": fields::new_metadata(params)?,
        "mode": mode,
        "payment_method_collection": "always",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": false},
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": params.str("ui_mode").unwrap_or("hosted_page"),
        "url": format!("{}/c/pay/{id}", world.cause.base_url),
    });
    NOTHING_YET.iter().chain(TEXTS).for_each(|name| session[*name] = Value::Null);
    fields::texts(params, &mut session, TEXTS);
    Ok(session)
}

/// What a session keeps as it was given.
const TEXTS: &[&str] = &[
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "locale",
    "return_url",
    "submit_type",
    "success_url",
];
/// What an open session has not, and one of ours mostly never gets.
const NOTHING_YET: &[&str] = &[
    "after_expiration",
    "client_secret",
    "collected_information",
    "consent",
    "consent_collection",
    "currency_conversion",
    "customer_account",
    "customer_details",
    "integration_identifier",
    "invoice",
    "origin_context",
    "payment_intent",
    "payment_link",
    "payment_method_configuration_details",
    "permissions",
    "recovered_from",
    "saved_payment_method_options",
    "setup_intent",
    "shipping_address_collection",
    "shipping_cost",
    "subscription",
    "wallet_options",
];

fn customer_creation(params: &Params, mode: &str) -> Value {
    if params.has("customer") {
        return Value::Null;
    }
    json!(params.str("customer_creation").unwrap_or(if mode == "payment" { "if_required" } else { "always" }))
}

fn invoice_creation(mode: &str) -> Value {
    if mode != "payment" {
        return Value::Null;
    }
    json!({
        "enabled": false,
        "invoice_data": {
            "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": null,
            "metadata": {}, "rendering_options": null,
        },
    })
}

fn list_sessions(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let email = params.child("customer_details").str("email").map(str::to_owned);
    call.world.page(Kind::CheckoutSession, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        let has_email = email.as_deref().is_none_or(|email| text(&row["customer_details"], "email") == email);
        is("customer") && is("payment_intent") && is("status") && is("subscription") && has_email
    })
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::CheckoutSession, call.id())?;
    Ok(call.world.present(row))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut session = call.world.at_url(Kind::CheckoutSession, &id)?.clone();
    fields::metadata(call.params, &mut session)?;
    call.world.set(Kind::CheckoutSession, &id, session);
    Ok(call.world.presented(Kind::CheckoutSession, &id))
}

fn line_items(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::CheckoutSession, call.id())?;
    let mut lines = row["_line_items"].as_array().cloned().unwrap_or_default();
    let (limit, count) = (list::limit(call.params)?, lines.len());
    lines.truncate(limit);
    Ok(list::list(lines, count > limit, &format!("/v1/checkout/sessions/{}/line_items", call.id())))
}

fn expire(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    if text(call.world.at_url(Kind::CheckoutSession, &id)?, "status") != "open" {
        let message = "Only Checkout Sessions with a status in [\"open\"] can be expired.";
        return Err(Refusal::not_allowed(message));
    }
    call.world.set(Kind::CheckoutSession, &id, json!({"status": "expired", "url": null}));
    call.world.emit("checkout.session.expired", Kind::CheckoutSession, &id);
    Ok(call.world.presented(Kind::CheckoutSession, &id))
}

/// What the hosted page sends when somebody pays.
fn confirm(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let method = call.params.required("payment_method")?.to_owned();
    refuse_other_amount(call.world.at_url(Kind::CheckoutSession, &id)?, call.params)?;
    let details =
        call.world.get(Kind::PaymentMethod, &method).map_or(Value::Null, |row| row["billing_details"].clone());
    let payer = Payer { method, email: details["email"].clone(), name: details["name"].clone() };
    complete(call.world, &id, payer)?;
    Ok(call.world.presented(Kind::CheckoutSession, &id))
}

/// The page pays what it showed.
fn refuse_other_amount(session: &Value, params: &Params) -> Result<(), Refusal> {
    match params.int("expected_amount")? {
        Some(expected) if expected != number(session, "amount_total") => {
            Err(Refusal::invalid("expected_amount", "The amount of this Checkout Session has changed."))
        }
        Some(_) | None => Ok(()),
    }
}
