//! Deliveries: every event to every endpoint that wants it, signed, tried again until it is taken
//! (<https://docs.stripe.com/webhooks#retries>). No order is promised, unless a test asked for one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::app::App;
use super::post::post;
use super::signature::signature;
use crate::world::deliveries::{Attempt, Errand};
use crate::world::event::created;
use crate::world::time::{DAY, system_now};
use crate::world::{World, text};

/// A failed delivery is tried again for this long by the double's clock.
const TRIED_SECS: i64 = 3 * DAY;
/// How many deliveries are under way at once.
const AT_ONCE: usize = 32;
const WAIT_SECS_MAX: u64 = 60;

/// Starts couriers for what is owed, deliveries of an earlier run included.
pub(crate) async fn run(app: Arc<App>) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        for errand in app.take_errands() {
            match errand {
                Errand::AtOnce(places) => {
                    for place in places {
                        tokio::spawn(carry(app.clone(), permits.clone(), place));
                    }
                }
                Errand::InOrder(places) => drop(tokio::spawn(carry_in_order(app.clone(), permits.clone(), places))),
            }
        }
        app.deliver.notified().await;
    }
}

/// Tries one delivery until it is taken or given up.
async fn carry(app: Arc<App>, permits: Arc<Semaphore>, place: usize) {
    wait_first(&app, place).await;
    let outcome = try_once(&app, &permits, place).await;
    insist(app, permits, place, outcome).await;
}

/// Tries each once, one after the other. What fails is tried again while the others go on.
async fn carry_in_order(app: Arc<App>, permits: Arc<Semaphore>, places: Vec<usize>) {
    for place in places {
        wait_first(&app, place).await;
        let outcome = try_once(&app, &permits, place).await;
        tokio::spawn(insist(app.clone(), permits.clone(), place, outcome));
    }
}

async fn wait_first(app: &App, place: usize) {
    let delay = app.read_world(|world| world.deliveries.pending(place).map_or(0, |delivery| delivery.delay_ms));
    if delay > 0 {
        sleep(Duration::from_millis(delay)).await;
    }
}

/// Goes on where the first try left it.
async fn insist(app: Arc<App>, permits: Arc<Semaphore>, place: usize, first: Outcome) {
    let mut outcome = first;
    let mut longer = 1;
    loop {
        match outcome {
            Outcome::Done => return,
            Outcome::Hopeless => return app.with_world(|world| give_up(world, place)),
            Outcome::Failed => {}
        }
        let retry = app.read_world(|world| world.policy.retry_ms).map_or(app.retry_after, Duration::from_millis);
        sleep((retry * longer).min(Duration::from_secs(WAIT_SECS_MAX))).await;
        longer = longer.saturating_mul(2);
        outcome = try_once(&app, &permits, place).await;
    }
}

enum Outcome {
    Done,
    Failed,
    /// There is nobody to send it to any more, or it is too late.
    Hopeless,
}

/// One try. It is signed when its turn comes, not when it was owed.
async fn try_once(app: &App, permits: &Semaphore, place: usize) -> Outcome {
    let _permit = permits.acquire().await;
    let Some(parcel) = app.read_world(|world| Parcel::pack(world, place)) else { return Outcome::Hopeless };
    let answer = post(&parcel.url, &parcel.signature, &parcel.body).await;
    let is_taken = answer.as_ref().is_ok_and(|status| (200..300).contains(status));
    let attempt = Attempt { at: parcel.at, status: answer.as_ref().ok().copied(), error: answer.err() };
    app.with_world(|world| {
        world.touch();
        world.deliveries.note(place, attempt, is_taken);
    });
    if is_taken { Outcome::Done } else { Outcome::Failed }
}

/// One try, ready to be sent.
struct Parcel {
    at: i64,
    url: String,
    signature: String,
    body: String,
}

impl Parcel {
    fn pack(world: &World, place: usize) -> Option<Self> {
        let delivery = world.deliveries.pending(place)?;
        let receiver = world.receiver(&delivery.endpoint)?;
        let event = world.event(&delivery.event)?;
        if world.now() - created(event) > TRIED_SECS {
            return None;
        }
        let shown = world.present(event);
        let is_snapshot = text(event, "object") == "event";
        let body = if is_snapshot { world.at_version(shown, receiver.version) } else { shown }.to_string();
        // By the system's clock: receivers compare it with theirs, which no test has moved.
        let at = system_now() + world.policy.skew_secs;
        let signature = signature(&receiver.secrets, at, &body, world.livemode);
        Some(Self { at, url: receiver.url, signature, body })
    }
}

fn give_up(world: &mut World, place: usize) {
    if world.deliveries.give_up(place) {
        world.touch();
    }
}
