//! From a row to the object that is answered: prices into items, items into subscriptions, the
//! double's own fields left out.

use serde_json::{Value, json};

use super::kind::Kind;
use super::list::list;
use super::{World, number, text};

/// A list inside an object is a first page of the usual length (<https://docs.stripe.com/api/pagination>).
const EMBEDDED_MAX: usize = 10;

impl World {
    /// The object as the API shows it, nothing expanded.
    pub(crate) fn present(&self, row: &Value) -> Value {
        let mut object = row.clone();
        match text(row, "object") {
            "subscription" => object["items"] = self.items_of(row),
            "subscription_item" => self.put_price_in(&mut object),
            "event" => object["pending_webhooks"] = json!(self.deliveries.missing(text(row, "id"))),
            _other => {}
        }
        if let Some(fields) = object.as_object_mut() {
            fields.retain(|field, _| !field.starts_with('_'));
        }
        object
    }

    /// The presented object with this id, or null.
    pub(crate) fn presented(&self, kind: Kind, id: &str) -> Value {
        self.get_even_deleted(kind, id).map_or(Value::Null, |row| self.present(row))
    }

    /// The rows of a subscription's items, in their order.
    pub(crate) fn item_rows(&self, subscription: &Value) -> Vec<&Value> {
        let ids = subscription["_items"].as_array().into_iter().flatten().filter_map(Value::as_str);
        ids.filter_map(|id| self.get(Kind::SubscriptionItem, id)).collect()
    }

    fn items_of(&self, subscription: &Value) -> Value {
        let rows = self.item_rows(subscription);
        let has_more = rows.len() > EMBEDDED_MAX;
        let items = rows.into_iter().take(EMBEDDED_MAX).map(|row| self.present(row)).collect();
        list(items, has_more, &format!("/v1/subscription_items?subscription={}", text(subscription, "id")))
    }

    fn put_price_in(&self, item: &mut Value) {
        let price = self.presented(Kind::Price, text(item, "price"));
        item["plan"] = plan(&price);
        item["price"] = price;
    }
}

/// A recurring price in the older shape (<https://docs.stripe.com/api/plans/object>).
pub(crate) fn plan(price: &Value) -> Value {
    let recurring = &price["recurring"];
    json!({
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": number(recurring, "interval_count"),
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": null,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    })
}
