//! Payment intents and charges (<https://docs.stripe.com/api/payment_intents>): as far as
//! subscriptions, checkouts and the CLI's triggers need them.

use serde_json::{Value, json};

use super::{Call, Route, fields};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::payment::{NewIntent, Payment};
use crate::world::{World, cards, text};

const WRITABLE: &[&str] = &["amount", "customer", "description", "metadata.*", "payment_method"];
const AT_CREATION: &[&str] = &["confirm", "currency", "payment_method_types[]", "shipping.*"];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/payment_intents", accepts: &[WRITABLE, AT_CREATION], run: create },
    Route { method: "GET", path: "/v1/payment_intents", accepts: &[PAGE, CREATED, &["customer"]], run: list },
    Route { method: "GET", path: "/v1/payment_intents/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/payment_intents/{id}", accepts: &[WRITABLE, &["receipt_email"]], run: update },
    Route { method: "POST", path: "/v1/payment_intents/{id}/confirm", accepts: &[&["payment_method"]], run: confirm },
    Route {
        method: "POST",
        path: "/v1/payment_intents/{id}/cancel",
        accepts: &[&["cancellation_reason"]],
        run: cancel,
    },
    Route {
        method: "GET",
        path: "/v1/charges",
        accepts: &[PAGE, CREATED, &["customer", "payment_intent"]],
        run: list_charges,
    },
    Route { method: "GET", path: "/v1/charges/{id}", accepts: &[], run: retrieve_charge },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    params.required("amount")?;
    let amount = params.int("amount")?.unwrap_or_default();
    let currency = fields::currency(params)?;
    refuse_other_types(params)?;
    if let Some(customer) = params.str("customer") {
        call.world.referenced(Kind::Customer, customer, "customer")?;
    }
    let id = call.world.new_intent(NewIntent {
        amount,
        currency: &currency,
        customer: json!(params.str("customer")),
        description: json!(params.str("description")),
        metadata: fields::new_metadata(params)?,
        shipping: fields::shipping(params),
    });
    let method = params.str("payment_method").map(|token| usable(call.world, token)).transpose()?;
    match (method, params.bool("confirm")? == Some(true)) {
        (Some(method), true) => pay(call.world, &id, &method)?,
        (Some(method), false) => {
            call.world.set(
                Kind::PaymentIntent,
                &id,
                json!({"payment_method": method, "status": "requires_confirmation"}),
            );
        }
        (None, _) => {}
    }
    Ok(call.world.presented(Kind::PaymentIntent, &id))
}

/// Cards are all that the double pays with.
fn refuse_other_types(params: &Params) -> Result<(), Refusal> {
    let types = params.strings("payment_method_types");
    let Some(other) = types.iter().find(|kind| *kind != "card") else { return Ok(()) };
    let message = format!("The payment method type provided: {other} is invalid. This account accepts cards only.");
    Err(Refusal::invalid("payment_method_types", message))
}

/// The payment method itself, made if a token names it.
fn usable(world: &mut World, method: &str) -> Result<String, Refusal> {
    if let Some(card) = cards::of_token(method) {
        return Ok(world.new_payment_method(card, cards::no_billing_details()));
    }
    let row = world.referenced(Kind::PaymentMethod, method, "payment_method")?;
    Ok(text(row, "id").to_owned())
}

fn pay(world: &mut World, intent: &str, method: &str) -> Result<(), Refusal> {
    let payment = world.confirm_intent(intent, method);
    follow(world, intent, &payment);
    match payment {
        Payment::Succeeded | Payment::RequiresAction => Ok(()),
        Payment::Declined(refusal) => Err(refusal.with("payment_intent", world.presented(Kind::PaymentIntent, intent))),
    }
}

/// The invoice that waits for the intent, and its subscription, learn how it went.
pub(crate) fn follow(world: &mut World, intent: &str, payment: &Payment) {
    let waits = |row: &&Value| text(&row["payment"], "payment_intent") == intent;
    let Some(invoice) = world.rows(Kind::InvoicePayment).find(waits).map(|row| text(row, "invoice").to_owned()) else {
        return;
    };
    world.note_payment(&invoice, payment);
    if matches!(payment, Payment::Succeeded) {
        world.revive(&invoice);
    }
}

fn confirm(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let row = call.world.at_url(Kind::PaymentIntent, &id)?.clone();
    if matches!(text(&row, "status"), "succeeded" | "canceled") {
        let message =
            format!("You cannot confirm this PaymentIntent because it has a status of {}.", text(&row, "status"));
        return Err(Refusal::not_allowed(message).coded("payment_intent_unexpected_state"));
    }
    let method = match call.params.str("payment_method") {
        Some(given) => usable(call.world, given)?,
        None => text(&row, "payment_method").to_owned(),
    };
    if method.is_empty() {
        return Err(Refusal::missing_param("payment_method"));
    }
    pay(call.world, &id, &method)?;
    Ok(call.world.presented(Kind::PaymentIntent, &id))
}

fn cancel(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let row = call.world.at_url(Kind::PaymentIntent, &id)?;
    if matches!(text(row, "status"), "succeeded" | "canceled") {
        let message =
            format!("You cannot cancel this PaymentIntent because it has a status of {}.", text(row, "status"));
        return Err(Refusal::not_allowed(message).coded("payment_intent_unexpected_state"));
    }
    let now = call.world.now();
    let reason = json!(call.params.str("cancellation_reason"));
    call.world.set(
        Kind::PaymentIntent,
        &id,
        json!({"status": "canceled", "canceled_at": now, "cancellation_reason": reason}),
    );
    call.world.emit("payment_intent.canceled", Kind::PaymentIntent, &id);
    Ok(call.world.presented(Kind::PaymentIntent, &id))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut intent = call.world.at_url(Kind::PaymentIntent, &id)?.clone();
    write(call.params, &mut intent)?;
    if let Some(method) = call.params.str("payment_method") {
        intent["payment_method"] = json!(usable(call.world, method)?);
        intent["status"] = json!("requires_confirmation");
    }
    call.world.set(Kind::PaymentIntent, &id, intent);
    Ok(call.world.presented(Kind::PaymentIntent, &id))
}

fn write(params: &Params, intent: &mut Value) -> Result<(), Refusal> {
    fields::texts(params, intent, &["customer", "description", "receipt_email"]);
    fields::integers(params, intent, &["amount"])?;
    fields::metadata(params, intent)
}

fn list(call: &mut Call<'_>) -> Answer {
    let customer = call.params.str("customer");
    call.world.page(Kind::PaymentIntent, call.params, |row| customer.is_none_or(|one| text(row, "customer") == one))
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::PaymentIntent, call.id())?;
    Ok(call.world.present(row))
}

fn list_charges(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let is = |row: &Value, field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
    call.world.page(Kind::Charge, params, |row| is(row, "customer") && is(row, "payment_intent"))
}

fn retrieve_charge(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::Charge, call.id())?;
    Ok(call.world.present(row))
}
