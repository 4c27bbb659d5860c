//! JSON that can be read in one way only.
//!
//! serde_json alone keeps the last of two equal keys, so that two readers of one event could see
//! two events, and refuses a number that no machine type holds, also where nobody asks for it.
//! This reader refuses the one and keeps the other as text. Strings and numbers are still
//! serde_json's to judge.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::envelope::EnvelopeError;

/// How many lists and objects may stand inside each other: as many as serde_json takes.
const DEPTH_MAX: usize = 127;

/// A value, borrowed from its text where it can be. What stands in lists is checked and dropped:
/// nothing that we look for is in one.
#[derive(Debug)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List,
    Object(BTreeMap<Cow<'a, str>, Json<'a>>),
}

static NULL: Json<'static> = Json::Null;

impl<'a> Json<'a> {
    /// The one value that `bytes` are, and nothing behind it.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| EnvelopeError::NotUtf8)?;
        let mut reader = Reader { rest: text.trim_start_matches(WHITESPACE) };
        let value = reader.value(0)?;
        if reader.rest.is_empty() { Ok(value) } else { Err(EnvelopeError::NotJson) }
    }

    /// The value of that key; null where there is none.
    pub(super) fn get(&self, key: &str) -> &Json<'a> {
        match self {
            Self::Object(fields) => fields.get(key).unwrap_or(&NULL),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List => &NULL,
        }
    }

    /// The value at a JSON pointer (RFC 6901), such as `/data/object/id`.
    pub(super) fn at(&self, pointer: &str) -> &Json<'a> {
        pointer.split('/').skip(1).fold(self, |value, key| value.get(key))
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List | Self::Object(_) => None,
        }
    }
}

const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// What is still to be read. It begins with no white space.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json<'a>, EnvelopeError> {
        match self.rest.bytes().next() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => Err(EnvelopeError::TooDeep),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(EnvelopeError::NotJson),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, EnvelopeError> {
        let mut fields = BTreeMap::new();
        self.expect("{")?;
        if self.skip("}") {
            return Ok(Json::Object(fields));
        }
        loop {
            let key = self.string()?;
            self.expect(":")?;
            if fields.insert(key, self.value(depth)?).is_some() {
                return Err(EnvelopeError::DuplicateKey);
            }
            if self.skip("}") {
                return Ok(Json::Object(fields));
            }
            self.expect(",")?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json<'a>, EnvelopeError> {
        self.expect("[")?;
        if self.skip("]") {
            return Ok(Json::List);
        }
        loop {
            self.value(depth)?;
            if self.skip("]") {
                return Ok(Json::List);
            }
            self.expect(",")?;
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, EnvelopeError> {
        let inside = self.rest.strip_prefix('"').ok_or(EnvelopeError::NotJson)?;
        let mut bytes = inside.bytes().enumerate();
        let end = loop {
            match bytes.next().ok_or(EnvelopeError::NotJson)? {
                (at, b'"') => break at,
                // What is escaped does not end it.
                (_, b'\\') => drop(bytes.next()),
                _ => {}
            }
        };
        let quoted = self.take(end + 2);
        if !quoted.contains('\\') && !quoted.bytes().any(|byte| byte.is_ascii_control()) {
            return Ok(Cow::Borrowed(&inside[..end]));
        }
        // Control characters and halves of surrogate pairs are found here.
        serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| EnvelopeError::NotJson)
    }

    fn number(&mut self) -> Result<Json<'a>, EnvelopeError> {
        let is_inside = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let end = self.rest.bytes().position(|byte| !is_inside(byte)).unwrap_or(self.rest.len());
        let number = self.take(end);
        // Raw, its form is checked and its size is not.
        serde_json::from_str::<&RawValue>(number).map_err(|_| EnvelopeError::NotJson)?;
        Ok(Json::Number(number))
    }

    fn word(&mut self) -> Result<Json<'a>, EnvelopeError> {
        let words = [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))];
        words.into_iter().find_map(|(word, value)| self.skip(word).then_some(value)).ok_or(EnvelopeError::NotJson)
    }

    fn expect(&mut self, token: &str) -> Result<(), EnvelopeError> {
        if self.skip(token) { Ok(()) } else { Err(EnvelopeError::NotJson) }
    }

    fn skip(&mut self, token: &str) -> bool {
        let is_there = self.rest.starts_with(token);
        if is_there {
            self.take(token.len());
        }
        is_there
    }

    /// That many bytes, and the white space behind them.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest.trim_start_matches(WHITESPACE);
        taken
    }
}
