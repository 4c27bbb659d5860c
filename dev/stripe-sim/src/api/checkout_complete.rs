//! Paying a checkout session: what happens between the button and the redirect.

use serde_json::{Value, json};

use super::{customers, fields};
use crate::error::Refusal;
use crate::params::Params;
use crate::world::cards::{self, Behaviour, no_address};
use crate::world::kind::Kind;
use crate::world::payment::{NewIntent, Payment};
use crate::world::subscribing::{NewItem, NewSubscription};
use crate::world::time::DAY;
use crate::world::{World, number, text};

/// Who pays, and with what.
pub(crate) struct Payer {
    /// A payment method or a token.
    pub(crate) method: String,
    pub(crate) email: Value,
    pub(crate) name: Value,
}

/// Pays the session. A declined card leaves it open; 3-D Secure counts as passed, since the page
/// is where people go through it.
pub(crate) fn complete(world: &mut World, id: &str, payer: Payer) -> Result<(), Refusal> {
    world.attempt(|world| pay(world, id, payer))
}

fn pay(world: &mut World, id: &str, payer: Payer) -> Result<(), Refusal> {
    let session = world.at_url(Kind::CheckoutSession, id)?.clone();
    if text(&session, "status") != "open" {
        return Err(Refusal::not_allowed("This Checkout Session has already been completed or has expired."));
    }
    refuse_declined(world, &payer.method)?;
    let details = details(world, &session, &payer);
    let customer = customer(world, &session, &details);
    let paid = match text(&session, "mode") {
        "subscription" => subscribe(world, &session, &customer, &payer.method)?,
        "setup" => json!({"customer": customer, "payment_status": "no_payment_required"}),
        _payment => pay_once(world, &session, &customer, &payer.method)?,
    };
    world.set(Kind::CheckoutSession, id, paid);
    world.set(Kind::CheckoutSession, id, json!({"status": "complete", "customer_details": details, "url": null}));
    world.emit("checkout.session.completed", Kind::CheckoutSession, id);
    Ok(())
}

fn refuse_declined(world: &World, method: &str) -> Result<(), Refusal> {
    let behaviour = match cards::of_token(method) {
        Some(card) => card.behaviour(),
        None => {
            world.referenced(Kind::PaymentMethod, method, "payment_method")?;
            world.behaviour_of(method)
        }
    };
    match behaviour {
        Behaviour::Pays | Behaviour::WantsAuthentication => Ok(()),
        Behaviour::DeclinesCharge(code) | Behaviour::DeclinesAttach(code) => Err(cards::decline(code)),
    }
}

/// What the page collected, or knew from the customer.
fn details(world: &World, session: &Value, payer: &Payer) -> Value {
    let customer = world.presented(Kind::Customer, text(session, "customer"));
    let first = |candidates: [&Value; 3]| candidates.into_iter().find(|value| !value.is_null()).cloned();
    json!({
        "address": no_address(),
        "business_name": null,
        "email": first([&customer["email"], &session["customer_email"], &payer.email]),
        "individual_name": null,
        "name": first([&payer.name, &customer["name"], &Value::Null]),
        "phone": null,
        "tax_exempt": "none",
        "tax_ids": [],
    })
}

/// The session's customer; a new one if it has none and its mode needs one.
fn customer(world: &mut World, session: &Value, details: &Value) -> Value {
    let needs_none = text(session, "mode") == "payment" && text(session, "customer_creation") != "always";
    if !session["customer"].is_null() || needs_none {
        return session["customer"].clone();
    }
    json!(customers::new_customer(world, details["email"].clone(), details["name"].clone()))
}

fn subscribe(world: &mut World, session: &Value, customer: &Value, method: &str) -> Result<Value, Refusal> {
    let customer = customer.as_str().unwrap_or_default();
    let method = world.attach(method, customer, "payment_method")?;
    let data = Params::of(&session["_subscription_data"], "subscription_data");
    let id = open(world, session, customer, &method, &data)?;
    let invoice = world.bill_period(&id, "subscription_create");
    collect(world, &id, &invoice);
    let is_trial = text(&world.presented(Kind::Subscription, &id), "status") == "trialing";
    let paid = if is_trial { "no_payment_required" } else { "paid" };
    Ok(json!({"customer": customer, "subscription": id, "invoice": invoice, "payment_status": paid}))
}

fn open(world: &mut World, session: &Value, customer: &str, method: &str, data: &Params) -> Result<String, Refusal> {
    let lines = session["_line_items"].as_array().cloned().unwrap_or_default();
    let recurs = |line: &&Value| text(&line["price"], "type") == "recurring";
    let item = |line: &Value| NewItem {
        price: text(&line["price"], "id").to_owned(),
        quantity: line["quantity"].as_i64(),
        metadata: json!({}),
    };
    let trial_days = data.int("trial_period_days")?;
    let trial_end = trial_days.filter(|days| *days > 0).map(|days| world.now() + days * DAY);
    let metadata = fields::new_metadata(data)?;
    let id = world.open_subscription(NewSubscription {
        customer: customer.to_owned(),
        start: world.now(),
        items: lines.iter().filter(recurs).map(item).collect(),
        trial_end: trial_end.or(data.int("trial_end")?),
        default_payment_method: Some(method.to_owned()),
        collection_method: "charge_automatically".to_owned(),
        metadata,
    });
    world.set(Kind::Subscription, &id, json!({"description": data.str("description")}));
    // Unpaid as yet: the update to `active` is an event of its own, and may overtake this one.
    world.emit("customer.subscription.created", Kind::Subscription, &id);
    world.warn_of_trial_end(&id, world.now());
    Ok(id)
}

fn collect(world: &mut World, subscription: &str, invoice: &str) {
    if matches!(world.collect(subscription, invoice), Some(Payment::RequiresAction))
        && let Some(intent) = world.intent_of(invoice)
    {
        let payment = world.authenticate_intent(&intent, true);
        world.note_payment(invoice, &payment);
    }
    world.revive(invoice);
}

fn pay_once(world: &mut World, session: &Value, customer: &Value, method: &str) -> Result<Value, Refusal> {
    let method = match customer.as_str() {
        Some(customer) => world.attach(method, customer, "payment_method")?,
        None => match cards::of_token(method) {
            Some(card) => world.new_payment_method(card, cards::no_billing_details()),
            None => method.to_owned(),
        },
    };
    let data = Params::of(&session["_payment_intent_data"], "payment_intent_data");
    let intent = world.new_intent(NewIntent {
        amount: number(session, "amount_total"),
        currency: text(session, "currency"),
        customer: customer.clone(),
        description: json!(data.str("description")),
        metadata: fields::new_metadata(&data)?,
        shipping: fields::shipping(&data),
    });
    if let Payment::RequiresAction = world.confirm_intent(&intent, &method) {
        world.authenticate_intent(&intent, true);
    }
    Ok(json!({"customer": customer, "payment_intent": intent, "payment_status": "paid"}))
}
