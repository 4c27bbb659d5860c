//! The phases of a schedule, said again to Stripe with another number in the second.
//!
//! Stripe replaces all phases at once, so whatever is left out of the current one is lost. It is
//! copied from the answer field by field, along the lists below of what an update takes
//! (<https://docs.stripe.com/api/subscription_schedules/update#update_subscription_schedule-phases>).

use domain::ids::PriceId;
use domain::words::LicenseCount;
use serde_json::{Map, Value, json};

/// What there is to copy of a phase, and of what is inside it. A name alone is copied whole, and
/// where an object was expanded its id stands for it.
const PHASE: &[(&str, Part)] = &[
    ("add_invoice_items", Part::Each(INVOICE_ITEM)),
    ("application_fee_percent", Part::Whole),
    ("automatic_tax", Part::Inside(&[("enabled", Part::Whole), ("liability", Part::Inside(ACCOUNT))])),
    ("billing_cycle_anchor", Part::Whole),
    ("billing_thresholds", Part::Whole),
    ("collection_method", Part::Whole),
    ("currency", Part::Whole),
    ("default_payment_method", Part::Whole),
    ("default_tax_rates", Part::Whole),
    ("description", Part::Whole),
    ("discounts", Part::Each(DISCOUNT)),
    ("end_date", Part::Whole),
    ("invoice_settings", Part::Inside(INVOICES)),
    ("items", Part::Each(ITEM)),
    ("metadata", Part::Whole),
    ("on_behalf_of", Part::Whole),
    ("proration_behavior", Part::Whole),
    ("start_date", Part::Whole),
    ("transfer_data", Part::Inside(&[("amount_percent", Part::Whole), ("destination", Part::Whole)])),
    ("trial_end", Part::Whole),
];
/// `plan` is the older name of `price`, and two prices of one item would contradict each other.
const ITEM: &[(&str, Part)] = &[
    ("billing_thresholds", Part::Whole),
    ("discounts", Part::Each(DISCOUNT)),
    ("metadata", Part::Whole),
    ("price", Part::Whole),
    ("quantity", Part::Whole),
    ("tax_rates", Part::Whole),
];
const INVOICE_ITEM: &[(&str, Part)] = &[
    ("discountable", Part::Whole),
    ("discounts", Part::Each(DISCOUNT)),
    ("metadata", Part::Whole),
    ("period", Part::Whole),
    ("price", Part::Whole),
    ("quantity", Part::Whole),
    ("tax_rates", Part::Whole),
];
const INVOICES: &[(&str, Part)] = &[
    ("account_tax_ids", Part::Whole),
    ("custom_fields", Part::Whole),
    ("days_until_due", Part::Whole),
    ("description", Part::Whole),
    ("footer", Part::Whole),
    ("issuer", Part::Inside(ACCOUNT)),
];
const ACCOUNT: &[(&str, Part)] = &[("account", Part::Whole), ("type", Part::Whole)];
const DISCOUNT: &[(&str, Part)] =
    &[("coupon", Part::Whole), ("discount", Part::Whole), ("promotion_code", Part::Whole)];

/// What the next phase does not repeat: its own times, what was billed once, and an anchor at its
/// beginning, which would move the day of the month that bills come on.
const ONCE: [&str; 5] = ["add_invoice_items", "billing_cycle_anchor", "end_date", "start_date", "trial_end"];

/// How much of a field is copied.
enum Part {
    Whole,
    Inside(&'static [(&'static str, Part)]),
    Each(&'static [(&'static str, Part)]),
}

/// The number that is to come.
pub(crate) struct Coming<'a> {
    pub(crate) price: &'a PriceId,
    pub(crate) quantity: LicenseCount,
    /// When, in Unix seconds.
    pub(crate) at: i64,
}

/// The current phase as it is, and after it one with the new number. None where the schedule has
/// no current phase, or no such price in it.
pub(crate) fn with_number(schedule: &Value, coming: &Coming<'_>) -> Option<Value> {
    let start = &schedule["current_phase"]["start_date"];
    let runs = |phase: &&Value| phase["start_date"] == *start;
    let Value::Object(mut current) = copy(schedule["phases"].as_array()?.iter().find(runs)?, PHASE)? else {
        return None;
    };
    current.insert("end_date".to_owned(), json!(coming.at));
    let mut next = current.clone();
    next.retain(|name, _| !ONCE.contains(&name.as_str()));
    next.insert("proration_behavior".to_owned(), json!("none"));
    let items = next.get_mut("items")?.as_array_mut()?;
    let item = items.iter_mut().find(|item| item["price"] == coming.price.as_str())?;
    item["quantity"] = json!(coming.quantity.get());
    Some(json!([current, next]))
}

/// The current phase with the new number, and none after it.
pub(crate) fn with_number_now(schedule: &Value, coming: &Coming<'_>) -> Option<Value> {
    let mut phases = with_number(schedule, coming)?;
    let items = phases[1]["items"].take();
    phases[0]["items"] = items;
    phases.as_array_mut()?.truncate(1);
    Some(phases)
}

/// What is there of those fields: nothing that is null, and nothing that is empty, since a form
/// cannot say either.
fn copy(from: &Value, fields: &[(&str, Part)]) -> Option<Value> {
    let mut copied = Map::new();
    for (name, part) in fields {
        let value = &from[*name];
        let value = match part {
            Part::Whole => said(value),
            Part::Inside(fields) => copy(value, fields),
            Part::Each(fields) => {
                let each = value.as_array().into_iter().flatten().filter_map(|one| copy(one, fields)).collect();
                said(&Value::Array(each))
            }
        };
        if let Some(value) = value {
            copied.insert((*name).to_owned(), value);
        }
    }
    (!copied.is_empty()).then_some(Value::Object(copied))
}

fn said(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.clone()),
        Value::Array(all) => {
            let said: Vec<_> = all.iter().filter_map(said).collect();
            (!said.is_empty()).then_some(Value::Array(said))
        }
        Value::Object(fields) => match fields.get("object").and(fields.get("id")) {
            Some(id) => Some(id.clone()),
            None => {
                let said: Map<_, _> = fields.iter().filter_map(|(k, v)| Some((k.clone(), said(v)?))).collect();
                (!said.is_empty()).then_some(Value::Object(said))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every field that a phase of this API version has, each with something in it.
    fn full_phase() -> Value {
        json!({
            "add_invoice_items": [{
                "discounts": [], "metadata": {}, "period": {"end": {"type": "min_item_period_end"},
                "start": {"type": "max_item_period_start"}}, "price": {"id": "price_setup", "object": "price"},
                "quantity": 1, "tax_rates": []
            }],
            "application_fee_percent": 2.5,
            "automatic_tax": {"enabled": true, "liability": {"type": "self"}, "disabled_reason": null},
            "billing_cycle_anchor": "phase_start",
            "billing_thresholds": {"amount_gte": 5000, "reset_billing_cycle_anchor": false},
            "collection_method": "send_invoice",
            "currency": "usd",
            "default_payment_method": {"id": "pm_1", "object": "payment_method", "card": {}},
            "default_tax_rates": [{"id": "txr_1", "object": "tax_rate"}],
            "description": "seats",
            "discounts": [{"coupon": null, "discount": "di_1", "promotion_code": null}],
            "end_date": 2000,
            "invoice_settings": {
                "account_tax_ids": ["txi_1"], "custom_fields": [{"name": "PO", "value": "7"}], "days_until_due": 30,
                "description": null, "footer": "thanks", "issuer": {"type": "self"}
            },
            "items": [
                {"billing_thresholds": null, "discounts": [], "metadata": {"k": "v"}, "plan": "price_seat",
                 "price": "price_seat", "quantity": 10, "tax_rates": []},
                {"billing_thresholds": {"usage_gte": 5}, "discounts": [], "metadata": {}, "plan": "price_extra",
                 "price": {"id": "price_extra", "object": "price"}, "quantity": 1, "tax_rates": ["txr_2"]}
            ],
            "metadata": {"campaign": "spring"},
            "on_behalf_of": "acct_1",
            "proration_behavior": "always_invoice",
            "start_date": 1000,
            "transfer_data": {"amount_percent": null, "destination": {"id": "acct_2", "object": "account"}},
            "trial_end": 1500
        })
    }

    fn schedule(phases: Value) -> Value {
        json!({"current_phase": {"start_date": 1000, "end_date": 2000}, "phases": phases})
    }

    fn written(schedule: &Value, price: &str, quantity: i64) -> Option<Value> {
        let (price, quantity) = (price.parse().expect("a price"), quantity.try_into().expect("a count"));
        with_number(schedule, &Coming { price: &price, quantity, at: 2000 })
    }

    #[test]
    fn a_number_for_now_is_in_the_only_phase() {
        let schedule = schedule(json!([full_phase()]));
        let price = "price_seat".parse().expect("a price");
        let quantity = 4.try_into().expect("a count");
        let phases = with_number_now(&schedule, &Coming { price: &price, quantity, at: 2000 }).expect("phases");
        let phases = phases.as_array().expect("a list");
        assert_eq!((phases.len(), &phases[0]["items"][0]["quantity"]), (1, &json!(4)));
        assert_eq!((&phases[0]["start_date"], &phases[0]["end_date"]), (&json!(1000), &json!(2000)));
    }

    #[test]
    fn the_current_phase_keeps_every_field() {
        let phases = written(&schedule(json!([full_phase()])), "price_seat", 4).expect("two phases");
        assert_eq!(
            phases[0],
            json!({
                "add_invoice_items": [{
                    "period": {"end": {"type": "min_item_period_end"}, "start": {"type": "max_item_period_start"}},
                    "price": "price_setup", "quantity": 1
                }],
                "application_fee_percent": 2.5,
                "automatic_tax": {"enabled": true, "liability": {"type": "self"}},
                "billing_cycle_anchor": "phase_start",
                "billing_thresholds": {"amount_gte": 5000, "reset_billing_cycle_anchor": false},
                "collection_method": "send_invoice",
                "currency": "usd",
                "default_payment_method": "pm_1",
                "default_tax_rates": ["txr_1"],
                "description": "seats",
                "discounts": [{"discount": "di_1"}],
                "end_date": 2000,
                "invoice_settings": {
                    "account_tax_ids": ["txi_1"], "custom_fields": [{"name": "PO", "value": "7"}],
                    "days_until_due": 30, "footer": "thanks", "issuer": {"type": "self"}
                },
                "items": [
                    {"metadata": {"k": "v"}, "price": "price_seat", "quantity": 10},
                    {"billing_thresholds": {"usage_gte": 5}, "price": "price_extra", "quantity": 1, "tax_rates": ["txr_2"]}
                ],
                "metadata": {"campaign": "spring"},
                "on_behalf_of": "acct_1",
                "proration_behavior": "always_invoice",
                "start_date": 1000,
                "transfer_data": {"destination": "acct_2"},
                "trial_end": 1500
            })
        );
        // Whatever else a phase has could be lost; the list above is all of it.
        let known: Vec<_> = PHASE.iter().map(|(name, _)| *name).collect();
        assert!(full_phase().as_object().expect("an object").keys().all(|name| known.contains(&name.as_str())));
    }

    #[test]
    fn the_next_phase_is_the_current_one_with_the_new_number_and_nothing_billed_twice() {
        let phases = written(&schedule(json!([full_phase()])), "price_seat", 4).expect("two phases");
        let mut expected = phases[0].clone();
        for name in ONCE {
            expected.as_object_mut().expect("an object").remove(name);
        }
        expected["proration_behavior"] = json!("none");
        expected["items"][0]["quantity"] = json!(4);
        assert_eq!(phases[1], expected);
    }

    #[test]
    fn past_and_later_phases_are_left_out() {
        let phase = |start: i64, quantity: i64| json!({"start_date": start, "end_date": start + 1000, "items": [{"price": "price_seat", "quantity": quantity}]});
        let phases = written(&schedule(json!([phase(0, 20), phase(1000, 10), phase(2000, 7)])), "price_seat", 4);
        let phases = phases.expect("two phases");
        assert_eq!(phases.as_array().map(Vec::len), Some(2));
        assert_eq!((&phases[0]["items"][0]["quantity"], &phases[1]["items"][0]["quantity"]), (&json!(10), &json!(4)));
    }

    #[test]
    fn a_schedule_without_a_current_phase_or_the_price_is_not_written() {
        assert_eq!(written(&json!({"current_phase": null, "phases": [full_phase()]}), "price_seat", 4), None);
        assert_eq!(written(&schedule(json!([full_phase()])), "price_other", 4), None);
    }
}
