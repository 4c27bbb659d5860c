//! Customers (<https://docs.stripe.com/api/customers>), with the card sources they may still have.

use serde_json::{Value, json};

use super::{Call, Route, deleted, fields, subscriptions};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::{World, cards, text};

const WRITABLE: &[&str] = &[
    "address.*",
    "business_name",
    "default_source",
    "description",
    "email",
    "individual_name",
    "invoice_settings.default_payment_method",
    "metadata.*",
    "name",
    "phone",
    "preferred_locales[]",
    "shipping.*",
    "source",
    "tax_exempt",
];
const AT_CREATION: &[&str] = &["payment_method"];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/customers", accepts: &[WRITABLE, AT_CREATION], run: create },
    Route { method: "GET", path: "/v1/customers", accepts: &[PAGE, CREATED, &["email"]], run: list },
    Route { method: "GET", path: "/v1/customers/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/customers/{id}", accepts: &[WRITABLE], run: update },
    Route { method: "DELETE", path: "/v1/customers/{id}", accepts: &[], run: delete },
    Route {
        method: "GET",
        path: "/v1/customers/{id}/payment_methods",
        accepts: &[PAGE, &["type", "allow_redisplay"]],
        run: payment_methods,
    },
    Route { method: "GET", path: "/v1/customers/{id}/sources", accepts: &[PAGE, &["object"]], run: sources },
    Route { method: "POST", path: "/v1/customers/{id}/sources", accepts: &[&["source"]], run: add_source },
];

fn create(call: &mut Call<'_>) -> Answer {
    let mut customer = blank(call.world);
    write(call.params, &mut customer)?;
    let id = text(&customer, "id").to_owned();
    if let Some(method) = call.params.str("payment_method") {
        call.world.check_attachable(method, &id, "payment_method")?;
    }
    call.world.insert(Kind::Customer, customer);
    attach_all(call.world, call.params, &id)?;
    call.world.index_later(&id, &Value::Null);
    call.world.emit("customer.created", Kind::Customer, &id);
    Ok(call.world.presented(Kind::Customer, &id))
}

/// A customer with nothing but an id, for a checkout that has none.
pub(super) fn new_customer(world: &mut World, email: Value, name: Value) -> String {
    let mut customer = blank(world);
    customer["email"] = email;
    customer["name"] = name;
    let id = text(&customer, "id").to_owned();
    world.insert(Kind::Customer, customer);
    world.index_later(&id, &Value::Null);
    world.emit("customer.created", Kind::Customer, &id);
    id
}

fn blank(world: &mut World) -> Value {
    json!({
        "id": world.new_id(Kind::Customer),
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": world.now(),
        "currency": null,
        "customer_account": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": null,
        "invoice_prefix": world.random_text(8).to_uppercase(),
        "invoice_settings": {
            "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null,
        },
        "livemode": world.livemode,
        "metadata": {},
        "name": null,
        "next_invoice_sequence": 1,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}

fn write(params: &Params, customer: &mut Value) -> Result<(), Refusal> {
    check_email(params)?;
    fields::texts(params, customer, &["business_name", "description", "email", "individual_name", "name", "phone"]);
    fields::metadata(params, customer)?;
    if params.has("address") {
        let is_emptied = params.is_emptied("address");
        customer["address"] = if is_emptied { Value::Null } else { fields::address(&params.child("address")) };
    }
    if params.has("shipping") {
        customer["shipping"] = fields::shipping(params);
    }
    if params.has("preferred_locales") {
        customer["preferred_locales"] = json!(params.strings("preferred_locales"));
    }
    if let Some(exempt) = params.one_of("tax_exempt", &["none", "exempt", "reverse"])? {
        customer["tax_exempt"] = json!(exempt);
    }
    Ok(())
}

fn check_email(params: &Params) -> Result<(), Refusal> {
    let Some(email) = params.str("email") else { return Ok(()) };
    if email.chars().count() > 512 {
        return Err(Refusal::invalid("email", "Invalid string: must be at most 512 characters"));
    }
    if email.contains('@') && !email.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(Refusal::invalid("email", format!("Invalid email address: {email}")).coded("email_invalid"))
}

/// Attaches what the parameters name and makes it the default where they say so.
fn attach_all(world: &mut World, params: &Params, customer: &str) -> Result<(), Refusal> {
    let given = params.str("payment_method");
    let attached = given.map(|method| world.attach(method, customer, "payment_method")).transpose()?;
    let settings = params.child("invoice_settings");
    if settings.is_emptied("default_payment_method") {
        set_default(world, customer, &Value::Null);
    }
    if let Some(method) = settings.str("default_payment_method") {
        let default = default_method(world, customer, method, given.zip(attached))?;
        set_default(world, customer, &json!(default));
    }
    if let Some(token) = params.str("source") {
        let card = source(world, customer, token, "source")?;
        world.set(Kind::Customer, customer, json!({"default_source": card}));
    }
    if let Some(card) = params.str("default_source") {
        world.referenced(Kind::Card, card, "default_source")?;
        world.set(Kind::Customer, customer, json!({"default_source": card}));
    }
    Ok(())
}

fn set_default(world: &mut World, customer: &str, method: &Value) {
    if let Some(row) = world.get_mut(Kind::Customer, customer) {
        row["invoice_settings"]["default_payment_method"] = method.clone();
    }
}

/// The default must be attached. A token names the method that this request attached for it.
fn default_method(
    world: &mut World,
    customer: &str,
    method: &str,
    attached: Option<(&str, String)>,
) -> Result<String, Refusal> {
    match attached {
        Some((token, id)) if token == method => return Ok(id),
        Some(_) | None => {}
    }
    if cards::of_token(method).is_some() {
        return world.attach(method, customer, "invoice_settings[default_payment_method]");
    }
    owned_method(world, customer, method, "invoice_settings[default_payment_method]")
}

/// The payment method, if it is the customer's.
pub(super) fn owned_method(world: &World, customer: &str, method: &str, param: &str) -> Result<String, Refusal> {
    let row = world.get(Kind::PaymentMethod, method).or_else(|| world.get(Kind::Card, method));
    if row.is_some_and(|row| text(row, "customer") == customer) {
        return Ok(method.to_owned());
    }
    let message = format!(
        "The customer does not have a payment method with the ID {method}. The payment method must be attached to the customer."
    );
    Err(Refusal::invalid(param, message).coded("resource_missing"))
}

fn source(world: &mut World, customer: &str, token: &str, param: &str) -> Result<String, Refusal> {
    let card = cards::of_token(token).ok_or_else(|| Refusal::no_such_reference("token", token, param))?;
    Ok(world.new_card(card, customer))
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.get_even_deleted(Kind::Customer, call.id());
    let row = row.ok_or_else(|| Refusal::no_such("customer", call.id(), "id"))?;
    Ok(call.world.present(row))
}

/// The filter compares e-mails as they are stored, letter case included
/// (<https://docs.stripe.com/api/customers/list>).
fn list(call: &mut Call<'_>) -> Answer {
    let email = call.params.str("email");
    call.world.page(Kind::Customer, call.params, |row| email.is_none_or(|email| text(row, "email") == email))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut customer = call.world.at_url(Kind::Customer, &id)?.clone();
    let before = call.world.present(&customer);
    write(call.params, &mut customer)?;
    attach_all(call.world, call.params, &id)?;
    keep_payment_fields(call.world, &id, &mut customer);
    call.world.set(Kind::Customer, &id, customer);
    call.world.index_later(&id, &before);
    call.world.emit_change("customer.updated", Kind::Customer, &id, &before);
    Ok(call.world.presented(Kind::Customer, &id))
}

/// `attach_all` wrote these to the row; the copy must not undo it.
fn keep_payment_fields(world: &World, id: &str, customer: &mut Value) {
    let Some(row) = world.get(Kind::Customer, id) else { return };
    customer["default_source"] = row["default_source"].clone();
    customer["invoice_settings"]["default_payment_method"] = row["invoice_settings"]["default_payment_method"].clone();
}

/// Deleting a customer ends its subscriptions (<https://docs.stripe.com/api/customers/delete>).
fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    call.world.at_url(Kind::Customer, &id)?;
    subscriptions::cancel_all_of(call.world, &id);
    call.world.emit("customer.deleted", Kind::Customer, &id);
    let gone = deleted(&id, "customer");
    if let Some(row) = call.world.get_mut(Kind::Customer, &id) {
        *row = gone.clone();
    }
    Ok(gone)
}

fn payment_methods(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    call.world.at_url(Kind::Customer, &id)?;
    let params = call.params;
    call.world.page(Kind::PaymentMethod, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        text(row, "customer") == id && is("type") && is("allow_redisplay")
    })
}

fn sources(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    call.world.at_url(Kind::Customer, &id)?;
    let params = call.params;
    let mut page = call.world.page(Kind::Card, params, |row| {
        let is_wanted = params.str("object").is_none_or(|wanted| text(row, "object") == wanted);
        text(row, "customer") == id && is_wanted
    })?;
    page["url"] = json!(format!("/v1/customers/{id}/sources"));
    Ok(page)
}

fn add_source(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let customer = call.world.at_url(Kind::Customer, &id)?;
    let is_first = customer["default_source"].is_null();
    let card = source(call.world, &id, call.params.required("source")?, "source")?;
    if is_first {
        call.world.set(Kind::Customer, &id, json!({"default_source": card}));
    }
    Ok(call.world.presented(Kind::Card, &card))
}
