//! Invoices and their payments (<https://docs.stripe.com/api/invoices>).

use serde_json::{Value, json};

use super::{Call, Route, fields};
use crate::error::{Answer, Refusal};
use crate::world::billing::NewInvoice;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::payment::Payment;
use crate::world::subscribing::pending_line;
use crate::world::{World, cards, text};

const AT_CREATION: &[&str] = &[
    // Drafts are finalized by request only: `true` is refused.
    "auto_advance",
    "currency",
    "customer",
    "description",
    "metadata.*",
    "pending_invoice_items_behavior",
    "subscription",
];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/invoices", accepts: &[AT_CREATION], run: create },
    Route {
        method: "GET",
        path: "/v1/invoices",
        accepts: &[PAGE, CREATED, &["collection_method", "customer", "status", "subscription"]],
        run: list,
    },
    Route { method: "GET", path: "/v1/invoices/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/invoices/{id}", accepts: &[&["description", "metadata.*"]], run: update },
    Route { method: "POST", path: "/v1/invoices/{id}/finalize", accepts: &[], run: finalize },
    Route { method: "POST", path: "/v1/invoices/{id}/pay", accepts: &[&["payment_method"]], run: pay },
    Route { method: "POST", path: "/v1/invoices/{id}/void", accepts: &[], run: void },
    Route {
        method: "GET",
        path: "/v1/invoice_payments",
        accepts: &[PAGE, &["invoice", "payment.payment_intent", "payment.type", "status"]],
        run: list_payments,
    },
    Route { method: "GET", path: "/v1/invoice_payments/{id}", accepts: &[], run: retrieve_payment },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let customer = params.required("customer")?;
    call.world.referenced(Kind::Customer, customer, "customer")?;
    params.one_of("auto_advance", &["false"])?;
    let includes = params.one_of("pending_invoice_items_behavior", &["exclude", "include"])? != Some("exclude");
    let waiting = if includes { call.world.waiting_items(customer, params.str("subscription")) } else { Vec::new() };
    let currency = waiting.first().map_or("usd", |item| text(item, "currency")).to_owned();
    let now = call.world.now();
    let id = call.world.new_invoice(NewInvoice {
        customer,
        subscription: params.str("subscription"),
        reason: "manual",
        currency: params.str("currency").unwrap_or(&currency),
        lines: waiting.iter().map(pending_line).collect(),
        period: (now, now),
        description: json!(params.str("description")),
        metadata: fields::new_metadata(params)?,
        auto_advance: false,
    });
    call.world.take_up(&waiting, &id);
    Ok(call.world.presented(Kind::Invoice, &id))
}

fn list(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let subscription = params.str("subscription");
    call.world.page(Kind::Invoice, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        let belongs = |id| text(&row["parent"]["subscription_details"], "subscription") == id;
        is("customer") && is("status") && is("collection_method") && subscription.is_none_or(belongs)
    })
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::Invoice, call.id())?;
    Ok(call.world.present(row))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut invoice = call.world.at_url(Kind::Invoice, &id)?.clone();
    let before = call.world.present(&invoice);
    fields::texts(call.params, &mut invoice, &["description"]);
    fields::metadata(call.params, &mut invoice)?;
    call.world.set(Kind::Invoice, &id, invoice);
    call.world.emit_change("invoice.updated", Kind::Invoice, &id, &before);
    Ok(call.world.presented(Kind::Invoice, &id))
}

fn finalize(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    if text(call.world.at_url(Kind::Invoice, &id)?, "status") != "draft" {
        let message = "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(Refusal::not_allowed(message).coded("invoice_not_editable"));
    }
    call.world.finalize(&id);
    Ok(call.world.presented(Kind::Invoice, &id))
}

/// A draft is finalized on the way (<https://docs.stripe.com/api/invoices/pay>).
fn pay(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let row = call.world.at_url(Kind::Invoice, &id)?.clone();
    refuse_settled(&row)?;
    let method = method_for(call.world, call.params.str("payment_method"), &row)?;
    call.world.finalize(&id);
    if text(&call.world.presented(Kind::Invoice, &id), "status") == "open" {
        match call.world.pay(&id, &method) {
            Payment::Succeeded => call.world.revive(&id),
            Payment::RequiresAction => {
                let refusal = Refusal::authentication_required().coded("invoice_payment_intent_requires_action");
                return Err(refusal.of_a_payment());
            }
            Payment::Declined(refusal) => return Err(refusal),
        }
    }
    Ok(call.world.presented(Kind::Invoice, &id))
}

fn refuse_settled(invoice: &Value) -> Result<(), Refusal> {
    match text(invoice, "status") {
        "paid" => Err(Refusal::not_allowed("Invoice is already paid")),
        "void" => Err(Refusal::not_allowed("Invoice is void and cannot be paid.")),
        _payable => Ok(()),
    }
}

fn method_for(world: &mut World, given: Option<&str>, invoice: &Value) -> Result<String, Refusal> {
    let customer = text(invoice, "customer");
    if let Some(method) = given {
        if cards::of_token(method).is_some() {
            return world.attach(method, customer, "payment_method");
        }
        let row = world.referenced(Kind::PaymentMethod, method, "payment_method")?;
        return Ok(text(row, "id").to_owned());
    }
    let subscription = text(&invoice["parent"]["subscription_details"], "subscription");
    let row = world.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
    let missing = || {
        let message = "There is no `default_payment_method` set on this Customer or Invoice. Please add one, or pass a `payment_method`.";
        Refusal::not_allowed(message).coded("resource_missing")
    };
    world.paying_method(&row, customer).ok_or_else(missing)
}

fn void(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    if text(call.world.at_url(Kind::Invoice, &id)?, "status") != "open" {
        return Err(Refusal::not_allowed("You can only pass in open invoices. This invoice isn't open."));
    }
    call.world.void(&id);
    Ok(call.world.presented(Kind::Invoice, &id))
}

fn list_payments(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    call.world.page(Kind::InvoicePayment, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        let payment = params.child("payment");
        let pays = |field: &str| payment.str(field).is_none_or(|wanted| text(&row["payment"], field) == wanted);
        is("invoice") && is("status") && pays("payment_intent") && pays("type")
    })
}

fn retrieve_payment(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::InvoicePayment, call.id())?;
    Ok(call.world.present(row))
}
