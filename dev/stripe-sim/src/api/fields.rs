//! Copying parameters into objects.

use serde_json::{Map, Value, json};

use crate::error::Refusal;
use crate::params::Params;

/// Copies texts that were given; an emptied one becomes null.
pub(super) fn texts(params: &Params, object: &mut Value, names: &[&str]) {
    for name in names.iter().filter(|name| params.has(name)) {
        object[*name] = json!(params.str(name));
    }
}

/// Copies whole numbers that were given; an emptied one becomes null.
pub(super) fn integers(params: &Params, object: &mut Value, names: &[&str]) -> Result<(), Refusal> {
    for name in names.iter().filter(|name| params.has(name)) {
        object[*name] = json!(params.int(name)?);
    }
    Ok(())
}

/// Copies truth values that were given.
pub(super) fn flags(params: &Params, object: &mut Value, names: &[&str]) -> Result<(), Refusal> {
    for name in names {
        if let Some(flag) = params.bool(name)? {
            object[*name] = json!(flag);
        }
    }
    Ok(())
}

/// Merges `metadata`: an empty text deletes its key, an emptied `metadata` deletes all
/// (<https://docs.stripe.com/metadata>).
pub(super) fn metadata(params: &Params, object: &mut Value) -> Result<(), Refusal> {
    if params.is_emptied("metadata") {
        object["metadata"] = json!({});
    }
    let given = params.child("metadata");
    let mut kept = object["metadata"].as_object().cloned().unwrap_or_default();
    for (key, value) in given.value().as_object().into_iter().flatten() {
        match value.as_str() {
            Some("") => kept.remove(key),
            Some(text) => kept.insert(key.clone(), checked(&given.name(key), key, text)?),
            None => return Err(Refusal::invalid(given.name(key), "Metadata values must be strings.")),
        };
    }
    if kept.len() > 50 {
        return Err(Refusal::invalid("metadata", "You can have up to 50 metadata keys."));
    }
    object["metadata"] = Value::Object(kept);
    Ok(())
}

fn checked(param: &str, key: &str, value: &str) -> Result<Value, Refusal> {
    if key.chars().count() > 40 {
        return Err(Refusal::invalid(param, "Metadata keys can be at most 40 characters long."));
    }
    if value.chars().count() > 500 {
        return Err(Refusal::invalid(param, "Metadata values can be at most 500 characters long."));
    }
    Ok(json!(value))
}

/// The metadata of a new object.
pub(super) fn new_metadata(params: &Params) -> Result<Value, Refusal> {
    let mut holder = json!({"metadata": {}});
    metadata(params, &mut holder)?;
    Ok(holder["metadata"].take())
}

/// An address, its absent parts null.
pub(super) fn address(params: &Params) -> Value {
    let part = |name: &str| (name.to_owned(), json!(params.str(name)));
    let parts = ["city", "country", "line1", "line2", "postal_code", "state"].map(part);
    Value::Object(Map::from_iter(parts))
}

/// `{address, name, phone}`, or null when it was not given.
pub(super) fn shipping(params: &Params) -> Value {
    if !params.has("shipping") || params.is_emptied("shipping") {
        return Value::Null;
    }
    let given = params.child("shipping");
    json!({"address": address(&given.child("address")), "name": given.str("name"), "phone": given.str("phone")})
}

/// A currency, lower case.
pub(super) fn currency(params: &Params) -> Result<String, Refusal> {
    let given = params.required("currency")?.to_lowercase();
    if given.len() == 3 && given.chars().all(|letter| letter.is_ascii_lowercase()) {
        return Ok(given);
    }
    Err(Refusal::invalid(params.name("currency"), format!("Invalid currency: {given}")))
}
