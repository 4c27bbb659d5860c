//! Payment methods (<https://docs.stripe.com/api/payment_methods>), made from test cards only.

use serde_json::{Value, json};

use super::{Call, Route, fields};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::cards::{self, TestCard};
use crate::world::kind::Kind;
use crate::world::list::PAGE;
use crate::world::text;

const WRITABLE: &[&str] = &[
    "allow_redisplay",
    "billing_details.address.*",
    "billing_details.email",
    "billing_details.name",
    "billing_details.phone",
    "billing_details.tax_id",
    "card.exp_month",
    "card.exp_year",
    "metadata.*",
];
const AT_CREATION: &[&str] = &[
    // Every test card passes its check.
    "card.cvc",
    "card.number",
    "card.token",
    "type",
];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/payment_methods", accepts: &[WRITABLE, AT_CREATION], run: create },
    Route {
        method: "GET",
        path: "/v1/payment_methods",
        accepts: &[PAGE, &["allow_redisplay", "customer", "type"]],
        run: list,
    },
    Route { method: "GET", path: "/v1/payment_methods/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/payment_methods/{id}", accepts: &[WRITABLE], run: update },
    Route { method: "POST", path: "/v1/payment_methods/{id}/attach", accepts: &[&["customer"]], run: attach },
    Route { method: "POST", path: "/v1/payment_methods/{id}/detach", accepts: &[], run: detach },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    params.required("type")?;
    params.one_of("type", &["card"])?;
    let card = card(params)?;
    let id = call.world.new_payment_method(card, billing_details(params));
    let mut method = call.world.presented(Kind::PaymentMethod, &id);
    write(params, &mut method)?;
    call.world.set(Kind::PaymentMethod, &id, method);
    Ok(call.world.presented(Kind::PaymentMethod, &id))
}

fn card(params: &Params) -> Result<&'static TestCard, Refusal> {
    let given = params.child("card");
    if let Some(token) = given.str("token") {
        return cards::of_token(token).ok_or_else(|| Refusal::no_such_reference("token", token, "card[token]"));
    }
    let number = given.required("number")?;
    let unknown = || Refusal::invalid("card[number]", "Your card number is incorrect.").coded("incorrect_number");
    cards::of_number(number).ok_or_else(unknown)
}

fn billing_details(params: &Params) -> Value {
    let given = params.child("billing_details");
    json!({
        "address": fields::address(&given.child("address")),
        "email": given.str("email"),
        "name": given.str("name"),
        "phone": given.str("phone"),
        "tax_id": given.str("tax_id"),
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    call.world.page(Kind::PaymentMethod, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        is("customer") && is("type") && is("allow_redisplay")
    })
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::PaymentMethod, call.id())?;
    Ok(call.world.present(row))
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let mut method = call.world.at_url(Kind::PaymentMethod, &id)?.clone();
    write(call.params, &mut method)?;
    if call.params.has("billing_details") {
        method["billing_details"] = billing_details(call.params);
    }
    call.world.set(Kind::PaymentMethod, &id, method);
    Ok(call.world.presented(Kind::PaymentMethod, &id))
}

fn write(params: &Params, method: &mut Value) -> Result<(), Refusal> {
    fields::metadata(params, method)?;
    fields::texts(params, method, &["allow_redisplay"]);
    fields::integers(&params.child("card"), &mut method["card"], &["exp_month", "exp_year"])
}

fn attach(call: &mut Call<'_>) -> Answer {
    let method = call.id().to_owned();
    let customer = call.params.required("customer")?.to_owned();
    call.world.referenced(Kind::Customer, &customer, "customer")?;
    if cards::of_token(&method).is_none() {
        call.world.at_url(Kind::PaymentMethod, &method)?;
    }
    let id = call.world.attach(&method, &customer, "payment_method")?;
    Ok(call.world.presented(Kind::PaymentMethod, &id))
}

fn detach(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let customer = text(call.world.at_url(Kind::PaymentMethod, &id)?, "customer").to_owned();
    if customer.is_empty() {
        let message = "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(Refusal::not_allowed(message));
    }
    call.world.set(Kind::PaymentMethod, &id, json!({"customer": null}));
    if let Some(row) = call.world.get_mut(Kind::Customer, &customer)
        && row["invoice_settings"]["default_payment_method"] == id
    {
        row["invoice_settings"]["default_payment_method"] = Value::Null;
    }
    call.world.emit("payment_method.detached", Kind::PaymentMethod, &id);
    Ok(call.world.presented(Kind::PaymentMethod, &id))
}
