//! Subscriptions before 2025-03-31.basil.

use serde_json::{Value, json};

use super::remove;

/// Every item was billed for the subscription's own period.
pub(super) fn before_basil(mut subscription: Value) -> Value {
    let items = subscription["items"]["data"].as_array().cloned().unwrap_or_default();
    let first = items.first().cloned().unwrap_or_default();
    for field in PERIOD {
        subscription[*field] = first[*field].clone();
    }
    let only = if items.len() == 1 { first } else { Value::Null };
    subscription["plan"] = only["plan"].clone();
    subscription["quantity"] = only["quantity"].clone();
    subscription["discount"] = Value::Null;
    subscription["items"]["data"] = items.into_iter().map(without_period).collect();
    subscription["items"]["total_count"] = json!(subscription["items"]["data"].as_array().map_or(0, Vec::len));
    subscription
}

const PERIOD: &[&str] = &["current_period_start", "current_period_end"];

fn without_period(mut item: Value) -> Value {
    remove(&mut item, PERIOD);
    item
}
