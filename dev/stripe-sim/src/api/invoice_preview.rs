//! What an invoice would be (<https://docs.stripe.com/api/invoices/create_preview>): of a
//! subscription or a schedule that exists, changed or as it is.
//!
//! With `always_invoice` it is the one that the change itself would make; where that makes none,
//! and with every other `proration_behavior`, it is that of the next renewal. Of a schedule only
//! the latter can be seen.

use serde_json::Value;

use super::schedule_phases::PHASE;
use super::subscription_changes::{Terms, refuse_ended, refuse_scheduled, write_items};
use super::{Call, Route, subscription_schedules, subscriptions};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::prorating::Proration;
use crate::world::{World, text};

const OF_SUBSCRIPTION: &[&str] = &[
    "customer",
    "subscription",
    "subscription_details.cancel_at",
    "subscription_details.cancel_at_period_end",
    "subscription_details.items[].deleted",
    "subscription_details.items[].id",
    "subscription_details.items[].metadata.*",
    "subscription_details.items[].plan",
    "subscription_details.items[].price",
    "subscription_details.items[].quantity",
    "subscription_details.proration_behavior",
    "subscription_details.proration_date",
];

const OF_SCHEDULE: &[&str] = &["schedule", "schedule_details.*"];
const SCHEDULE_DETAILS: &[&str] = &["end_behavior", "phases[].start_date", "proration_behavior"];

pub(super) const ROUTES: &[Route] = &[Route {
    method: "POST",
    path: "/v1/invoices/create_preview",
    accepts: &[OF_SUBSCRIPTION, OF_SCHEDULE],
    run: preview,
}];

fn preview(call: &mut Call<'_>) -> Answer {
    match (call.params.str("subscription"), call.params.str("schedule")) {
        (Some(_), Some(_)) => Err(Refusal::not_allowed("You can only use one of `subscription` and `schedule`.")),
        (Some(id), None) => of_subscription(call, id),
        (None, Some(id)) => of_schedule(call, id),
        (None, None) => Err(nothing_named()),
    }
}

fn of_schedule(call: &mut Call<'_>, id: &str) -> Answer {
    let row = call.world.referenced(Kind::SubscriptionSchedule, id, "schedule")?;
    let subscription = text(row, "subscription").to_owned();
    let details = call.params.child("schedule_details");
    if let Some(name) = details.unknown(&[PHASE, SCHEDULE_DETAILS]) {
        let (field, rest) = name.split_at(name.find('[').unwrap_or(name.len()));
        return Err(Refusal::unknown_param(details.name(field) + rest));
    }
    details.one_of("proration_behavior", &["create_prorations", "none"])?;
    call.world.pretend(|world| {
        if call.params.has("schedule_details") {
            subscription_schedules::update(&mut Call { world, params: &details, ids: vec![id.to_owned()] })?;
        }
        world.preview_renewal(&subscription)
    })
}

fn of_subscription(call: &mut Call<'_>, id: &str) -> Answer {
    let params = call.params;
    let row = call.world.referenced(Kind::Subscription, id, "subscription")?.clone();
    if params.str("customer").is_some_and(|customer| customer != text(&row, "customer")) {
        let message = format!("The customer does not have a subscription with the ID {id}.");
        return Err(Refusal::invalid("subscription", message));
    }
    let details = params.child("subscription_details");
    refuse_ended(&row, &details)?;
    refuse_scheduled(&row, &details)?;
    call.world.pretend(|world| changed(world, id, &row, &details))
}

fn changed(world: &mut World, id: &str, row: &Value, details: &Params) -> Answer {
    let terms = Terms::parse(details)?;
    let lines = write_items(world, id, &details.children("items"), &terms)?;
    subscriptions::write_settings(world, details, id)?;
    if terms.proration == Proration::AtOnce && !lines.is_empty() && text(row, "status") != "trialing" {
        return Ok(world.preview_now(id, lines));
    }
    world.settle(
        id,
        lines,
        if terms.proration == Proration::Nothing { terms.proration } else { Proration::OnNextInvoice },
    );
    world.follow_subscription(id);
    world.preview_renewal(id)
}

/// Stripe has no preview of a customer as a whole
/// (<https://github.com/stripe/stripe-node/issues/2347>).
fn nothing_named() -> Refusal {
    Refusal::not_allowed(
        "You must provide at least one of: `subscription`, `schedule`, `subscription_details.items`, `schedule_details.phases`, `invoice_items`.",
    )
}
