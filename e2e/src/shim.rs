//! A world's webhook shims: the real binary, delivered to as Stripe delivers, and looked at.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use stack::process::{Exit, Launch};
use stack::{Process, binaries, deadline, http, unique};

use crate::world::World;

/// The signing secrets of every world's endpoints, snapshot and thin: canaries, like the key.
pub const WEBHOOK_SECRET: &str = "whsec_canaryB8nD3sJkTqWxYz";
/// The other.
pub const WEBHOOK_SECRET_THIN: &str = "whsec_canaryT5hMvPq2LcRdNe";

/// The path that endpoints are given.
pub const WEBHOOK_PATH: &str = "/api/webhooks/stripe";

const START: Duration = Duration::from_secs(60);
/// No answer takes that long, not even one that is held.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running shim; dropping it kills it.
#[derive(Debug)]
pub struct Shim {
    process: Process,
    log: PathBuf,
    /// Where Stripe reaches it.
    pub address: String,
}

impl World {
    /// Starts one more shim and waits until it takes deliveries.
    pub fn start_shim(&self, settings: &[(&str, &str)]) -> Result<Shim> {
        let (process, log) = self.launch_shim(settings)?;
        let address = process.until("the shim to listen", START, || address_in(&read(&log), "webhooks"))?;
        Ok(Shim { process, log, address })
    }

    /// Starts one that is not expected to take deliveries, and answers where it logs.
    pub fn launch_shim(&self, settings: &[(&str, &str)]) -> Result<(Process, PathBuf)> {
        let log = self.dir.join(format!("webhook-{}.log", unique::number()));
        let process = Launch::new("webhook", &binaries::binary("webhook")?, &log)
            .isolated()
            .env(self.environment())
            .env(settings.iter().copied())
            .spawn()?;
        Ok((process, log))
    }

    /// Waits until every event with an id of that beginning was handed over, and answers how often
    /// each was.
    pub fn wait_until_dispatched(&self, ids: &str, count: usize) -> Result<Vec<i64>> {
        let sql = format!(
            "SELECT attempts FROM stripe_webhook_events
             WHERE stripe_event_id LIKE '{ids}%' AND dispatched_at IS NOT NULL"
        );
        let (limit, pause) = (Duration::from_secs(180), Duration::from_millis(100));
        deadline::poll_every(&format!("{count} events {ids}… to be handed over"), limit, pause, || {
            let rows = self.rows(&sql)?;
            let attempts = || rows.iter().map(|row| Ok(row[0].parse()?)).collect::<Result<Vec<_>>>();
            (rows.len() == count).then(attempts).transpose()
        })
    }

    /// Status and reason of an event; none where it is not in the inbox.
    pub fn event_row(&self, id: &str) -> Result<Option<(String, String)>> {
        let sql = format!(
            "SELECT processing_status, processing_error FROM stripe_webhook_events WHERE stripe_event_id = '{id}'"
        );
        Ok(self.rows(&sql)?.into_iter().next().map(|mut row| (row.remove(0), row.remove(0))))
    }

    /// How many events are in the inbox, and how many were counted when they were taken in.
    pub fn events_and_receipts(&self) -> Result<(u64, u64)> {
        let events = self.value("SELECT count(*) FROM stripe_webhook_events")?.parse()?;
        Ok((events, self.value("SELECT coalesce(sum(received), 0) FROM stripe_webhook_receipts")?.parse()?))
    }
}

impl Shim {
    /// Delivers an event as Stripe does: signed, and again where Postgres was too slow for the shim.
    pub fn deliver(&self, event: &Value) -> Result<http::Response> {
        deadline::poll("an answer other than 503", Duration::from_secs(60), || {
            Ok(Some(self.deliver_once(event)?).filter(|answer| answer.status != 503))
        })
    }

    /// Delivers an event and answers whatever it is answered.
    pub fn deliver_once(&self, event: &Value) -> Result<http::Response> {
        let body = event.to_string();
        self.post(WEBHOOK_PATH, &sign(&body, WEBHOOK_SECRET, now()), &body)
    }

    /// Posts a body under a `Stripe-Signature`.
    pub fn post(&self, path: &str, signature: &str, body: impl AsRef<[u8]>) -> Result<http::Response> {
        http::request("POST", &self.address, path, &[("Stripe-Signature", signature)], body)
    }

    /// Sends these bytes, whatever they are, and answers all that comes until the shim hangs up.
    pub fn raw(&self, bytes: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(bytes)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("the shim did not hang up")?;
        Ok(answer)
    }

    /// `GET` of its private listener.
    pub fn admin(&self, path: &str) -> Result<http::Response> {
        http::get(&address_in(&self.log(), "health and metrics").context("no private listener")?, path, &[])
    }

    /// The sum of a metric's values over the label sets that hold `label`.
    pub fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let page = self.admin("/metrics")?.body;
        let of_it = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        };
        page.lines().filter(of_it).map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()?)).sum()
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Waits until it has found that Temporal answers.
    pub fn wait_until_it_hands_over(&self) -> Result<()> {
        let found = || self.log().contains("events are handed over").then_some(());
        self.process.until("the shim to find Temporal", START, found)
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it without warning.
    pub fn kill(self) -> Result<()> {
        let exit = self.process.kill9()?;
        ensure!(exit == Exit::Signal(9), "the shim had ended before it was killed: {exit}: {}", self.log());
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(self) -> Result<()> {
        let exit = self.process.terminate(Duration::from_secs(30))?;
        ensure!(exit == Exit::Code(0), "the shim ended badly: {exit}: {}", self.log());
        Ok(())
    }
}

/// A `Stripe-Signature` of the body.
pub fn sign(body: impl AsRef<[u8]>, secret: &str, at: u64) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let mac = mac.map(|mac| mac.chain_update(format!("{at}.")).chain_update(body));
    let bytes = mac.map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("t={at},v1={}", hex::encode(bytes))
}

/// Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A snapshot event that says that a subscription changed, of our own account in test mode.
pub fn subscription_event(id: &str, subscription: &str) -> Value {
    json!({
        "id": id,
        "object": "event",
        "type": "customer.subscription.updated",
        "created": now(),
        "livemode": false,
        "api_version": "2026-09-30.endive",
        "data": {"object": {"id": subscription, "object": "subscription"}},
    })
}

fn read(log: &Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The address in the log's line that says so; any port is free to it.
fn address_in(log: &str, what: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains(&format!(" {what} address=")))?;
    Some(line.split("address=").nth(1)?.trim().to_owned())
}
