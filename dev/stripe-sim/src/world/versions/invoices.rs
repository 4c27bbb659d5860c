//! Invoices and invoice items before 2025-03-31.basil.

use serde_json::{Value, json};

use super::remove;
use crate::world::kind::Kind;
use crate::world::present::plan;
use crate::world::{World, text};

/// The subscription was named at the top level, and one payment paid all of it.
pub(super) fn invoice_before_basil(world: &World, mut invoice: Value) -> Value {
    let details = invoice["parent"]["subscription_details"].clone();
    invoice["subscription"] = details["subscription"].clone();
    invoice["subscription_details"] = json!({"metadata": details["metadata"]});
    invoice["paid"] = json!(text(&invoice, "status") == "paid");
    invoice["paid_out_of_band"] = json!(false);
    invoice["total_tax_amounts"] = json!([]);
    for field in ["charge", "discount", "payment_intent", "quote", "tax"] {
        invoice[field] = Value::Null;
    }
    remove(&mut invoice, &["amount_overpaid", "parent", "payments", "total_taxes"]);
    for line in invoice["lines"]["data"].as_array_mut().into_iter().flatten() {
        line_before_basil(world, line);
    }
    invoice
}

fn line_before_basil(world: &World, line: &mut Value) {
    let parent = line["parent"].clone();
    let of_subscription = &parent["subscription_item_details"];
    let of_item = &parent["invoice_item_details"];
    let details = if of_subscription.is_null() { of_item } else { of_subscription };
    line["type"] = json!(if of_subscription.is_null() { "invoiceitem" } else { "subscription" });
    line["invoice_item"] = details["invoice_item"].clone();
    line["proration"] = json!(details["proration"] == true);
    line["proration_details"] = details["proration_details"].clone();
    line["subscription_item"] = of_subscription["subscription_item"].clone();
    line["tax_amounts"] = json!([]);
    line["tax_rates"] = json!([]);
    put_price_in(world, line);
    remove(line, &["parent", "taxes"]);
}

/// What waits for an invoice.
pub(super) fn item_before_basil(world: &World, mut item: Value) -> Value {
    let details = item["parent"]["subscription_details"].clone();
    item["subscription"] = details["subscription"].clone();
    item["subscription_item"] = details["subscription_item"].clone();
    put_price_in(world, &mut item);
    remove(&mut item, &["net_amount", "parent"]);
    item
}

/// The whole price stood where its id does now.
fn put_price_in(world: &World, line: &mut Value) {
    let id = text(&line["pricing"]["price_details"], "price").to_owned();
    let price = world.presented(Kind::Price, &id);
    line["plan"] = if price["recurring"].is_object() { plan(&price) } else { Value::Null };
    line["unit_amount_excluding_tax"] = price["unit_amount_decimal"].clone();
    line["price"] = price;
    remove(line, &["pricing"]);
}
