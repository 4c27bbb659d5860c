//! A webhook endpoint for tests: takes deliveries down and answers as told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) signature: String,
    pub(crate) body: String,
}

/// An endpoint that fails its first deliveries.
pub(crate) struct Inbox {
    pub(crate) url: String,
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl Inbox {
    pub(crate) async fn failing(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let letters = Arc::new(Mutex::new(Vec::new()));
        let inbox = Self { url, letters: letters.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let earlier = letters.lock().expect("a lock").len();
                let letter = read(stream, earlier < failures).await;
                letters.lock().expect("a lock").push(letter);
            }
        });
        inbox
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.letters.lock().expect("a lock").clone()
    }
}

async fn read(mut stream: TcpStream, fails: bool) -> Letter {
    let mut bytes = Vec::new();
    let letter = loop {
        if let Some(letter) = parse(&bytes) {
            break letter;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.expect("bytes"), 0, "cut off");
    };
    let status = if fails { "503 Service Unavailable" } else { "200 OK" };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.expect("an answer sent");
    letter
}

/// The letter, once all of it is there.
fn parse(bytes: &[u8]) -> Option<Letter> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let length: usize = header("content-length:").parse().ok()?;
    (body.len() >= length).then(|| Letter { signature: header("stripe-signature:").to_owned(), body: body.to_owned() })
}
