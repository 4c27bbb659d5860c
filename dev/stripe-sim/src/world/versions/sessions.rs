//! Checkout sessions before 2026-03-25.dahlia.

use serde_json::{Value, json};

use super::{Version, remove};
use crate::world::text;

pub(super) fn older(mut session: Value, version: Version) -> Value {
    session["ui_mode"] = match text(&session, "ui_mode") {
        "hosted_page" => json!("hosted"),
        "embedded_page" => json!("embedded"),
        "elements" => json!("custom"),
        other => json!(other),
    };
    if version < Version::Basil {
        session["shipping_details"] = session["collected_information"]["shipping_details"].take();
        remove(&mut session, &["collected_information"]);
    }
    if version == Version::Charges {
        session["shipping"] = session["shipping_details"].take();
        remove(&mut session, LATER);
    }
    session
}

/// Of a page that did not exist in 2020.
const LATER: &[&str] = &[
    "adaptive_pricing",
    "currency_conversion",
    "custom_fields",
    "custom_text",
    "customer_account",
    "integration_identifier",
    "invoice_creation",
    "managed_payments",
    "origin_context",
    "payment_method_collection",
    "payment_method_configuration_details",
    "permissions",
    "saved_payment_method_options",
    "shipping_cost",
    "shipping_details",
    "ui_mode",
    "wallet_options",
];
