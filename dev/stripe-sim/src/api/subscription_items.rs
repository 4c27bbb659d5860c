//! Subscription items by themselves (<https://docs.stripe.com/api/subscription_items>).

use serde_json::Value;

use super::subscription_changes::{Terms, change_items};
use super::{Call, Route, deleted};
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::list::PAGE;
use crate::world::{World, text};

const WRITABLE: &[&str] = &[
    "metadata.*",
    "payment_behavior",
    "plan",
    "price",
    "price_data.currency",
    "price_data.product",
    "price_data.recurring.interval",
    "price_data.recurring.interval_count",
    "price_data.tax_behavior",
    "price_data.unit_amount",
    "price_data.unit_amount_decimal",
    "proration_behavior",
    "quantity",
];

pub(super) const ROUTES: &[Route] = &[
    Route { method: "GET", path: "/v1/subscription_items", accepts: &[PAGE, &["subscription"]], run: list },
    Route { method: "POST", path: "/v1/subscription_items", accepts: &[WRITABLE, &["subscription"]], run: create },
    Route { method: "GET", path: "/v1/subscription_items/{id}", accepts: &[], run: retrieve },
    Route { method: "POST", path: "/v1/subscription_items/{id}", accepts: &[WRITABLE], run: update },
    Route {
        method: "DELETE",
        path: "/v1/subscription_items/{id}",
        accepts: &[&["payment_behavior", "proration_behavior"]],
        run: remove,
    },
];

fn list(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("subscription")?.to_owned();
    call.world.referenced(Kind::Subscription, &id, "subscription")?;
    call.world.page(Kind::SubscriptionItem, call.params, |row| text(row, "subscription") == id)
}

fn retrieve(call: &mut Call<'_>) -> Answer {
    let row = call.world.at_url(Kind::SubscriptionItem, call.id())?;
    Ok(call.world.present(row))
}

fn create(call: &mut Call<'_>) -> Answer {
    let subscription = call.params.required("subscription")?.to_owned();
    call.world.referenced(Kind::Subscription, &subscription, "subscription")?;
    change(call.world, &subscription, call.params)?;
    let row = call.world.get(Kind::Subscription, &subscription).cloned().unwrap_or_default();
    let newest = call.world.item_rows(&row).last().map_or(Value::Null, |row| call.world.present(row));
    Ok(newest)
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let subscription = text(call.world.at_url(Kind::SubscriptionItem, &id)?, "subscription").to_owned();
    change(call.world, &subscription, &call.params.with("id", &id))?;
    Ok(call.world.presented(Kind::SubscriptionItem, &id))
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id().to_owned();
    let subscription = text(call.world.at_url(Kind::SubscriptionItem, &id)?, "subscription").to_owned();
    let items = call.world.get(Kind::Subscription, &subscription).map_or(0, |row| call.world.item_rows(row).len());
    if items < 2 {
        let message = "A subscription must have at least one active plan. To cancel the subscription, please use the cancel endpoint.";
        return Err(Refusal::not_allowed(message));
    }
    change(call.world, &subscription, &call.params.with("id", &id).with("deleted", "true"))?;
    Ok(deleted(&id, "subscription_item"))
}

/// One item changed, as an update of its subscription.
fn change(world: &mut World, subscription: &str, item: &Params) -> Result<(), Refusal> {
    let before = world.presented(Kind::Subscription, subscription);
    if matches!(text(&before, "status"), "canceled" | "incomplete_expired") {
        return Err(Refusal::not_allowed("The subscription has been canceled and its items cannot be changed."));
    }
    change_items(world, subscription, std::slice::from_ref(item), &Terms::parse(item)?)?;
    world.emit_change("customer.subscription.updated", Kind::Subscription, subscription, &before);
    Ok(())
}
