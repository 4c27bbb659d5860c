//! Changing a subscription (<https://docs.stripe.com/api/subscriptions/update>).

use serde_json::{Value, json};

use super::subscriptions::{new_item, price_of, write_details, write_settings};
use super::{Call, customers, fields};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::billing::Line;
use crate::world::kind::Kind;
use crate::world::payment::Payment;
use crate::world::subscribing::period_of;
use crate::world::{World, text};

/// What to do when the money cannot be had. Pending updates are left out.
pub(super) const BEHAVIORS: &[&str] = &["allow_incomplete", "default_incomplete", "error_if_incomplete"];
/// What to do about the rest of the period.
pub(super) const PRORATIONS: &[&str] = &["create_prorations", "always_invoice", "none"];

/// How a change is to be paid.
pub(super) struct Terms<'p> {
    proration: &'p str,
    behavior: &'p str,
}

impl<'p> Terms<'p> {
    pub(super) fn parse(params: &'p Params) -> Result<Self, Refusal> {
        Ok(Self {
            proration: params.one_of("proration_behavior", PRORATIONS)?.unwrap_or("create_prorations"),
            behavior: params.one_of("payment_behavior", BEHAVIORS)?.unwrap_or("allow_incomplete"),
        })
    }
}

/// A refusal on the way takes back what was written before it, as every refusal does.
pub(super) fn update(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let id = call.id().to_owned();
    let row = call.world.at_url(Kind::Subscription, &id)?.clone();
    refuse_ended(&row, params)?;
    if let Some(method) = params.str("default_payment_method") {
        customers::owned_method(call.world, text(&row, "customer"), method, "default_payment_method")?;
    }
    let terms = Terms::parse(params)?;
    let before = call.world.present(&row);
    let mut written = row;
    fields::metadata(params, &mut written)?;
    change_items(call.world, &id, &params.children("items"), &terms)?;
    call.world.set(Kind::Subscription, &id, json!({"metadata": written["metadata"]}));
    write_settings(call.world, params, &id)?;
    write_details(call.world, params, &id);
    end_trial_now(call.world, params, &id)?;
    call.world.emit_change("customer.subscription.updated", Kind::Subscription, &id, &before);
    Ok(call.world.presented(Kind::Subscription, &id))
}

fn refuse_ended(row: &Value, params: &Params) -> Result<(), Refusal> {
    let touches = |name: &String| !matches!(name.as_str(), "metadata" | "cancellation_details" | "expand");
    let touches_more = params.value().as_object().is_some_and(|given| given.keys().any(touches));
    if matches!(text(row, "status"), "canceled" | "incomplete_expired") && touches_more {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(Refusal::not_allowed(message));
    }
    Ok(())
}

/// `trial_end=now` ends a trial, another moment moves it.
fn end_trial_now(world: &mut World, params: &Params, id: &str) -> Result<(), Refusal> {
    match params.str("trial_end") {
        Some("now") => world.end_trial(id),
        Some(_) => {
            let end = params.int("trial_end")?;
            world.set(Kind::Subscription, id, json!({"trial_end": end, "status": "trialing"}));
            world.set_period_end(id, end.unwrap_or_default());
        }
        None => {}
    }
    Ok(())
}

/// Applies the item changes, or none of them when the payment is refused.
pub(super) fn change_items(world: &mut World, id: &str, items: &[Params], terms: &Terms<'_>) -> Result<(), Refusal> {
    if items.is_empty() {
        return Ok(());
    }
    let subscription = world.get(Kind::Subscription, id).cloned().unwrap_or_default();
    let rows: Vec<Value> = world.item_rows(&subscription).into_iter().cloned().collect();
    let period = rows.first().map(period_of).unwrap_or_default();
    let mut changes = Vec::new();
    for params in items {
        changes.push(ItemChange::parse(world, &rows, params)?);
    }
    let lines: Vec<Line> = changes.iter().filter_map(|change| change.line(world, id, period)).collect();
    refuse_unpaid(world, &subscription, &lines, terms)?;
    let mut ids: Vec<String> = rows.iter().map(|row| text(row, "id").to_owned()).collect();
    for change in changes {
        change.apply(world, id, period, &mut ids);
    }
    world.set(Kind::Subscription, id, json!({"_items": ids}));
    settle(world, id, lines, terms);
    Ok(())
}

enum ItemChange {
    Changed { before: Value, after: Value },
    Removed(Value),
    Added(crate::world::subscribing::NewItem),
}

impl ItemChange {
    fn parse(world: &mut World, rows: &[Value], params: &Params) -> Result<Self, Refusal> {
        let Some(id) = params.str("id") else { return Self::added(world, rows, params) };
        let missing = || Refusal::no_such_reference("subscription item", id, &params.name("id"));
        let before = rows.iter().find(|row| text(row, "id") == id).ok_or_else(missing)?.clone();
        if params.bool("deleted")? == Some(true) {
            return Ok(Self::Removed(before));
        }
        let mut after = before.clone();
        if params.has("price") || params.has("plan") || params.has("price_data") {
            after["price"] = json!(price_of(world, params)?);
        }
        write_quantity(params, &mut after)?;
        fields::metadata(params, &mut after)?;
        Ok(Self::Changed { before, after })
    }

    /// An item without an id is a new one, and a price can be there only once.
    fn added(world: &mut World, rows: &[Value], params: &Params) -> Result<Self, Refusal> {
        let item = new_item(world, params)?;
        let Some(same) = rows.iter().find(|row| text(row, "price") == item.price) else { return Ok(Self::Added(item)) };
        let message = format!(
            "Cannot add multiple subscription items with the same plan: {}; item {} already uses it.",
            item.price,
            text(same, "id")
        );
        Err(Refusal::not_allowed(message))
    }

    fn line(&self, world: &World, subscription: &str, period: (i64, i64)) -> Option<Line> {
        let nothing = |item: &Value| {
            let mut none = item.clone();
            none["quantity"] = json!(0);
            none
        };
        let (before, after) = match self {
            Self::Changed { before, after } => (before.clone(), after.clone()),
            Self::Removed(item) => (item.clone(), nothing(item)),
            Self::Added(item) => {
                let row = json!({
                    "price": item.price, "quantity": item.quantity, "subscription": subscription,
                    "current_period_start": period.0, "current_period_end": period.1,
                });
                (nothing(&row), row)
            }
        };
        let is_same = before["quantity"] == after["quantity"] && before["price"] == after["price"];
        (!is_same).then(|| world.proration_line(&before, &after))
    }

    fn apply(self, world: &mut World, subscription: &str, period: (i64, i64), ids: &mut Vec<String>) {
        match self {
            Self::Changed { after, .. } => {
                let id = text(&after, "id").to_owned();
                world.set(Kind::SubscriptionItem, &id, after);
            }
            Self::Removed(item) => {
                ids.retain(|id| id != text(&item, "id"));
                world.remove(Kind::SubscriptionItem, text(&item, "id"));
            }
            Self::Added(item) => ids.push(world.add_item(subscription, &item, period)),
        }
    }
}

fn write_quantity(params: &Params, item: &mut Value) -> Result<(), Refusal> {
    let Some(quantity) = params.int("quantity")? else { return Ok(()) };
    if quantity < 0 {
        let message = "This value must be greater than or equal to 0.";
        return Err(Refusal::invalid(params.name("quantity"), message).coded("parameter_invalid_integer"));
    }
    item["quantity"] = json!(quantity);
    Ok(())
}

/// `error_if_incomplete` changes nothing when the charge fails.
fn refuse_unpaid(world: &World, subscription: &Value, lines: &[Line], terms: &Terms<'_>) -> Result<(), Refusal> {
    let due: i64 = lines.iter().map(|line| line.amount).sum();
    let charges_now = terms.proration == "always_invoice" && text(subscription, "status") != "trialing" && due > 0;
    if !charges_now || terms.behavior != "error_if_incomplete" {
        return Ok(());
    }
    let Some(method) = world.paying_method(subscription, text(subscription, "customer")) else {
        let message = "This customer has no attached payment source or default payment method.";
        return Err(Refusal::not_allowed(message).coded("resource_missing"));
    };
    world.refusal_of(&method).map_or(Ok(()), Err)
}

/// Bills the prorations now, or leaves them for the next invoice.
fn settle(world: &mut World, id: &str, lines: Vec<Line>, terms: &Terms<'_>) {
    let subscription = world.get(Kind::Subscription, id).cloned().unwrap_or_default();
    if lines.is_empty() || terms.proration == "none" || text(&subscription, "status") == "trialing" {
        return;
    }
    if terms.proration == "create_prorations" {
        lines.iter().for_each(|line| world.keep_for_later(&subscription, line));
        return;
    }
    let period = (world.now(), world.now());
    let invoice = world.bill(&subscription, "subscription_update", lines, period);
    match world.collect(id, &invoice) {
        Some(Payment::Succeeded) => {}
        Some(Payment::RequiresAction | Payment::Declined(_)) | None => {
            world.set(Kind::Subscription, id, json!({"status": "past_due"}));
        }
    }
}
