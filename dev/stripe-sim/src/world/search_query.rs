//! Stripe's search query language, as far as customers are found by texts
//! (<https://docs.stripe.com/search#search-query-language>).
//!
//! `email:'ann@example.com'` is the whole text whatever its letter case, `name~'ann'` a part of
//! it; `-` denies a clause, `AND` or a space joins them, and so does `OR`, but not both. What is
//! left out, and refused: numbers (`created>5`) and `null`.

use serde_json::Value;

use super::text;
use crate::error::Refusal;

/// What a search is for.
#[derive(Debug)]
pub(crate) struct Query {
    clauses: Vec<Clause>,
    /// One clause is enough.
    is_any: bool,
}

#[derive(Debug)]
struct Clause {
    is_denied: bool,
    field: Field,
    is_part: bool,
    /// In lower case.
    value: String,
}

#[derive(Debug)]
enum Field {
    Plain(&'static str),
    Metadata(String),
}

/// Those of a customer that hold texts
/// (<https://docs.stripe.com/search#query-fields-for-customers>).
const PLAIN: &[&str] = &["email", "name", "phone"];
const CLAUSES_MAX: usize = 10;
const PART_CHARS_MIN: usize = 3;

impl Query {
    pub(crate) fn parse(query: &str) -> Result<Self, Refusal> {
        let (mut clauses, mut joints, mut rest) = (Vec::new(), Vec::new(), query.trim());
        loop {
            let (clause, after) = Clause::parse(rest)?;
            clauses.push(clause);
            if after.trim().is_empty() {
                break;
            }
            let (is_or, next) = joint(after)?;
            joints.push(is_or);
            rest = next;
        }
        let is_any = joints.contains(&true);
        if clauses.len() > CLAUSES_MAX || is_any && joints.contains(&false) {
            return Err(unreadable());
        }
        Ok(Self { clauses, is_any })
    }

    pub(crate) fn finds(&self, customer: &Value) -> bool {
        let mut clauses = self.clauses.iter();
        if self.is_any {
            clauses.any(|clause| clause.finds(customer))
        } else {
            clauses.all(|clause| clause.finds(customer))
        }
    }
}

impl Clause {
    /// The clause at the beginning, and what follows it.
    fn parse(text: &str) -> Result<(Self, &str), Refusal> {
        let (is_denied, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let (field, text) = Field::parse(text)?;
        let is_part = text.starts_with('~');
        let text = text.strip_prefix([':', '~']).ok_or_else(unreadable)?;
        let (value, rest) = quoted(text).ok_or_else(unreadable)?;
        if is_part && (matches!(field, Field::Metadata(_)) || value.chars().count() < PART_CHARS_MIN) {
            return Err(unreadable());
        }
        Ok((Self { is_denied, field, is_part, value: value.to_lowercase() }, rest))
    }

    fn finds(&self, customer: &Value) -> bool {
        let held = match &self.field {
            Field::Plain(name) => text(customer, name),
            Field::Metadata(key) => text(&customer["metadata"], key),
        };
        let held = held.to_lowercase();
        let is_found = if self.is_part { held.contains(&self.value) } else { held == self.value };
        is_found != self.is_denied
    }
}

impl Field {
    fn parse(text: &str) -> Result<(Self, &str), Refusal> {
        if let Some(rest) = text.strip_prefix("metadata[") {
            let (key, rest) = quoted(rest).ok_or_else(unreadable)?;
            return Ok((Self::Metadata(key), rest.strip_prefix(']').ok_or_else(unreadable)?));
        }
        let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let field = PLAIN.iter().find(|known| **known == name).ok_or_else(|| unsupported(name))?;
        Ok((Self::Plain(field), rest))
    }
}

/// A text in quotes of either kind, a backslash before those that belong to it; and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let (mut value, mut letters) = (String::new(), text.char_indices().skip(1));
    while let Some((place, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next()?.1),
            letter if letter == quote => return Some((value, &text[place + 1..])),
            letter => value.push(letter),
        }
    }
    None
}

/// Whether the word between two clauses is `OR`, and what follows it. None is `AND`.
fn joint(text: &str) -> Result<(bool, &str), Refusal> {
    let next = text.trim_start();
    if next.len() == text.len() {
        return Err(unreadable());
    }
    let (word, rest) = next.split_once(char::is_whitespace).unwrap_or((next, ""));
    Ok(match word.to_ascii_lowercase().as_str() {
        "and" => (false, rest.trim_start()),
        "or" => (true, rest.trim_start()),
        _clause => (false, next),
    })
}

fn unreadable() -> Refusal {
    let message = "We were unable to parse your search query. Try using the format `metadata[\"key\"]:\"value\"` to query for metadata or key:\"value\" to query for other fields.";
    Refusal::invalid("query", message)
}

fn unsupported(field: &str) -> Refusal {
    let message = format!(
        "Field `{field}` is an unsupported search field for resource `customers`. See http://stripe.com/docs/search#query-fields-for-customers for a list of supported fields."
    );
    Refusal::invalid("query", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Query;

    fn finds(query: &str) -> Option<bool> {
        let ann = json!({"email": "Ann@Example.com", "name": "Ann O'Hara", "metadata": {"k": "V"}});
        Query::parse(query).ok().map(|query| query.finds(&ann))
    }

    #[test]
    fn texts_are_compared_whole_and_without_their_letter_case() {
        let check = |query, found| assert_eq!(finds(query), Some(found), "{query}");
        check("email:'ann@example.com'", true);
        check("email:\"ANN@EXAMPLE.COM\"", true);
        check("email:'ann@example.co'", false);
        check("email~'example'", true);
        check(r"name:'ann o\'hara'", true);
        check("metadata['k']:'v'", true);
        check("phone:'1'", false);
    }

    #[test]
    fn clauses_are_joined_one_way_and_denied_one_by_one() {
        let check = |query, found| assert_eq!(finds(query), found, "{query}");
        check("email:'ann@example.com' AND -metadata['k']:'v'", Some(false));
        check("email:'ann@example.com' -phone:'1'", Some(true));
        check("phone:'1' or email~'ann'", Some(true));
        check("phone:'1' OR email~'ann' AND name~'ann'", None);
        check(&"phone:'1' ".repeat(11), None);
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for query in
            ["", "email", "email:ann", "email:'ann", "emails:'a'", "email~'an'", "email:'a'name:'b'", "created>5"]
        {
            assert_eq!(finds(query), None, "{query}");
        }
    }
}
