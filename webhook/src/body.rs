//! Reading a body from somebody who may be anybody: not too much, not too long, and all bodies
//! together in bounded memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::refusal::Refusal;

/// Bytes of one body. Stripe's largest events are a tenth of this.
const BODY_MAX: usize = 512 * 1024;
/// How long one may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of all bodies that are in memory at once.
const BODIES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a refused body that are still read, and thrown away, so that its sender comes to
/// listen to the answer.
const DISCARDED_MAX: usize = 64 * 1024 * 1024;

/// The memory that bodies may take. What arrives is paid for; who cannot pay is told to come again
/// and waits for nobody.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Semaphore>);

/// A body, and what was paid for it.
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) paid: Paid,
}

/// Memory that is given back when this is dropped.
pub(crate) struct Paid(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_MAX)))
    }

    /// The whole body. One that says it is too large is not begun.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Read, Refusal> {
        let mut chunks = body.into_data_stream();
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let read = match announced {
            Some(length) if length > BODY_MAX => Err(Refusal::TooLarge),
            Some(_) | None => match timeout(BODY_PATIENCE, self.collect(&mut chunks, announced)).await {
                Ok(read) => read,
                Err(_) => Err(Refusal::Slow),
            },
        };
        if matches!(read, Err(Refusal::TooLarge | Refusal::Busy)) {
            tokio::spawn(timeout(BODY_PATIENCE, discard(chunks)));
        }
        read
    }

    async fn collect(&self, chunks: &mut BodyDataStream, announced: Option<usize>) -> Result<Read, Refusal> {
        let mut paid = self.pay(0)?;
        let mut bytes = Vec::with_capacity(announced.unwrap_or_default().min(ROOM_AT_FIRST));
        while let Some(chunk) = chunks.next().await {
            let chunk: Bytes = chunk.map_err(|_| Refusal::CutOff)?;
            if bytes.len() + chunk.len() > BODY_MAX {
                return Err(Refusal::TooLarge);
            }
            paid.merge(self.pay(chunk.len())?);
            bytes.extend_from_slice(&chunk);
        }
        Ok(Read { bytes, paid: Paid(paid) })
    }

    fn pay(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::Busy)?;
        self.0.clone().try_acquire_many_owned(bytes).map_err(|_| Refusal::Busy)
    }
}

/// What is announced is not there yet, so it is not paid for and little room is made.
const ROOM_AT_FIRST: usize = 16 * 1024;

async fn discard(mut chunks: BodyDataStream) {
    let mut discarded = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        discarded += chunk.len();
        if discarded > DISCARDED_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(length: Option<usize>, size: usize, expected: Result<usize, Refusal>) {
        let headers = length.map(|length| (CONTENT_LENGTH, length.into())).into_iter().collect();
        let read = Memory::new().read(&headers, Body::from(vec![b'x'; size])).await;
        assert_eq!(read.map(|read| read.bytes.len()), expected, "{size} bytes, announced as {length:?}");
    }

    #[tokio::test]
    async fn a_body_has_a_size_limit_announced_or_not() {
        check(Some(0), 0, Ok(0)).await;
        check(Some(BODY_MAX), BODY_MAX, Ok(BODY_MAX)).await;
        check(None, BODY_MAX, Ok(BODY_MAX)).await;
        check(None, BODY_MAX + 1, Err(Refusal::TooLarge)).await;
        check(Some(BODY_MAX + 1), 1, Err(Refusal::TooLarge)).await;
        check(Some(1), BODY_MAX + 1, Err(Refusal::TooLarge)).await;
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_limit_and_give_back_what_they_took() {
        let memory = Memory::new();
        let body = || Body::from(vec![b'x'; BODY_MAX]);
        let mut held = Vec::new();
        for _ in 0..BODIES_MAX / BODY_MAX {
            held.push(memory.read(&HeaderMap::new(), body()).await.expect("there is room"));
        }
        assert_eq!(memory.read(&HeaderMap::new(), Body::from("x")).await.err(), Some(Refusal::Busy));
        held.clear();
        assert!(memory.read(&HeaderMap::new(), body()).await.is_ok());
    }
}
