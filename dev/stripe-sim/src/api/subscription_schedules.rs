//! Subscription schedules (<https://docs.stripe.com/api/subscription_schedules>): what the
//! endpoints take and refuse. What time does with a schedule is in the world's `scheduling`.

use serde_json::{Value, json};

use super::schedule_phases::{self, PHASE, PhaseParts, Plan, invoice_settings, moment, phase, settings};
use super::{Call, Route, fields};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::{CREATED, PAGE};
use crate::world::prorating::Proration;
use crate::world::scheduling::{NewSchedule, phase_item};
use crate::world::subscribing::period_of;
use crate::world::{World, text};

const WRITABLE: &[&str] = &[
    "default_settings.billing_cycle_anchor",
    "default_settings.collection_method",
    "default_settings.default_payment_method",
    "default_settings.description",
    "default_settings.invoice_settings.days_until_due",
    "default_settings.invoice_settings.issuer.type",
    "end_behavior",
    "metadata.*",
];
const AT_CREATION: &[&str] = &["customer", "from_subscription", "start_date"];
const AT_UPDATE: &[&str] = &["phases[].start_date", "proration_behavior"];
const FILTERS: &[&str] = &["customer", "scheduled"];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/v1/subscription_schedules", accepts: &[WRITABLE, PHASE, AT_CREATION], run: create },
    Route { method: "GET", path: "/v1/subscription_schedules", accepts: &[PAGE, CREATED, FILTERS], run: list },
    Route { method: "GET", path: "/v1/subscription_schedules/{id}", accepts: &[], run: retrieve },
    Route {
        method: "POST",
        path: "/v1/subscription_schedules/{id}",
        accepts: &[WRITABLE, PHASE, AT_UPDATE],
        run: update,
    },
    Route {
        method: "POST",
        path: "/v1/subscription_schedules/{id}/cancel",
        accepts: &[&["invoice_now", "prorate"]],
        run: cancel,
    },
    Route {
        method: "POST",
        path: "/v1/subscription_schedules/{id}/release",
        accepts: &[&["preserve_cancel_date"]],
        run: release,
    },
];

fn create(call: &mut Call<'_>) -> Answer {
    let id = match call.params.str("from_subscription") {
        Some(subscription) => take_over(call.world, call.params, subscription)?,
        None => plan(call.world, call.params)?,
    };
    Ok(call.world.presented(Kind::SubscriptionSchedule, &id))
}

/// Puts a subscription under a schedule of one phase, its current period. Nothing else can be said
/// in the same request: phases and metadata take a second one
/// (<https://docs.stripe.com/api/subscription_schedules/create#create_subscription_schedule-from_subscription>).
fn take_over(world: &mut World, params: &Params, subscription: &str) -> Result<String, Refusal> {
    let says_more = |name: &&String| !matches!(name.as_str(), "from_subscription" | "expand");
    if let Some(name) = params.value().as_object().into_iter().flat_map(|given| given.keys()).find(says_more) {
        let message = format!("You cannot set `{name}` if `from_subscription` is set.");
        return Err(Refusal::invalid(name, message));
    }
    let row = world.referenced(Kind::Subscription, subscription, "from_subscription")?.clone();
    refuse_unschedulable(&row)?;
    let new = of_subscription(world, &row);
    let before = world.present(&row);
    let id = world.open_schedule(new);
    world.attach_schedule(&id, subscription);
    world.emit("subscription_schedule.created", Kind::SubscriptionSchedule, &id);
    world.tell_of_change(subscription, &before);
    Ok(id)
}

fn refuse_unschedulable(subscription: &Value) -> Result<(), Refusal> {
    let message = match (subscription["schedule"].as_str(), text(subscription, "status")) {
        (Some(schedule), _) => {
            format!("You cannot migrate a subscription that is already attached to a schedule: `{schedule}`.")
        }
        (None, status @ ("canceled" | "incomplete" | "incomplete_expired")) => {
            format!("You cannot migrate a subscription that is currently in the `{status}` status.")
        }
        (None, _live) => return Ok(()),
    };
    Err(Refusal::invalid("from_subscription", message))
}

/// The schedule that leaves everything as it is. A subscription that is set to cancel keeps that.
fn of_subscription(world: &World, row: &Value) -> NewSchedule {
    let items = world.item_rows(row);
    let (start, end) = items.first().map(|item| period_of(item)).unwrap_or_default();
    let is_trial = text(row, "status") == "trialing";
    let (end, ends) = match row["cancel_at"].as_i64() {
        Some(cancel_at) => (cancel_at, "cancel"),
        None => (end, "release"),
    };
    let phase = phase(PhaseParts {
        start,
        end,
        currency: text(row, "currency"),
        items: items.into_iter().map(phase_item).collect(),
        trial_end: row["trial_end"].as_i64().filter(|_| is_trial),
        proration: "create_prorations",
        metadata: json!({}),
        settings: Value::Null,
    });
    let mut defaults = default_settings(row);
    defaults["invoice_settings"] = invoice_settings(&row["days_until_due"]);
    NewSchedule {
        customer: text(row, "customer").to_owned(),
        phases: vec![phase],
        default_settings: defaults,
        end_behavior: ends.to_owned(),
        metadata: json!({}),
    }
}

/// A schedule that opens its subscription itself, now or later.
fn plan(world: &mut World, params: &Params) -> Result<String, Refusal> {
    let customer = params.required("customer")?;
    world.referenced(Kind::Customer, customer, "customer")?;
    let now = world.now();
    let start = moment(world, params, "start_date")?.unwrap_or(now);
    if start < now {
        return Err(Refusal::invalid("start_date", "This double does not backdate subscriptions."));
    }
    let mut defaults = default_settings(&Value::Null);
    write_defaults(world, params, customer, &mut defaults)?;
    let phases = schedule_phases::parse(world, params, &Plan { customer, start })?;
    let id = world.open_schedule(NewSchedule {
        customer: customer.to_owned(),
        phases,
        default_settings: defaults,
        end_behavior: end_behavior(params)?.unwrap_or("release").to_owned(),
        metadata: fields::new_metadata(params)?,
    });
    if start == now {
        world.start_schedule(&id);
    }
    world.emit("subscription_schedule.created", Kind::SubscriptionSchedule, &id);
    Ok(id)
}

fn end_behavior(params: &Params) -> Result<Option<&str>, Refusal> {
    params.one_of("end_behavior", &["cancel", "release"])
}

/// What holds where a phase says nothing, with the subscription's own settings where it has any.
fn default_settings(subscription: &Value) -> Value {
    let collection = subscription["collection_method"].as_str().unwrap_or("charge_automatically");
    json!({
        "application_fee_percent": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor": "automatic",
        "billing_thresholds": null,
        "collection_method": collection,
        "default_payment_method": subscription["default_payment_method"],
        "description": subscription["description"],
        "invoice_settings": invoice_settings(&Value::Null),
        "on_behalf_of": null,
        "transfer_data": null,
    })
}

fn write_defaults(world: &World, params: &Params, customer: &str, defaults: &mut Value) -> Result<(), Refusal> {
    let given = params.child("default_settings");
    given.one_of("billing_cycle_anchor", &["automatic"])?;
    let settings = settings(world, &given, customer)?;
    for (field, value) in settings.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        defaults[field] = value.clone();
    }
    Ok(())
}

fn list(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let scheduled = params.bool("scheduled")?;
    call.world.page(Kind::SubscriptionSchedule, params, |row| {
        let is_scheduled = text(row, "status") == "not_started";
        params.str("customer").is_none_or(|customer| text(row, "customer") == customer)
            && scheduled.is_none_or(|wanted| is_scheduled == wanted)
    })
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::SubscriptionSchedule, call.id())?;
    Ok(call.world.present(row))
}

/// Only a schedule that has not ended can be changed or ended.
fn in_force(world: &World, id: &str, verb: &str) -> Result<Value, Refusal> {
    let row = world.at_url(Kind::SubscriptionSchedule, id)?;
    let status = text(row, "status");
    if matches!(status, "not_started" | "active") {
        return Ok(row.clone());
    }
    let message = format!(
        "You cannot {verb} a subscription schedule that is currently in the `{status}` status. It must be in one of the following statuses: `not_started`, `active`."
    );
    Err(Refusal::not_allowed(message))
}

pub(super) fn update(call: &mut Call<'_>) -> Answer {
    let (params, id) = (call.params, call.id().to_owned());
    let mut row = in_force(call.world, &id, "update")?;
    let before = call.world.present(&row);
    let proration = params.one_of("proration_behavior", Proration::WORDS)?;
    fields::metadata(params, &mut row)?;
    if let Some(behavior) = end_behavior(params)? {
        row["end_behavior"] = json!(behavior);
    }
    let customer = text(&row, "customer").to_owned();
    write_defaults(call.world, params, &customer, &mut row["default_settings"])?;
    if params.has("phases") {
        row["phases"] = json!(new_phases(call.world, params, &row)?);
    }
    call.world.set(Kind::SubscriptionSchedule, &id, row);
    carry_cancel_date(call.world, &id);
    if params.has("phases") {
        carry_out(call.world, &id, Proration::of(proration));
    }
    call.world.emit_change("subscription_schedule.updated", Kind::SubscriptionSchedule, &id, &before);
    // A current phase may have been told to end now.
    let subscription = call.world.presented(Kind::SubscriptionSchedule, &id)["subscription"].clone();
    call.world.roll_subscription(subscription.as_str().unwrap_or_default());
    Ok(call.world.presented(Kind::SubscriptionSchedule, &id))
}

/// `end_behavior` or the last phase may have moved the end.
fn carry_cancel_date(world: &mut World, id: &str) {
    let subscription = world.presented(Kind::SubscriptionSchedule, id)["subscription"].clone();
    let subscription = subscription.as_str().unwrap_or_default();
    let before = world.presented(Kind::Subscription, subscription);
    world.carry_cancel_date(id);
    world.tell_of_change(subscription, &before);
}

/// The phases replace all that were there; past ones may be left out.
fn new_phases(world: &mut World, params: &Params, row: &Value) -> Result<Vec<Value>, Refusal> {
    let first = params.children("phases").into_iter().next().ok_or_else(|| Refusal::missing_param("phases"))?;
    let Some(start) = moment(world, &first, "start_date")? else {
        let message = "The subscription schedule update is missing at least one phase with a `start_date` to anchor end dates to.";
        return Err(Refusal::not_allowed(message));
    };
    let phases = schedule_phases::parse(world, params, &Plan { customer: text(row, "customer"), start })?;
    if text(row, "status") == "not_started" && start < world.now() {
        return Err(Refusal::invalid(first.name("start_date"), "This double does not backdate subscriptions."));
    }
    if text(row, "status") == "active" {
        check_current(world, &first, &phases, row)?;
    }
    Ok(phases)
}

/// The phase that is under way keeps its start, its trial, and some of its future.
fn check_current(world: &World, first: &Params, phases: &[Value], row: &Value) -> Result<(), Refusal> {
    let start = &row["current_phase"]["start_date"];
    let is_current = |phase: &&Value| phase["start_date"] == *start;
    let Some(current) = phases.iter().find(is_current) else {
        let message = "You can not modify the start date of the current phase.";
        return Err(Refusal::invalid(first.name("start_date"), message));
    };
    if current["end_date"].as_i64().is_some_and(|end| end < world.now()) {
        return Err(Refusal::invalid(first.name("end_date"), "The current phase cannot end in the past."));
    }
    let trial_end = row["phases"].as_array().into_iter().flatten().find(is_current).map(|phase| &phase["trial_end"]);
    if trial_end != Some(&current["trial_end"]) {
        let message = "This double does not change a trial through its schedule: repeat the `trial_end` of the phase.";
        return Err(Refusal::invalid(first.name("trial_end"), message));
    }
    Ok(())
}

/// A schedule whose start has come starts; what changed in the current phase holds at once.
fn carry_out(world: &mut World, id: &str, proration: Proration) {
    let row = world.get(Kind::SubscriptionSchedule, id).cloned().unwrap_or_default();
    let phases = || row["phases"].as_array().into_iter().flatten();
    if text(&row, "status") == "not_started" {
        if phases().next().is_some_and(|phase| phase["start_date"] == world.now()) {
            world.start_schedule(id);
        }
        return;
    }
    let Some(phase) = phases().find(|phase| phase["start_date"] == row["current_phase"]["start_date"]) else { return };
    let subscription = text(&row, "subscription");
    let before = world.presented(Kind::Subscription, subscription);
    world.hold_phase(subscription, &row, phase, proration, world.now());
    world.tell_of_change(subscription, &before);
}

fn cancel(call: &mut Call<'_>) -> Answer {
    // Stripe's own default is to bill what is metered; the double meters nothing.
    call.params.one_of("invoice_now", &["false"])?;
    call.params.one_of("prorate", &["false"])?;
    let id = call.id().to_owned();
    let row = in_force(call.world, &id, "cancel")?;
    match row["subscription"].as_str() {
        Some(subscription) => call.world.end_subscription(subscription, "cancellation_requested"),
        None => call.world.cancel_schedule(&id),
    }
    Ok(call.world.presented(Kind::SubscriptionSchedule, &id))
}

fn release(call: &mut Call<'_>) -> Answer {
    let keeps_cancel_date = call.params.bool("preserve_cancel_date")? == Some(true);
    let id = call.id().to_owned();
    let row = in_force(call.world, &id, "release")?;
    let subscription = text(&row, "subscription");
    let before = call.world.presented(Kind::Subscription, subscription);
    if text(&row, "end_behavior") == "cancel" && !keeps_cancel_date {
        call.world.set(Kind::Subscription, subscription, json!({"cancel_at": null, "canceled_at": null}));
    }
    call.world.release_schedule(&id);
    call.world.tell_of_change(subscription, &before);
    Ok(call.world.presented(Kind::SubscriptionSchedule, &id))
}
