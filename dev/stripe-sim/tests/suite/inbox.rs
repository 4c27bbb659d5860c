//! A webhook endpoint for tests: takes deliveries down and answers as told.

use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use crate::client::eventually;

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) signature: String,
    pub(crate) body: String,
}

impl Letter {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The id of the event in it.
    pub(crate) fn id(&self) -> String {
        self.event()["id"].as_str().expect("an id").to_owned()
    }

    /// The `t` of a signature that one of its `v1` makes right.
    pub(crate) fn verified(&self, secret: &str) -> i64 {
        let at = self.parts("t=")[0];
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
        mac.update(format!("{at}.{}", self.body).as_bytes());
        let expected = hex::encode(mac.finalize().into_bytes());
        assert!(self.parts("v1=").contains(&expected.as_str()), "{} is not {expected}", self.signature);
        at.parse().expect("seconds")
    }

    /// What follows this in the header, as often as it is there.
    pub(crate) fn parts(&self, scheme: &str) -> Vec<&str> {
        self.signature.split(',').filter_map(|part| part.strip_prefix(scheme)).collect()
    }
}

/// An endpoint.
pub(crate) struct Inbox {
    pub(crate) url: String,
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl Inbox {
    /// Fails its first deliveries.
    pub(crate) async fn failing(failures: usize) -> Self {
        Self::open(failures, Arc::new(Barrier::new(1))).await
    }

    /// Answers only when so many deliveries wait for it at once.
    pub(crate) async fn answering_together(count: usize) -> Self {
        Self::open(0, Arc::new(Barrier::new(count))).await
    }

    async fn open(failures: usize, together: Arc<Barrier>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let letters = Arc::new(Mutex::new(Vec::new()));
        let inbox = Self { url, letters: letters.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, failures, letters.clone(), together.clone()));
            }
        });
        inbox
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.letters.lock().expect("a lock").clone()
    }

    /// Waits for that many letters.
    pub(crate) async fn until(&self, count: usize) -> Vec<Letter> {
        eventually("letters", async || Some(self.letters()).filter(|letters| letters.len() >= count)).await
    }
}

/// A letter is there before its answer is: whoever waits for the answer finds it.
async fn take(mut stream: TcpStream, failures: usize, letters: Arc<Mutex<Vec<Letter>>>, together: Arc<Barrier>) {
    let letter = read(&mut stream).await;
    let earlier = {
        let mut letters = letters.lock().expect("a lock");
        letters.push(letter);
        letters.len() - 1
    };
    together.wait().await;
    let status = if earlier < failures { "503 Service Unavailable" } else { "200 OK" };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.expect("an answer sent");
}

async fn read(stream: &mut TcpStream) -> Letter {
    let mut bytes = Vec::new();
    loop {
        if let Some(letter) = parse(&bytes) {
            return letter;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.expect("bytes"), 0, "cut off");
    }
}

/// The letter, once all of it is there.
fn parse(bytes: &[u8]) -> Option<Letter> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let body = &bytes[end + 4..];
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let length: usize = header("content-length:").parse().ok()?;
    (body.len() >= length).then(|| Letter {
        signature: header("stripe-signature:").to_owned(),
        body: String::from_utf8(body.to_vec()).expect("text"),
    })
}
