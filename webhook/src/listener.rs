//! The public listener: HTTP/1.1 from anybody, with a bound on everything that a sender decides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use service::program::Stop;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;
/// How long the head of a request may take, and so how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// What of a connection is read ahead, and so how long a head may be. A longer one is refused before
/// we see it, in other words than ours; a thousand signatures are not as long.
const BUFFER_MAX: usize = 96 * 1024;
/// After an accept that failed, as it does while there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What requests under way have when the process is to end: as long as a body may take, and its
/// commit.
const LAST_REQUESTS: Duration = Duration::from_secs(13);

/// Listens.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("ConfigurationError: WEBHOOK_ADDR {address} cannot be listened on"))?;
    tracing::info!(address = %listener.local_addr()?, "webhooks");
    Ok(listener)
}

/// Serves until told to stop, and then until the requests under way are answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: Stop) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = stop.signalled() => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = serve_one(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    served.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    if timeout(LAST_REQUESTS, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!("{} connection(s) did not end in time", connections.len());
    }
}

async fn serve_one(stream: TcpStream, router: Router, mut stop: Stop) {
    // Answers are small and awaited.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(BUFFER_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // What went wrong is the sender's affair.
        _ = connection.as_mut() => return,
        () = stop.signalled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
