//! JSON made readable without being understood: every byte of it that is not white space stays, in
//! its order. A parser would lose what it does not keep, such as the order of keys.

use serde::de::IgnoredAny;

const INDENT: usize = 2;

/// The document, one member to a line; none if it is no JSON.
pub(crate) fn indented(bytes: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<IgnoredAny>(bytes).ok()?;
    let mut written = Vec::with_capacity(bytes.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0, false, false);
    for &byte in bytes {
        if in_string {
            written.push(byte);
            in_string = byte != b'"' || is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'{' | b'[' => {
                depth += 1;
                written.push(byte);
                new_line(&mut written, depth);
            }
            b'}' | b']' => {
                depth -= 1;
                close(&mut written, byte, depth);
            }
            b',' => {
                written.push(byte);
                new_line(&mut written, depth);
            }
            b':' => written.extend(b": "),
            other => {
                in_string = other == b'"';
                written.push(other);
            }
        }
    }
    written.push(b'\n');
    Some(written)
}

fn new_line(written: &mut Vec<u8>, depth: usize) {
    written.push(b'\n');
    written.resize(written.len() + depth * INDENT, b' ');
}

/// What is empty stays on one line.
fn close(written: &mut Vec<u8>, bracket: u8, depth: usize) {
    let end = written.trim_ascii_end().len();
    let is_empty = matches!(written.get(end.saturating_sub(1)), Some(b'{' | b'[')) && end < written.len();
    if is_empty {
        written.truncate(end);
    } else {
        new_line(written, depth);
    }
    written.push(bracket);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: Option<&str>) {
        let found = indented(bytes.as_bytes()).map(|bytes| String::from_utf8(bytes).expect("as it came"));
        assert_eq!(found.as_deref(), expected, "{bytes}");
    }

    #[test]
    fn json_is_indented_and_otherwise_as_it_came() {
        let expected = "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"{ \\\" , [\"\n}\n";
        check(r#"{"b":[1.50, { },[]],"a":"{ \" , ["}"#, Some(expected));
        check(r#""\\""#, Some("\"\\\\\"\n"));
        check("42", Some("42\n"));
        check("{}", Some("{}\n"));
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        for text in ["", "{", "no", "{} {}"] {
            check(text, None);
        }
    }
}
