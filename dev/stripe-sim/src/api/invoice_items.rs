//! Invoice items: what waits for a customer's next invoice (<https://docs.stripe.com/api/invoiceitems>).

use serde_json::json;

use super::{Call, Route, deleted, fields};
use crate::error::{Answer, Refusal};
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::text;

const AT_CREATION: &[&str] = &["amount", "currency", "customer", "description", "metadata.*", "quantity"];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/invoiceitems", accepts: &[AT_CREATION], run: create },
    Route {
        method: "GET",
        path: "/v1/invoiceitems",
        accepts: &[PAGE, CREATED, &["customer", "invoice", "pending"]],
        run: list,
    },
    Route { method: "GET", path: "/v1/invoiceitems/{id}", accepts: &[], run: retrieve },
    Route { method: "DELETE", path: "/v1/invoiceitems/{id}", accepts: &[], run: delete },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let customer = params.required("customer")?.to_owned();
    call.world.referenced(Kind::Customer, &customer, "customer")?;
    let amount = params.int("amount")?.unwrap_or_default();
    let now = call.world.now();
    let id = call.world.new_id(Kind::InvoiceItem);
    let item = json!({
        "id": id,
        "object": "invoiceitem",
        "amount": amount,
        "currency": params.str("currency").unwrap_or("usd"),
        "customer": customer,
        "customer_account": null,
        "date": now,
        "description": params.str("description"),
        "discountable": true,
        "discounts": [],
        "invoice": null,
        "livemode": call.world.livemode,
        "metadata": fields::new_metadata(params)?,
        "net_amount": amount,
        "parent": null,
        "period": {"start": now, "end": now},
        "pricing": null,
        "proration": false,
        "quantity": params.int("quantity")?.unwrap_or(1),
        "quantity_decimal": params.int("quantity")?.unwrap_or(1).to_string(),
        "tax_rates": [],
        "test_clock": null,
    });
    call.world.insert(Kind::InvoiceItem, item);
    call.world.emit("invoiceitem.created", Kind::InvoiceItem, &id);
    Ok(call.world.presented(Kind::InvoiceItem, &id))
}

fn list(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let pending = params.bool("pending")?;
    call.world.page(Kind::InvoiceItem, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        is("customer") && is("invoice") && pending.is_none_or(|pending| row["invoice"].is_null() == pending)
    })
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::InvoiceItem, call.id())?;
    Ok(call.world.present(row))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    if !call.world.at_url(Kind::InvoiceItem, &id)?["invoice"].is_null() {
        return Err(Refusal::not_allowed("The invoice item is attached to an invoice and cannot be deleted."));
    }
    call.world.emit("invoiceitem.deleted", Kind::InvoiceItem, &id);
    call.world.remove(Kind::InvoiceItem, &id);
    Ok(deleted(&id, "invoiceitem"))
}
