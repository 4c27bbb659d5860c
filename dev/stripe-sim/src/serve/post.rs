//! The one HTTP request that the double makes itself: a POST to a webhook endpoint.
//!
//! Plain HTTP/1.1 over a fresh connection is all that loopback and container networks need.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An endpoint that has not answered by then has failed.
const ANSWER_SECS_MAX: u64 = 10;

/// Sends the body and says the status, or why there is none.
pub(crate) async fn post(url: &str, signature: &str, body: &str) -> Result<u16, String> {
    let Some((host, path)) = parts(url) else { return Err("the double speaks plain http only".to_owned()) };
    match timeout(Duration::from_secs(ANSWER_SECS_MAX), exchange(&host, &path, signature, body)).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {ANSWER_SECS_MAX} s")),
    }
}

async fn exchange(host: &str, path: &str, signature: &str, body: &str) -> io::Result<u16> {
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\naccept: */*\r\ncontent-type: application/json; charset=utf-8\r\nstripe-signature: {signature}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut line = Vec::new();
    while !line.contains(&b'\n') {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    status(&line).ok_or_else(|| io::Error::other("the connection closed without an answer"))
}

/// `HTTP/1.1 200 OK` → 200.
fn status(head: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(head);
    line.split_whitespace().nth(1)?.parse().ok()
}

/// `http://host:port/path` → host with port, path.
fn parts(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    Some((host.to_owned(), if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
}
