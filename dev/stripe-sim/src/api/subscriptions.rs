//! Subscriptions (<https://docs.stripe.com/api/subscriptions>): opened, read, listed, canceled.
//! What an update may change is in `subscription_changes`.

use serde_json::{Value, json};

use super::subscription_changes::{self, BEHAVIORS};
use super::{Call, Route, customers, fields, prices};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::payment::Payment;
use crate::world::prorating::Proration;
use crate::world::subscribing::{NewItem, NewSubscription, amount};
use crate::world::time::DAY;
use crate::world::{World, text};

const WRITABLE: &[&str] = &[
    "cancel_at",
    "cancel_at_period_end",
    "days_until_due",
    "default_payment_method",
    "description",
    "items[].metadata.*",
    "items[].plan",
    "items[].price",
    "items[].price_data.currency",
    "items[].price_data.product",
    "items[].price_data.recurring.interval",
    "items[].price_data.recurring.interval_count",
    "items[].price_data.tax_behavior",
    "items[].price_data.unit_amount",
    "items[].price_data.unit_amount_decimal",
    "items[].quantity",
    "metadata.*",
    "payment_behavior",
    // At creation it is without effect: nothing is backdated or anchored elsewhere.
    "proration_behavior",
    "trial_end",
    "trial_settings.end_behavior.missing_payment_method",
];
const AT_CREATION: &[&str] = &["collection_method", "customer", "trial_period_days"];
const AT_UPDATE: &[&str] = &[
    "cancellation_details.comment",
    "cancellation_details.feedback",
    "items[].deleted",
    "items[].id",
    "pause_collection.behavior",
    "pause_collection.resumes_at",
    "proration_date",
];
const FILTERS: &[&str] = &["collection_method", "customer", "plan", "price", "status"];
const CANCELLATION: &[&str] = &["cancellation_details.comment", "cancellation_details.feedback"];
const STATUSES: &[&str] = &[
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/subscriptions", accepts: &[WRITABLE, AT_CREATION], run: create },
    Route { method: "GET", path: "/v1/subscriptions", accepts: &[PAGE, CREATED, FILTERS], run: list },
    Route { method: "GET", path: "/v1/subscriptions/{id}", accepts: &[], run: retrieve },
    Route {
        method: "POST",
        path: "/v1/subscriptions/{id}",
        accepts: &[WRITABLE, AT_UPDATE],
        run: subscription_changes::update,
    },
    Route { method: "DELETE", path: "/v1/subscriptions/{id}", accepts: &[CANCELLATION], run: cancel },
    Route { method: "POST", path: "/v1/subscriptions/{id}/cancel", accepts: &[CANCELLATION], run: cancel },
    Route {
        method: "POST",
        path: "/v1/subscriptions/{id}/resume",
        accepts: &[&["billing_cycle_anchor", "proration_behavior"]],
        run: resume,
    },
];

fn create(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let behavior = params.one_of("payment_behavior", BEHAVIORS)?.unwrap_or("allow_incomplete");
    params.one_of("proration_behavior", Proration::WORDS)?;
    let new = parse(call.world, params)?;
    let method = paying_method(call.world, &new);
    refuse_unpayable(call.world, &new, method.as_deref(), behavior)?;
    let id = call.world.open_subscription(new);
    write_settings(call.world, params, &id)?;
    first_invoice(call.world, &id, behavior);
    call.world.emit("customer.subscription.created", Kind::Subscription, &id);
    call.world.warn_of_trial_end(&id, call.world.now());
    Ok(call.world.presented(Kind::Subscription, &id))
}

fn parse(world: &mut World, params: &Params) -> Result<NewSubscription, Refusal> {
    let customer = text(world.referenced(Kind::Customer, params.required("customer")?, "customer")?, "id").to_owned();
    if !params.has("items") {
        return Err(Refusal::missing_param("items"));
    }
    let collection = params.one_of("collection_method", &["charge_automatically", "send_invoice"])?;
    let method = params.str("default_payment_method");
    let trial_end = trial_end(world, params)?;
    let metadata = fields::new_metadata(params)?;
    Ok(NewSubscription {
        default_payment_method: method
            .map(|method| customers::owned_method(world, &customer, method, "default_payment_method"))
            .transpose()?,
        items: params.children("items").iter().map(|item| new_item(world, item)).collect::<Result<_, _>>()?,
        customer,
        start: world.now(),
        trial_end,
        collection_method: collection.unwrap_or("charge_automatically").to_owned(),
        metadata,
    })
}

/// Checks an item and makes its inline price, if it has one.
pub(super) fn new_item(world: &mut World, params: &Params) -> Result<NewItem, Refusal> {
    let price = price_of(world, params)?;
    let row = world.get(Kind::Price, &price).cloned().unwrap_or_default();
    let quantity = checked_quantity(params, &row)?;
    let quantity = if is_metered(&row) { None } else { Some(quantity.unwrap_or(1)) };
    Ok(NewItem { price, quantity, metadata: fields::new_metadata(params)? })
}

/// Whether the price bills by usage.
pub(super) fn is_metered(price: &Value) -> bool {
    text(&price["recurring"], "usage_type") == "metered"
}

/// The quantity that was given, if the price can have it.
pub(super) fn checked_quantity(params: &Params, price: &Value) -> Result<Option<i64>, Refusal> {
    let quantity = params.int("quantity")?;
    if is_metered(price) && quantity.is_some() {
        let message =
            "Quantity should not be specified where usage_type is `metered`. Remove quantity from your request.";
        return Err(Refusal::invalid(params.name("quantity"), message));
    }
    if quantity.is_some_and(|quantity| quantity < 0) {
        let message = "This value must be greater than or equal to 0.";
        return Err(Refusal::invalid(params.name("quantity"), message).coded("parameter_invalid_integer"));
    }
    Ok(quantity)
}

/// The recurring, active price that an item names.
pub(super) fn price_of(world: &mut World, params: &Params) -> Result<String, Refusal> {
    let id = match params.str("price").or_else(|| params.str("plan")) {
        Some(id) => id.to_owned(),
        None if params.has("price_data") => prices::make(world, &params.child("price_data"), None)?,
        None => return Err(Refusal::missing_param(params.name("price"))),
    };
    let name = params.name("price");
    let row = world.referenced(Kind::Price, &id, &name)?;
    if row["active"] != true {
        return Err(Refusal::invalid(
            name,
            format!("The price specified is inactive. This field only accepts active prices: '{id}'."),
        ));
    }
    if text(row, "type") != "recurring" {
        let message =
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.";
        return Err(Refusal::invalid(name, message));
    }
    Ok(id)
}

fn trial_end(world: &World, params: &Params) -> Result<Option<i64>, Refusal> {
    if let Some(days) = params.int("trial_period_days")? {
        return Ok((days > 0).then(|| world.now() + days * DAY));
    }
    if params.str("trial_end") == Some("now") {
        return Ok(None);
    }
    match params.int("trial_end")? {
        Some(end) if end <= world.now() => {
            Err(Refusal::invalid("trial_end", "Invalid timestamp: must be an integer Unix timestamp in the future."))
        }
        other => Ok(other),
    }
}

fn paying_method(world: &World, new: &NewSubscription) -> Option<String> {
    let own = json!({"default_payment_method": new.default_payment_method});
    world.paying_method(&own, &new.customer)
}

/// What Stripe refuses before it makes anything.
fn refuse_unpayable(world: &World, new: &NewSubscription, method: Option<&str>, behavior: &str) -> Result<(), Refusal> {
    let price = |item: &NewItem| world.get(Kind::Price, &item.price).cloned().unwrap_or_default();
    let due: i64 = new.items.iter().map(|item| amount(&price(item), item.quantity.unwrap_or(0))).sum();
    let pays_later =
        new.trial_end.is_some() || new.collection_method == "send_invoice" || behavior == "default_incomplete";
    if due == 0 || pays_later {
        return Ok(());
    }
    let Some(method) = method else { return Err(no_payment_method()) };
    match world.refusal_of(method) {
        Some(refusal) if behavior == "error_if_incomplete" => Err(refusal),
        Some(_) | None => Ok(()),
    }
}

fn no_payment_method() -> Refusal {
    let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.";
    Refusal::not_allowed(message).coded("resource_missing")
}

/// The fields that an opened and an updated subscription take alike.
pub(super) fn write_settings(world: &mut World, params: &Params, id: &str) -> Result<(), Refusal> {
    let mut row = world.get(Kind::Subscription, id).cloned().unwrap_or_default();
    fields::texts(params, &mut row, &["description"]);
    fields::integers(params, &mut row, &["days_until_due"])?;
    if let Some(method) = params.str("default_payment_method") {
        row["default_payment_method"] = json!(method);
    }
    let trial_end = params.child("trial_settings").child("end_behavior");
    if let Some(behavior) = trial_end.one_of("missing_payment_method", &["cancel", "create_invoice", "pause"])? {
        row["trial_settings"]["end_behavior"]["missing_payment_method"] = json!(behavior);
    }
    write_pause(params, &mut row)?;
    let period_end = world.item_rows(&row).first().map_or(Value::Null, |item| item["current_period_end"].clone());
    write_cancellation(params, &mut row, &period_end, world.now())?;
    world.set(Kind::Subscription, id, row);
    Ok(())
}

/// `pause_collection`, which leaves the status alone; emptied, it is over.
fn write_pause(params: &Params, row: &mut Value) -> Result<(), Refusal> {
    if params.is_emptied("pause_collection") {
        row["pause_collection"] = Value::Null;
    } else if params.has("pause_collection") {
        let given = params.child("pause_collection");
        let behavior = given.one_of("behavior", &["keep_as_draft", "mark_uncollectible", "void"])?;
        let behavior = behavior.ok_or_else(|| Refusal::missing_param(given.name("behavior")))?;
        row["pause_collection"] = json!({"behavior": behavior, "resumes_at": given.int("resumes_at")?});
    }
    Ok(())
}

/// `cancel_at_period_end` and `cancel_at` schedule the end; either can be taken back.
fn write_cancellation(params: &Params, row: &mut Value, period_end: &Value, now: i64) -> Result<(), Refusal> {
    let at_end = params.bool("cancel_at_period_end")?;
    let end = match at_end {
        Some(true) => period_end.clone(),
        Some(false) => Value::Null,
        None if params.has("cancel_at") => json!(params.int("cancel_at")?),
        None => return Ok(()),
    };
    row["cancel_at_period_end"] = json!(at_end == Some(true));
    row["canceled_at"] = if end.is_null() { Value::Null } else { json!(now) };
    row["cancel_at"] = end;
    Ok(())
}

/// Bills the first period and tries to collect, as far as `behavior` lets it.
fn first_invoice(world: &mut World, id: &str, behavior: &str) {
    let invoice = world.bill_period(id, "subscription_create");
    let row = world.get(Kind::Subscription, id).cloned().unwrap_or_default();
    let is_trial = text(&row, "status") == "trialing";
    let is_paid = world.get(Kind::Invoice, &invoice).is_some_and(|row| text(row, "status") == "paid");
    let sends = text(&row, "collection_method") == "send_invoice";
    if is_trial || behavior == "default_incomplete" && !is_paid && !sends {
        return;
    }
    let status = if is_paid || sends { "active" } else { status_after(world.collect(id, &invoice)) };
    world.set(Kind::Subscription, id, json!({"status": status}));
}

fn status_after(payment: Option<Payment>) -> &'static str {
    match payment {
        Some(Payment::Succeeded) => "active",
        Some(Payment::RequiresAction | Payment::Declined(_)) | None => "incomplete",
    }
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::Subscription, call.id())?;
    Ok(call.world.present(row))
}

/// Without `status`, those that have ended are left out (<https://docs.stripe.com/api/subscriptions/list>).
fn list(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let status = params.one_of("status", STATUSES)?;
    if let Some(customer) = params.str("customer") {
        let exists = call.world.get_even_deleted(Kind::Customer, customer).is_some();
        exists.then_some(()).ok_or_else(|| Refusal::no_such_reference("customer", customer, "customer"))?;
    }
    let price = params.str("price").or_else(|| params.str("plan"));
    let world = &*call.world;
    world.page(Kind::Subscription, params, |row| {
        let is = |field: &str| params.str(field).is_none_or(|wanted| text(row, field) == wanted);
        let has_price = |price| world.item_rows(row).iter().any(|item| text(item, "price") == price);
        has_status(text(row, "status"), status)
            && is("customer")
            && is("collection_method")
            && price.is_none_or(has_price)
    })
}

fn has_status(is: &str, wanted: Option<&str>) -> bool {
    let has_ended = matches!(is, "canceled" | "incomplete_expired");
    match wanted {
        None => !has_ended,
        Some("all") => true,
        Some("ended") => has_ended,
        Some(wanted) => is == wanted,
    }
}

/// A subscription that has ended is not there to be canceled again.
fn cancel(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let row = call.world.at_url(Kind::Subscription, &id)?;
    if matches!(text(row, "status"), "canceled" | "incomplete_expired") {
        return Err(Refusal::no_such("subscription", &id, "id"));
    }
    write_details(call.world, call.params, &id);
    call.world.end_subscription(&id, "cancellation_requested");
    Ok(call.world.presented(Kind::Subscription, &id))
}

/// A new cycle begins; nothing is prorated, since nothing was billed while it was paused.
fn resume(call: &mut Call<'_>) -> Answer {
    call.params.one_of("billing_cycle_anchor", &["now"])?;
    call.params.one_of("proration_behavior", Proration::WORDS)?;
    let id = call.id().to_owned();
    call.world.resume(&id)?;
    Ok(call.world.presented(Kind::Subscription, &id))
}

/// Why the customer leaves.
pub(super) fn write_details(world: &mut World, params: &Params, id: &str) {
    let details = params.child("cancellation_details");
    if let Some(row) = world.get_mut(Kind::Subscription, id) {
        fields::texts(&details, &mut row["cancellation_details"], &["comment", "feedback"]);
    }
}

/// Ends everything that a customer still has, or was to have.
pub(super) fn cancel_all_of(world: &mut World, customer: &str) {
    let lives = |row: &&Value| text(row, "customer") == customer && has_status(text(row, "status"), None);
    let live: Vec<String> =
        world.rows(Kind::Subscription).filter(lives).map(|row| text(row, "id").to_owned()).collect();
    for id in live {
        world.end_subscription(&id, "cancellation_requested");
    }
    let waits = |row: &&Value| text(row, "customer") == customer && text(row, "status") == "not_started";
    let waiting: Vec<String> =
        world.rows(Kind::SubscriptionSchedule).filter(waits).map(|row| text(row, "id").to_owned()).collect();
    for id in waiting {
        world.cancel_schedule(&id);
    }
}
