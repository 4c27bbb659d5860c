//! One connection to a receiver: HTTP/1.1 over a socket, one request after the other.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A receiver's answers are a few hundred bytes.
const ANSWER_MAX: usize = 8 * 1024;

/// An open connection and the room for one answer.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(ANSWER_MAX) })
    }

    /// Sends a request and reads its answer to the end; the status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the receiver hung up");
            }
            if let Some(status) = status_of_whole(&self.answer)? {
                return Ok(status);
            }
            if self.answer.len() >= ANSWER_MAX {
                bail!("the answer has no end");
            }
        }
    }
}

/// The status, if the answer is there to its last byte.
fn status_of_whole(answer: &[u8]) -> Result<Option<u16>> {
    let Some(end) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("an answer without a length")?
        .1
        .trim()
        .parse()?;
    Ok((answer.len() >= end + 4 + length).then_some(status))
}

#[cfg(test)]
mod tests {
    use super::status_of_whole;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nabc";
        assert_eq!(status_of_whole(answer).expect("HTTP"), Some(503));
        for end in [0, 20, answer.len() - 4, answer.len() - 1] {
            assert_eq!(status_of_whole(&answer[..end]).expect("HTTP"), None, "{end} bytes");
        }
        assert!(status_of_whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
