//! The phases of a subscription schedule, from parameters
//! (<https://docs.stripe.com/api/subscription_schedules/create#create_subscription_schedule-phases>).

use serde_json::{Value, json};

use super::{customers, fields, subscriptions};
use crate::error::Refusal;
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::prorating::Proration;
use crate::world::scheduling::phase_item;
use crate::world::time::add_intervals;
use crate::world::{World, number, text};

/// What a phase may say. Of some fields only what Stripe answers itself can be said again.
pub(super) const PHASE: &[&str] = &[
    "phases[].automatic_tax.enabled",
    "phases[].billing_cycle_anchor",
    "phases[].collection_method",
    "phases[].currency",
    "phases[].default_payment_method",
    "phases[].description",
    "phases[].duration.interval",
    "phases[].duration.interval_count",
    "phases[].end_date",
    "phases[].invoice_settings.days_until_due",
    "phases[].invoice_settings.issuer.type",
    "phases[].items[].metadata.*",
    "phases[].items[].plan",
    "phases[].items[].price",
    "phases[].items[].price_data.currency",
    "phases[].items[].price_data.product",
    "phases[].items[].price_data.recurring.interval",
    "phases[].items[].price_data.recurring.interval_count",
    "phases[].items[].price_data.tax_behavior",
    "phases[].items[].price_data.unit_amount",
    "phases[].items[].price_data.unit_amount_decimal",
    "phases[].items[].quantity",
    // Gone from the newest versions, and what the official CLI still sends.
    "phases[].iterations",
    "phases[].metadata.*",
    "phases[].proration_behavior",
    "phases[].trial",
    "phases[].trial_end",
];
const PHASES_MAX: usize = 10;
const INTERVALS: &[&str] = &["day", "week", "month", "year"];

/// Whose phases they are, and when the first begins.
pub(super) struct Plan<'a> {
    pub(super) customer: &'a str,
    pub(super) start: i64,
}

/// The phases, each of which begins where the one before it ends.
pub(super) fn parse(world: &mut World, params: &Params, plan: &Plan<'_>) -> Result<Vec<Value>, Refusal> {
    let given = params.children("phases");
    if given.is_empty() {
        return Err(Refusal::missing_param("phases"));
    }
    if given.len() > PHASES_MAX {
        return Err(Refusal::invalid("phases", format!("A schedule can have up to {PHASES_MAX} phases.")));
    }
    let mut phases: Vec<Value> = Vec::new();
    for params in &given {
        let start = phases.last().map_or(plan.start, |phase| number(phase, "end_date"));
        refuse_gap(world, params, start)?;
        let phase = parse_one(world, params, plan.customer, start)?;
        refuse_late_trial(params, &phase, phases.is_empty())?;
        phases.push(phase);
    }
    Ok(phases)
}

/// A moment, or `now`.
pub(super) fn moment(world: &World, params: &Params, field: &str) -> Result<Option<i64>, Refusal> {
    match params.str(field) {
        Some("now") => Ok(Some(world.now())),
        Some(_) | None => params.int(field),
    }
}

fn refuse_gap(world: &World, params: &Params, start: i64) -> Result<(), Refusal> {
    match moment(world, params, "start_date")? {
        Some(given) if given != start => {
            let message =
                format!("The phases must be contiguous: this one has to start at {start}, where the last one ends.");
            Err(Refusal::invalid(params.name("start_date"), message))
        }
        Some(_) | None => Ok(()),
    }
}

fn parse_one(world: &mut World, params: &Params, customer: &str, start: i64) -> Result<Value, Refusal> {
    let items = items(world, params)?;
    let price = world.get(Kind::Price, text(&items[0], "price")).cloned().unwrap_or_default();
    let end = end(world, params, &price, start)?;
    params.child("automatic_tax").one_of("enabled", &["false"])?;
    params.one_of("billing_cycle_anchor", &["automatic"])?;
    let currency = params.str("currency").map_or_else(|| text(&price, "currency").to_owned(), str::to_lowercase);
    if currency != text(&price, "currency") {
        let message = format!("The prices of this phase are in {}, not in {currency}.", text(&price, "currency"));
        return Err(Refusal::invalid(params.name("currency"), message));
    }
    Ok(phase(PhaseParts {
        start,
        end,
        currency: &currency,
        items,
        trial_end: trial_end(params, start, end)?,
        proration: params.one_of("proration_behavior", Proration::WORDS)?.unwrap_or("create_prorations"),
        metadata: fields::new_metadata(params)?,
        settings: settings(world, params, customer)?,
    }))
}

/// What a phase is made of.
pub(super) struct PhaseParts<'a> {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) currency: &'a str,
    pub(super) items: Vec<Value>,
    pub(super) trial_end: Option<i64>,
    pub(super) proration: &'a str,
    pub(super) metadata: Value,
    /// What it has in common with `default_settings`, each null when it is not said.
    pub(super) settings: Value,
}

/// A phase as Stripe shows it.
pub(super) fn phase(parts: PhaseParts<'_>) -> Value {
    json!({
        "add_invoice_items": [],
        "application_fee_percent": null,
        "automatic_tax": null,
        "billing_cycle_anchor": null,
        "billing_thresholds": null,
        "collection_method": parts.settings["collection_method"],
        "currency": parts.currency,
        "default_payment_method": parts.settings["default_payment_method"],
        "default_tax_rates": [],
        "description": parts.settings["description"],
        "discounts": [],
        "end_date": parts.end,
        "invoice_settings": parts.settings["invoice_settings"],
        "items": parts.items,
        "metadata": parts.metadata,
        "on_behalf_of": null,
        "proration_behavior": parts.proration,
        "start_date": parts.start,
        "transfer_data": null,
        "trial_end": parts.trial_end,
    })
}

fn items(world: &mut World, params: &Params) -> Result<Vec<Value>, Refusal> {
    let mut items: Vec<Value> = Vec::new();
    for params in params.children("items") {
        let item = subscriptions::new_item(world, &params)?;
        if items.iter().any(|other| text(other, "price") == item.price) {
            let message = format!("Subscription schedules can have a price only once in a phase: {}.", item.price);
            return Err(Refusal::invalid(params.name("price"), message));
        }
        items.push(phase_item(&json!({"price": item.price, "quantity": item.quantity, "metadata": item.metadata})));
    }
    if items.is_empty() {
        return Err(Refusal::missing_param(params.name("items")));
    }
    Ok(items)
}

/// A phase ends at a date, after a duration, or after so many of its price's intervals; one.
fn end(world: &World, params: &Params, price: &Value, start: i64) -> Result<i64, Refusal> {
    let given: Vec<&str> =
        ["duration", "end_date", "iterations"].into_iter().filter(|field| params.has(field)).collect();
    if let [_, second, ..] = given[..] {
        let message = format!("You may only specify one of these parameters: {}.", given.join(", "));
        return Err(Refusal::invalid(params.name(second), message));
    }
    if let Some(end) = moment(world, params, "end_date")? {
        let message = "The end date of a phase must be after its start date.";
        return if end > start { Ok(end) } else { Err(Refusal::invalid(params.name("end_date"), message)) };
    }
    if params.has("duration") {
        let duration = params.child("duration");
        let interval = duration.one_of("interval", INTERVALS)?.ok_or_else(|| missing(&duration, "interval"))?;
        return Ok(add_intervals(start, interval, at_least_one(&duration, "interval_count")?));
    }
    let recurring = &price["recurring"];
    let count = number(recurring, "interval_count") * at_least_one(params, "iterations")?;
    Ok(add_intervals(start, text(recurring, "interval"), count))
}

fn missing(params: &Params, field: &str) -> Refusal {
    Refusal::missing_param(params.name(field))
}

fn at_least_one(params: &Params, field: &str) -> Result<i64, Refusal> {
    match params.int(field)? {
        Some(count) if count < 1 => {
            let message = "This value must be greater than or equal to 1.";
            Err(Refusal::invalid(params.name(field), message).coded("parameter_invalid_integer"))
        }
        Some(count) => Ok(count),
        None => Ok(1),
    }
}

/// `trial` makes all of the phase a trial, `trial_end` a part of it.
fn trial_end(params: &Params, start: i64, end: i64) -> Result<Option<i64>, Refusal> {
    if params.bool("trial")? == Some(true) {
        return Ok(Some(end));
    }
    let Some(trial_end) = params.int("trial_end")? else { return Ok(None) };
    if trial_end > start && trial_end <= end {
        return Ok(Some(trial_end));
    }
    Err(Refusal::invalid(params.name("trial_end"), "The trial must end within its phase."))
}

fn refuse_late_trial(params: &Params, phase: &Value, is_first: bool) -> Result<(), Refusal> {
    if is_first || phase["trial_end"].is_null() {
        return Ok(());
    }
    Err(Refusal::invalid(params.name("trial_end"), "This double starts trials in the first phase only."))
}

/// What a phase and `default_settings` may both say; null where they say nothing.
pub(super) fn settings(world: &World, params: &Params, customer: &str) -> Result<Value, Refusal> {
    let method = params.str("default_payment_method");
    let invoices = params.child("invoice_settings");
    invoices.child("issuer").one_of("type", &["self"])?;
    let days = invoices.int("days_until_due")?;
    Ok(json!({
        "collection_method": params.one_of("collection_method", &["charge_automatically", "send_invoice"])?,
        "default_payment_method": method
            .map(|method| customers::owned_method(world, customer, method, &params.name("default_payment_method")))
            .transpose()?,
        "description": params.str("description"),
        "invoice_settings": days.map(|days| invoice_settings(&json!(days))),
    }))
}

/// Invoice settings of which only the days to pay can be chosen.
pub(super) fn invoice_settings(days_until_due: &Value) -> Value {
    json!({
        "account_tax_ids": null, "custom_fields": null, "days_until_due": days_until_due, "description": null,
        "footer": null, "issuer": {"type": "self"},
    })
}
