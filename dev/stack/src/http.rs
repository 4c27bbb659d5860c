//! As much HTTP as it takes to ask a server on this machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

/// No server on this machine takes that long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// `GET http://{address}{path}`.
pub fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
    request("GET", address, path, headers, "")
}

/// `POST` of a form.
pub fn post_form(address: &str, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Result<Response> {
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    request("POST", address, path, &all, self::form(form))
}

/// Names and values as a form carries them.
pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// Any request, with a body of any bytes. HTTP/1.0: the answer then ends with the connection and
/// comes in one piece.
pub fn request(
    method: &str,
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Result<Response> {
    let body = body.as_ref();
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("{address} did not answer {method} {path}"))?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{address} did not answer in HTTP"))
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_owned() })
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::{escaped, parse};

    #[test]
    fn a_form_value_is_escaped() {
        assert_eq!(escaped("items[0][price]"), "items%5B0%5D%5Bprice%5D");
        assert_eq!(escaped("a+b@c.de"), "a%2Bb%40c.de");
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse("HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\n\r\nnope").expect("is HTTP");
        assert_eq!((answer.status, answer.body.as_str()), (404, "nope"));
    }
}
