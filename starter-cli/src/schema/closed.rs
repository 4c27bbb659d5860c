//! A schema of ours says all there is: a document with a field more, or one that is misspelled, does
//! not fit it.

use schemars::Schema;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

/// What says more about the same object than its own `properties`.
const ALONGSIDE: [&str; 4] = ["$ref", "allOf", "anyOf", "oneOf"];

/// Closes every object in it.
pub(super) fn close(schema: &mut Schema) {
    RecursiveTransform(close_one).transform(schema);
}

fn close_one(schema: &mut Schema) {
    let is_open = ["additionalProperties", "unevaluatedProperties"].iter().all(|name| schema.get(*name).is_none());
    if !is_open || schema.get("properties").is_none() {
        return;
    }
    // Only this one looks into what stands beside it, see
    // <https://json-schema.org/understanding-json-schema/reference/object#unevaluatedproperties>.
    let word = match ALONGSIDE.iter().any(|name| schema.get(*name).is_some()) {
        true => "unevaluatedProperties",
        false => "additionalProperties",
    };
    schema.insert(word.to_owned(), Value::Bool(false));
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::json_schema;

    #[test]
    fn every_object_is_closed_and_a_map_stays_one() {
        let mut schema = json_schema!({
            "properties": {"one": {"properties": {"two": true}}, "map": {"type": "object", "additionalProperties": {}}},
            "$defs": {"three": {"properties": {}, "allOf": [{"type": "object"}]}},
        });
        close(&mut schema);
        let expected = json_schema!({
            "properties": {
                "one": {"properties": {"two": true}, "additionalProperties": false},
                "map": {"type": "object", "additionalProperties": {}},
            },
            "additionalProperties": false,
            "$defs": {"three": {"properties": {}, "allOf": [{"type": "object"}], "unevaluatedProperties": false}},
        });
        assert_eq!(schema, expected);
    }
}
