//! A schema of ours says all there is: a document with a field more, or one that is misspelled, does
//! not fit it.

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

/// What may say more about the same object than its own `properties`.
const BRANCHES: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const CLOSED: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];

/// Closes every object in it.
pub(super) fn close(schema: &mut Schema) {
    Close.transform(schema);
}

struct Close;

impl Transform for Close {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let is_open = CLOSED.iter().all(|name| schema.get(*name).is_none());
        if !is_open || schema.get("properties").is_none() {
            return;
        }
        // Where branches say more, only this word looks into them, see
        // <https://json-schema.org/understanding-json-schema/reference/object#unevaluatedproperties>.
        let is_whole = open_branches(schema) == 0;
        let word = if is_whole { CLOSED[0] } else { CLOSED[1] };
        schema.insert(word.to_owned(), Value::Bool(false));
    }
}

/// A branch knows nothing of the properties beside it, and must allow them. Answers how many there are.
fn open_branches(schema: &mut Schema) -> usize {
    let mut branches = 0;
    for name in BRANCHES {
        for branch in schema.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            branches += 1;
            if let Some(branch) = branch.as_object_mut() {
                branch.retain(|name, value| !CLOSED.contains(&name.as_str()) || *value != Value::Bool(false));
            }
        }
    }
    branches
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::json_schema;

    #[test]
    fn every_object_is_closed_and_a_map_stays_one() {
        let mut schema = json_schema!({
            "properties": {"one": {"properties": {"two": true}}, "map": {"type": "object", "additionalProperties": {}}},
            "$defs": {"three": {"properties": {}, "oneOf": [{"properties": {"four": {}}}]}},
        });
        close(&mut schema);
        let expected = json_schema!({
            "properties": {
                "one": {"properties": {"two": true}, "additionalProperties": false},
                "map": {"type": "object", "additionalProperties": {}},
            },
            "additionalProperties": false,
            "$defs": {
                "three": {"properties": {}, "oneOf": [{"properties": {"four": {}}}], "unevaluatedProperties": false},
            },
        });
        assert_eq!(schema, expected);
    }
}
