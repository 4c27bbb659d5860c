//! What must be in the rows, worked out from Stripe's own JSON by the rules alone.
//!
//! Nothing of the product is used here: a rule that both sides took from one place could be
//! wrong on both sides.

use serde_json::Value;

/// What a subscription's row must hold, in the order of [`crate::books::Books::subscriptions`].
pub(crate) fn row(tenant: &str, subscription: &Value, license_prices: &[String]) -> Vec<String> {
    let items = list(&subscription["items"]["data"]);
    let seat = license_item(items, |item| &item["price"]["id"], license_prices);
    let seated = seat.unwrap_or(&Value::Null);
    let period = seat.or(items.first()).unwrap_or(&Value::Null);
    let quantity = quantity(seated);
    let change = waiting_change(&subscription["schedule"], quantity, license_prices);
    let mut row = vec![tenant.to_owned()];
    row.extend(["id", "customer", "status"].map(|field| text(&subscription[field])));
    row.push(number(quantity));
    row.extend([&seated["id"], &seated["price"]["id"], &seated["price"]["recurring"]["interval"]].map(text));
    row.extend([&period["current_period_start"], &period["current_period_end"]].map(text));
    row.extend(["cancel_at", "cancel_at_period_end", "canceled_at", "created"].map(|field| text(&subscription[field])));
    row.extend(change.unwrap_or_default());
    row.push(subscription["metadata"].to_string());
    row
}

/// What the tenant's licence count must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Is(i64),
    /// No licence subscription ever ran: it stays what it was.
    Stays,
    /// The canonical subscription cannot be read: it stays until a person decides.
    Withheld,
}

/// The count that follows from all subscriptions of a tenant.
pub(crate) fn count<'a>(subscriptions: impl IntoIterator<Item = &'a Value>, license_prices: &[String]) -> Count {
    let is_license = |subscription: &&Value| subscription["metadata"]["addon_key"].is_null();
    let licenses: Vec<&Value> = subscriptions.into_iter().filter(is_license).collect();
    let better = |subscription: &&&Value| {
        (rank(subscription), subscription["created"].as_i64(), subscription["id"].as_str().map(str::to_owned))
    };
    let canonical = licenses.iter().filter(|subscription| rank(subscription) > 0).max_by_key(better);
    let ever_ran = |status: &Value| status != "incomplete" && status != "incomplete_expired";
    match canonical {
        Some(canonical) => seats(canonical, license_prices).map_or(Count::Withheld, Count::Is),
        None if licenses.iter().any(|subscription| ever_ran(&subscription["status"])) => Count::Is(0),
        None => Count::Stays,
    }
}

/// How many licences a subscription is good for, if that can be told.
pub(crate) fn seats(subscription: &Value, license_prices: &[String]) -> Option<i64> {
    let items = list(&subscription["items"]["data"]);
    quantity(license_item(items, |item| &item["price"]["id"], license_prices)?)
}

/// 0 where it is not live.
fn rank(subscription: &Value) -> u8 {
    match subscription["status"].as_str() {
        Some("active") => 3,
        Some("trialing") => 2,
        Some("past_due") => 1,
        _ => 0,
    }
}

/// The one whose price counts licences; without such prices the only one.
fn license_item<'a>(
    items: &'a [Value],
    price: impl Fn(&Value) -> &Value,
    license_prices: &[String],
) -> Option<&'a Value> {
    let counts =
        |item: &&Value| license_prices.is_empty() || license_prices.iter().any(|counting| price(item) == counting);
    let counting: Vec<&Value> = items.iter().filter(counts).collect();
    if let [one] = counting[..] { Some(one) } else { None }
}

fn quantity(item: &Value) -> Option<i64> {
    let is_metered = item["price"]["recurring"]["usage_type"] == "metered";
    item["quantity"].as_i64().filter(|_| !is_metered)
}

/// Schedule, quantity and moment of the change that the schedule brings, if it brings one.
fn waiting_change(schedule: &Value, now: Option<i64>, license_prices: &[String]) -> Option<[String; 3]> {
    let ended = schedule["current_phase"]["end_date"].as_i64().unwrap_or(i64::MIN);
    let to_come = list(&schedule["phases"]).iter().filter(|phase| phase["start_date"].as_i64() >= Some(ended));
    let next = to_come.min_by_key(|phase| phase["start_date"].as_i64())?;
    let item = license_item(list(&next["items"]), |item| &item["price"], license_prices)?;
    let then = item["quantity"].as_i64()?;
    (Some(then) != now).then(|| [text(&schedule["id"]), then.to_string(), text(&next["start_date"])])
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn number(value: Option<i64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// As psql writes it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
