//! Changing a subscription (<https://docs.stripe.com/api/subscriptions/update>).

use serde_json::{Value, json};

use super::subscriptions::{checked_quantity, is_metered, new_item, price_of, write_details, write_settings};
use super::{Call, customers, fields};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::billing::Line;
use crate::world::kind::Kind;
use crate::world::prorating::Proration;
use crate::world::subscribing::period_of;
use crate::world::{World, text};

/// What to do when the money cannot be had. Pending updates are left out.
pub(super) const BEHAVIORS: &[&str] = &["allow_incomplete", "default_incomplete", "error_if_incomplete"];

/// How a change is to be paid.
pub(super) struct Terms<'p> {
    pub(super) proration: Proration,
    behavior: &'p str,
    /// From when on the rest of the period is settled; now, where it is not said.
    from: Option<i64>,
}

impl<'p> Terms<'p> {
    pub(super) fn parse(params: &'p Params) -> Result<Self, Refusal> {
        Ok(Self {
            proration: Proration::of(params.one_of("proration_behavior", Proration::WORDS)?),
            behavior: params.one_of("payment_behavior", BEHAVIORS)?.unwrap_or("allow_incomplete"),
            from: params.int("proration_date")?,
        })
    }
}

/// A refusal on the way takes back what was written before it, as every refusal does.
pub(super) fn update(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let id = call.id().to_owned();
    let row = call.world.at_url(Kind::Subscription, &id)?.clone();
    refuse_ended(&row, params)?;
    refuse_scheduled(&row, params)?;
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
    call.world.tell_of_change(&id, &before);
    Ok(call.world.presented(Kind::Subscription, &id))
}

pub(super) fn refuse_ended(row: &Value, params: &Params) -> Result<(), Refusal> {
    let touches = |name: &String| !matches!(name.as_str(), "metadata" | "cancellation_details" | "expand");
    let touches_more = params.value().as_object().is_some_and(|given| given.keys().any(touches));
    if matches!(text(row, "status"), "canceled" | "incomplete_expired") && touches_more {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(Refusal::not_allowed(message));
    }
    Ok(())
}

/// The end belongs to the schedule; all else may be changed beside it.
pub(super) fn refuse_scheduled(row: &Value, params: &Params) -> Result<(), Refusal> {
    let Some(schedule) = row["schedule"].as_str() else { return Ok(()) };
    if !params.has("cancel_at") && !params.has("cancel_at_period_end") {
        return Ok(());
    }
    let message = format!(
        "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation behavior directly is not allowed. Please update the schedule instead."
    );
    Err(Refusal::not_allowed(message))
}

/// `trial_end=now` ends a trial, which is announced all the same; another moment moves it.
fn end_trial_now(world: &mut World, params: &Params, id: &str) -> Result<(), Refusal> {
    match params.str("trial_end") {
        Some("now") => {
            world.warn_of_trial_end(id, i64::MAX);
            world.end_trial(id);
        }
        Some(_) => {
            let end = params.int("trial_end")?;
            world.set(Kind::Subscription, id, json!({"trial_end": end, "status": "trialing"}));
            world.set_period_end(id, end.unwrap_or_default());
            world.warn_of_trial_end(id, world.now());
        }
        None => {}
    }
    Ok(())
}

/// Applies the item changes and bills them, or none of it when the payment is refused.
pub(super) fn change_items(world: &mut World, id: &str, items: &[Params], terms: &Terms<'_>) -> Result<(), Refusal> {
    if items.is_empty() {
        return Ok(());
    }
    let lines = write_items(world, id, items, terms)?;
    world.settle(id, lines, terms.proration);
    world.follow_subscription(id);
    Ok(())
}

/// Applies the item changes and says what they come to for the rest of the period.
pub(super) fn write_items(
    world: &mut World,
    id: &str,
    items: &[Params],
    terms: &Terms<'_>,
) -> Result<Vec<Line>, Refusal> {
    let subscription = world.get(Kind::Subscription, id).cloned().unwrap_or_default();
    let rows: Vec<Value> = world.item_rows(&subscription).into_iter().cloned().collect();
    let period = rows.first().map(period_of).unwrap_or_default();
    let mut changes = Vec::new();
    for params in items {
        changes.push(ItemChange::parse(world, &rows, params)?);
    }
    let from = terms.from.unwrap_or_else(|| world.now());
    refuse_outside(from, period, terms)?;
    let lines: Vec<Line> = changes.iter().filter_map(|change| change.line(world, id, period, from)).collect();
    refuse_unpaid(world, &subscription, &lines, terms)?;
    let mut ids: Vec<String> = rows.iter().map(|row| text(row, "id").to_owned()).collect();
    for change in changes {
        change.apply(world, id, period, &mut ids);
    }
    world.set(Kind::Subscription, id, json!({"_items": ids}));
    Ok(lines)
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
        write_quantity(world, params, &mut after)?;
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

    fn line(&self, world: &World, subscription: &str, period: (i64, i64), from: i64) -> Option<Line> {
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
        (!is_same).then(|| world.proration_line(&before, &after, from))
    }

    fn apply(self, world: &mut World, subscription: &str, period: (i64, i64), ids: &mut Vec<String>) {
        match self {
            Self::Changed { after, .. } => {
                let Some(row) = world.get_mut(Kind::SubscriptionItem, text(&after, "id")) else { return };
                *row = after;
            }
            Self::Removed(item) => {
                ids.retain(|id| id != text(&item, "id"));
                world.remove(Kind::SubscriptionItem, text(&item, "id"));
            }
            Self::Added(item) => ids.push(world.add_item(subscription, &item, period)),
        }
    }
}

fn refuse_outside(from: i64, (start, end): (i64, i64), terms: &Terms<'_>) -> Result<(), Refusal> {
    if terms.from.is_none() || (start..=end).contains(&from) {
        return Ok(());
    }
    let message = "Cannot specify proration date outside of the current subscription period.";
    Err(Refusal::invalid("proration_date", message))
}

/// A metered price has no quantity; one that is chosen instead of a metered one starts with 1.
fn write_quantity(world: &World, params: &Params, item: &mut Value) -> Result<(), Refusal> {
    let price = world.get(Kind::Price, text(item, "price")).cloned().unwrap_or_default();
    let given = checked_quantity(params, &price)?;
    let Some(fields) = item.as_object_mut() else { return Ok(()) };
    match given {
        Some(quantity) => fields.insert("quantity".to_owned(), json!(quantity)),
        None if is_metered(&price) => fields.remove("quantity"),
        None if !fields.contains_key("quantity") => fields.insert("quantity".to_owned(), json!(1)),
        None => None,
    };
    Ok(())
}

/// `error_if_incomplete` changes nothing when the charge fails.
fn refuse_unpaid(world: &World, subscription: &Value, lines: &[Line], terms: &Terms<'_>) -> Result<(), Refusal> {
    let due: i64 = lines.iter().map(|line| line.amount).sum();
    let charges_now = terms.proration == Proration::AtOnce && text(subscription, "status") != "trialing" && due > 0;
    if !charges_now || terms.behavior != "error_if_incomplete" {
        return Ok(());
    }
    let Some(method) = world.paying_method(subscription, text(subscription, "customer")) else {
        let message = "This customer has no attached payment source or default payment method.";
        return Err(Refusal::not_allowed(message).coded("resource_missing"));
    };
    world.refusal_of(&method).map_or(Ok(()), Err)
}
