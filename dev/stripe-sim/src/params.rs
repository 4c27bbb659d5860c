//! Request parameters: the bracket notation that Stripe's clients send, parsed into a tree.
//!
//! `items[0][price]=x`, `expand[]=a` and `metadata[k]=v` become objects, arrays and strings.
//! Every leaf is a string until an endpoint asks for a number or a truth value.

use serde_json::{Map, Value};

use crate::error::Refusal;

/// A part of the request's parameters, with its place, so that a refusal can name it.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    at: String,
    value: Value,
}

impl Params {
    /// Parses a query string or a form body.
    pub(crate) fn parse(raw: &str) -> Self {
        let mut root = Value::Object(Map::new());
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            insert(&mut root, &segments(&decode(key)), decode(value));
        }
        number_arrays(&mut root);
        Self { at: String::new(), value: root }
    }

    /// Parses a query string and a body of JSON, as the second version of the API takes it. The body
    /// must be an object.
    pub(crate) fn parse_json(query: &str, body: &[u8]) -> Option<Self> {
        let mut params = Self::parse(query);
        if body.is_empty() {
            return Some(params);
        }
        let Value::Object(given) = serde_json::from_slice(body).ok()? else { return None };
        for (field, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
            params.value[field] = texts(value);
        }
        Some(params)
    }

    /// Parameters that were kept earlier, e.g. a session's `subscription_data`.
    pub(crate) fn of(kept: &Value, at: &str) -> Self {
        Self { at: at.to_owned(), value: kept.clone() }
    }

    /// The whole tree, for comparing and for the record.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// How a refusal names `field` of this part, e.g. `items[0][price]`.
    pub(crate) fn name(&self, field: &str) -> String {
        if self.at.is_empty() { field.to_owned() } else { format!("{}[{field}]", self.at) }
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.value.get(field).is_some()
    }

    /// Given, but to be emptied.
    pub(crate) fn is_emptied(&self, field: &str) -> bool {
        self.value.get(field).is_some_and(|value| value == "")
    }

    pub(crate) fn str(&self, field: &str) -> Option<&str> {
        self.value.get(field)?.as_str().filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, field: &str) -> Result<&str, Refusal> {
        self.str(field).ok_or_else(|| Refusal::missing_param(self.name(field)))
    }

    pub(crate) fn int(&self, field: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.str(field) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Refusal::invalid_integer(&self.name(field), text))
    }

    pub(crate) fn bool(&self, field: &str) -> Result<Option<bool>, Refusal> {
        match self.str(field) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::invalid(self.name(field), format!("Invalid boolean: {other}"))),
        }
    }

    /// One of the words that the parameter may be.
    pub(crate) fn one_of<'p>(&'p self, field: &str, words: &[&str]) -> Result<Option<&'p str>, Refusal> {
        let Some(given) = self.str(field) else { return Ok(None) };
        if words.contains(&given) {
            return Ok(Some(given));
        }
        let name = self.name(field);
        let message = format!("Invalid {name}: must be one of {}", words.join(", "));
        Err(Refusal::invalid(name, message))
    }

    /// The same with one more text.
    pub(crate) fn with(&self, field: &str, text: &str) -> Self {
        let mut params = self.clone();
        params.value[field] = Value::String(text.to_owned());
        params
    }

    /// The object under `field`; empty when it was not given.
    pub(crate) fn child(&self, field: &str) -> Self {
        let value = self.value.get(field).cloned().unwrap_or(Value::Object(Map::new()));
        Self { at: self.name(field), value }
    }

    /// The elements of the array under `field`.
    pub(crate) fn children(&self, field: &str) -> Vec<Self> {
        let at = self.name(field);
        let elements = self.value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        elements.into_iter().enumerate().map(|(i, value)| Self { at: format!("{at}[{i}]"), value }).collect()
    }

    /// The strings of the array under `field`; a lone string counts as one.
    pub(crate) fn strings(&self, field: &str) -> Vec<String> {
        match self.value.get(field) {
            Some(Value::String(one)) if !one.is_empty() => vec![one.clone()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(_) | None => Vec::new(),
        }
    }

    /// The first parameter that is not in `accepted`, e.g. `items[0][prize]`.
    ///
    /// `accepted` names leaves: `customer`, `items[].price`, and `metadata.*` for all below.
    pub(crate) fn unknown(&self, accepted: &[&[&str]]) -> Option<String> {
        let mut leaves = Vec::new();
        collect_leaves(&self.value, String::new(), String::new(), &mut leaves);
        let is_known =
            |pattern: &str| accepted.iter().flat_map(|list| list.iter()).any(|entry| matches(entry, pattern));
        leaves.into_iter().find(|(pattern, _)| !is_known(pattern)).map(|(_, name)| name)
    }
}

/// Numbers and truth values as a form would have sent them; null is not given at all.
fn texts(value: Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value,
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        Value::Array(elements) => elements.into_iter().map(texts).collect(),
        Value::Object(fields) => {
            let given = fields.into_iter().filter(|(_, value)| !value.is_null());
            given.map(|(field, value)| (field, texts(value))).collect::<Map<_, _>>().into()
        }
    }
}

/// Whether the accepted entry covers a leaf. An emptied object or array is a leaf too.
fn matches(entry: &str, leaf: &str) -> bool {
    if let Some(prefix) = entry.strip_suffix(".*") {
        return leaf.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    }
    let ends = entry.strip_prefix(leaf).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    ends || entry.strip_suffix("[]") == Some(leaf)
}

fn collect_leaves(value: &Value, pattern: String, name: String, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, below) in fields {
                let dot = if pattern.is_empty() { "" } else { "." };
                let named = if name.is_empty() { key.clone() } else { format!("{name}[{key}]") };
                collect_leaves(below, format!("{pattern}{dot}{key}"), named, leaves);
            }
        }
        Value::Array(elements) => {
            for (i, below) in elements.iter().enumerate() {
                collect_leaves(below, format!("{pattern}[]"), format!("{name}[{i}]"), leaves);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => leaves.push((pattern, name)),
    }
}

/// `items[0][price]` → `items`, `0`, `price`.
fn segments(key: &str) -> Vec<String> {
    let Some((head, rest)) = key.split_once('[') else { return vec![key.to_owned()] };
    let tail = rest.strip_suffix(']').unwrap_or(rest);
    std::iter::once(head).chain(tail.split("][")).map(str::to_owned).collect()
}

/// Arrays are kept as objects with numbered keys until the whole input is read.
fn insert(into: &mut Value, path: &[String], leaf: String) {
    let Some((head, rest)) = path.split_first() else {
        *into = Value::String(leaf);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Some(fields) = into.as_object_mut() else { return };
    let key = if head.is_empty() { next_index(fields, rest) } else { head.clone() };
    insert(fields.entry(key).or_insert(Value::Null), rest, leaf);
}

/// `a[]=1&a[]=2` appends; `a[][x]=1&a[][y]=2` fills one element until a field of it repeats.
fn next_index(fields: &Map<String, Value>, rest: &[String]) -> String {
    let count = fields.len();
    let Some(last) = count.checked_sub(1) else { return "0".to_owned() };
    let mut filled = fields.get(&last.to_string());
    for segment in rest {
        filled = filled.and_then(|value| value.get(segment));
    }
    let fits = !rest.is_empty() && filled.is_none();
    if fits { last.to_string() } else { count.to_string() }
}

fn number_arrays(value: &mut Value) {
    let Some(fields) = value.as_object_mut() else { return };
    // A metadata key may be a number; metadata is never an array.
    fields.iter_mut().filter(|(key, _)| *key != "metadata").for_each(|(_, below)| number_arrays(below));
    let mut numbered: Vec<(usize, String)> = Vec::new();
    for key in fields.keys() {
        let Ok(index) = key.parse() else { return };
        numbered.push((index, key.clone()));
    }
    if numbered.is_empty() {
        return;
    }
    numbered.sort();
    let elements = numbered.iter().filter_map(|(_, key)| fields.remove(key)).collect();
    *value = Value::Array(elements);
}

/// Undoes form encoding: `+` is a space, `%xx` a byte.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = if first == b'%' { hex_pair(tail) } else { None };
        bytes.push(escaped.unwrap_or(if first == b'+' { b' ' } else { first }));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let pair = std::str::from_utf8(bytes.get(..2)?).ok()?;
    u8::from_str_radix(pair, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Params;

    #[test]
    fn bracket_notation_becomes_a_tree() {
        let check = |raw: &str, tree| assert_eq!(Params::parse(raw).value, tree, "{raw}");
        check("a=1&b=x+y%2Bz", json!({"a": "1", "b": "x y+z"}));
        check("items[0][price]=p&items[0][quantity]=2", json!({"items": [{"price": "p", "quantity": "2"}]}));
        check("items%5B1%5D%5Bid%5D=b&items[0][id]=a", json!({"items": [{"id": "a"}, {"id": "b"}]}));
        check("expand[]=a&expand[]=b", json!({"expand": ["a", "b"]}));
        check("i[][p]=1&i[][q]=2&i[][p]=3", json!({"i": [{"p": "1", "q": "2"}, {"p": "3"}]}));
        check("metadata[k]=v&metadata[empty]=", json!({"metadata": {"k": "v", "empty": ""}}));
        check("metadata=", json!({"metadata": ""}));
        check("created[gte]=5", json!({"created": {"gte": "5"}}));
        check("", json!({}));
    }

    #[test]
    fn a_body_of_json_becomes_the_tree_that_a_form_would() {
        let check = |body: &str, tree| {
            assert_eq!(Params::parse_json("a=1", body.as_bytes()).map(|params| params.value), tree, "{body}");
        };
        check("", Some(json!({"a": "1"})));
        check(
            r#"{"b": [2, true], "c": {"d": "x", "e": null}, "f": null}"#,
            Some(json!({"a": "1", "b": ["2", "true"], "c": {"d": "x"}})),
        );
        check("[]", None);
        check("{", None);
    }

    #[test]
    fn only_what_an_endpoint_lists_is_known() {
        let accepted: &[&[&str]] = &[&["customer", "items[].price", "expand[]", "metadata.*"]];
        let check = |raw: &str, unknown: Option<&str>| {
            assert_eq!(Params::parse(raw).unknown(accepted).as_deref(), unknown, "{raw}");
        };
        check("customer=c&items[0][price]=p&expand[]=x&metadata[a]=b", None);
        check("metadata=&items=", None);
        check("items[0][prize]=p", Some("items[0][prize]"));
        check("customers=c", Some("customers"));
        check("customer[id]=c", Some("customer[id]"));
    }
}
