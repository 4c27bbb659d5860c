//! Deliveries: every event to every endpoint that wants it, signed, tried again until it is taken
//! (<https://docs.stripe.com/webhooks#retries>). No order is promised.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::app::App;
use super::post::post;
use crate::world::event::{Attempt, Delivery, DeliveryState};
use crate::world::kind::Kind;
use crate::world::time::DAY;
use crate::world::{World, number, text};

/// A failed delivery is tried again for this long by the double's clock.
const TRIED_SECS: i64 = 3 * DAY;
/// How many deliveries are under way at once.
const AT_ONCE: usize = 32;
const WAIT_SECS_MAX: u64 = 60;

/// Starts a courier for each delivery that is owed, those of an earlier run included.
pub(crate) async fn run(app: Arc<App>) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut started = 0;
    loop {
        let owed = app.read_world(|world| world.deliveries.len());
        for place in started..owed {
            tokio::spawn(carry(app.clone(), permits.clone(), place));
        }
        started = owed;
        app.deliver.notified().await;
    }
}

/// Tries one delivery until it is taken or given up.
async fn carry(app: Arc<App>, permits: Arc<Semaphore>, place: usize) {
    let mut wait = app.retry_after;
    while let Some(parcel) = app.read_world(|world| Parcel::pack(world, place)) {
        let permit = permits.acquire().await;
        let outcome = post(&parcel.url, &parcel.signature, &parcel.body).await;
        drop(permit);
        if note(&app, place, parcel.at, outcome) {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(WAIT_SECS_MAX));
    }
    app.with_world(|world| give_up(world, place));
}

/// One try, ready to be sent.
struct Parcel {
    at: i64,
    url: String,
    signature: String,
    body: String,
}

impl Parcel {
    /// Nothing, when there is nobody to send it to any more, or it was delivered already.
    fn pack(world: &World, place: usize) -> Option<Self> {
        let delivery = world.deliveries.get(place).filter(|one| one.state == DeliveryState::Pending)?;
        let endpoint = world.get(Kind::WebhookEndpoint, &delivery.endpoint).filter(|row| row["status"] == "enabled")?;
        let row = world.get(Kind::Event, &delivery.event)?;
        let at = world.now();
        if at - number(row, "created") > TRIED_SECS {
            return None;
        }
        let body = world.present(row).to_string();
        let signature = signature(text(endpoint, "_secret"), at, &body);
        Some(Self { at, url: text(endpoint, "url").to_owned(), signature, body })
    }
}

/// `t=…,v1=…`: HMAC-SHA256 over `{t}.{body}`, keyed by the whole secret
/// (<https://docs.stripe.com/webhooks#verify-manually>).
fn signature(secret: &str, at: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return format!("t={at}") };
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Writes the try down and says whether the delivery is done.
fn note(app: &App, place: usize, at: i64, outcome: Result<u16, String>) -> bool {
    let is_taken = outcome.as_ref().is_ok_and(|status| (200..300).contains(status));
    let attempt = Attempt { at, status: outcome.as_ref().ok().copied(), error: outcome.err() };
    app.with_world(|world| {
        world.touch();
        let Some(delivery) = world.deliveries.get_mut(place) else { return };
        delivery.attempts.push(attempt);
        if is_taken {
            delivery.state = DeliveryState::Delivered;
        }
    });
    is_taken
}

fn give_up(world: &mut World, place: usize) {
    let is_pending = |one: &&mut Delivery| one.state == DeliveryState::Pending;
    if let Some(delivery) = world.deliveries.get_mut(place).filter(is_pending) {
        delivery.state = DeliveryState::GivenUp;
        world.touch();
    }
}
