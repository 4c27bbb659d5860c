//! The private listener: `/healthz`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use store::Store;
use temporalio_client::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::telemetry::Telemetry;
use crate::temporal;

/// How long a service that is asked for a sign of life may take.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// Whether the program works, and whom to ask.
#[derive(Clone)]
pub struct Readiness(Arc<Mutex<Phase>>);

enum Phase {
    Starting,
    Working { store: Store, client: Option<Client> },
    Draining,
}

impl Readiness {
    /// The program takes work from now on, and needs these to do it. Without a client it works
    /// while the way to Temporal is still being looked for.
    pub fn open(&self, store: Store, client: impl Into<Option<Client>>) {
        self.enter(Phase::Working { store, client: client.into() });
    }

    /// The program takes no more work.
    pub fn close(&self) {
        self.enter(Phase::Draining);
    }

    fn enter(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = phase;
    }

    /// What to ask, or why there is no need to.
    fn services(&self) -> Result<(Store, Option<Client>), &'static str> {
        match &*self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Phase::Starting => Err("starting"),
            Phase::Working { store, client } => Ok((store.clone(), client.clone())),
            Phase::Draining => Err("draining"),
        }
    }
}

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    exporter: SocketAddr,
}

/// Serves from now on, so that a program which waits for a service can be seen waiting.
pub async fn serve(address: SocketAddr, telemetry: &Telemetry) -> Result<Readiness> {
    let readiness = Readiness(Arc::new(Mutex::new(Phase::Starting)));
    let admin = Admin { readiness: readiness.clone(), exporter: telemetry.exporter };
    let router = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin);
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("ADMIN_ADDR {address} cannot be listened on"))?;
    tracing::info!(address = %listener.local_addr()?, "health and metrics");
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(readiness)
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    let (store, client) = match admin.readiness.services() {
        Ok(services) => services,
        Err(phase) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{phase}\n")),
    };
    let (postgres, temporal) = tokio::join!(answers(store.ping()), answers(ask(client.as_ref())));
    let status = if postgres && temporal { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |up| if up { "answers" } else { "does not answer" };
    (status, format!("Postgres {}\nTemporal {}\n", word(postgres), word(temporal)))
}

async fn answers<T, E>(question: impl Future<Output = Result<T, E>>) -> bool {
    matches!(tokio::time::timeout(SIGN_OF_LIFE, question).await, Ok(Ok(_)))
}

async fn ask(client: Option<&Client>) -> Result<()> {
    temporal::ask(client.context("there is no connection yet")?).await
}

/// The SDK's metrics and ours, and the memory of this process: the SDK keeps a few hundred
/// bytes of every step, so a worker that never restarts grows.
async fn metrics(State(admin): State<Admin>) -> Result<String, StatusCode> {
    let mut text = read_exporter(admin.exporter).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    if let Some(bytes) = resident_bytes() {
        text.push_str("# HELP process_resident_memory_bytes Resident memory size in bytes.\n");
        text.push_str("# TYPE process_resident_memory_bytes gauge\n");
        text.push_str(&format!("process_resident_memory_bytes {bytes}\n"));
    }
    Ok(text)
}

/// One GET on loopback; HTTP/1.0, so that the answer ends where the connection does.
async fn read_exporter(exporter: SocketAddr) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(exporter).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// From `/proc`, so on Linux only.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
