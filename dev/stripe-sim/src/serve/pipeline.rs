//! The way of a request: key, pace, faults in front, idempotency, hold, execution, hold, answer.

use std::sync::Arc;
use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::Value;

use super::app::{App, lock};
use super::faults::{FaultKind, Strike};
use super::holds::{self, Phase};
use super::journal::Entry;
use super::key;
use super::listener::Connection;
use super::reply::{Echo, Reply, of_fault};
use crate::api;
use crate::error::{Answer, Refusal};
use crate::params::Params;
use crate::world::idempotency::Fingerprint;
use crate::world::{Cause, World};

const BODY_BYTES_MAX: usize = 1 << 20;

/// A request, read.
struct Asked {
    method: String,
    path: String,
    /// None, where the body could not be read as what the path takes.
    params: Option<Params>,
    headers: HeaderMap,
    echo: Echo,
    /// Its place in the journal.
    place: usize,
}

impl Asked {
    fn refuse(&self, refusal: Refusal) -> Reply {
        Reply::from(Err(refusal.at(&self.path)))
    }
}

/// How a request ends.
enum Ending {
    Answered(Box<Response>),
    Reset,
    Silence,
}

/// Answers everything that is Stripe's. The work goes on when the client leaves, as Stripe's does.
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let asked = read(&app, request).await;
    let ending = tokio::spawn(process(app, asked)).await;
    match ending {
        Ok(Ending::Answered(response)) => *response,
        Ok(Ending::Silence) => std::future::pending().await,
        Ok(Ending::Reset) | Err(_) => {
            connection.reset();
            Response::default()
        }
    }
}

async fn read(app: &App, request: Request) -> Asked {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let params = params(parts.uri.path(), parts.uri.query().unwrap_or_default(), &body);
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (request_id, at) = app.with_world(|world| (format!("req_{}", world.random_text(14)), world.now()));
    let echo = Echo { request_id, idempotency_key: header("idempotency-key"), version: header("stripe-version") };
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    let place = lock(&app.journal).open(Entry {
        at,
        method: method.clone(),
        path: path.clone(),
        params: params.as_ref().map_or(Value::Null, |params| params.value().clone()),
        idempotency_key: echo.idempotency_key.clone(),
        stripe_version: echo.version.clone(),
        request_id: echo.request_id.clone(),
        status: None,
        effect: false,
        replayed: false,
        fault: None,
    });
    Asked { method, path, params, headers: parts.headers, echo, place }
}

fn params(path: &str, query: &str, body: &[u8]) -> Option<Params> {
    if path.starts_with("/v2/") {
        return Params::parse_json(query, body);
    }
    Some(Params::parse(&format!("{query}&{}", String::from_utf8_lossy(body))))
}

async fn process(app: Arc<App>, asked: Asked) -> Ending {
    let latency = lock(&app.pace).latency();
    tokio::time::sleep(latency).await;
    let (livemode, account) = app.read_world(|world| (world.livemode, world.account.clone()));
    let admitted = key::admit(&asked.headers, livemode, &account, &lock(&app.expired_keys));
    if let Err(refusal) = admitted {
        return answer(&app, &asked, &asked.refuse(refusal));
    }
    if !lock(&app.pace).admits(Instant::now()) {
        return answer(&app, &asked, &asked.refuse(Refusal::rate_limited()));
    }
    let Some(params) = &asked.params else { return answer(&app, &asked, &asked.refuse(Refusal::not_json())) };
    let strike = lock(&app.faults).strike(&asked.method, &asked.path, true);
    match strike {
        Some(strike) if strike.kind.is_in_front() => {
            if strike.effect {
                work(&app, &asked, params, None).await;
            }
            end_with_fault(&app, &asked, strike.kind)
        }
        inner => match work(&app, &asked, params, inner).await {
            (_, Some(kind)) => end_with_fault(&app, &asked, kind),
            (reply, None) => answer(&app, &asked, &reply),
        },
    }
}

/// Claims the key, executes, keeps the answer. Also says which fault of Stripe's own struck: the
/// one that was `due` already, or one that is ordered for the execution.
async fn work(app: &App, asked: &Asked, params: &Params, due: Option<Strike>) -> (Reply, Option<FaultKind>) {
    let key = asked.echo.idempotency_key.as_deref().filter(|_| asked.method == "POST");
    match key.map(|key| claim(app, asked, params, key)) {
        Some(Ok(Some(replay))) => {
            lock(&app.journal).note(asked.place, |entry| entry.replayed = true);
            return (replay, None);
        }
        Some(Err(refusal)) => return (asked.refuse(refusal), None),
        Some(Ok(None)) | None => {}
    }
    holds::wait(app, Phase::Before, &asked.method, &asked.path).await;
    let strike = due.or_else(|| lock(&app.faults).strike(&asked.method, &asked.path, false));
    let (reply, effect) = app.with_world(|world| execute(world, asked, params, key, strike));
    lock(&app.journal).note(asked.place, |entry| entry.effect = effect);
    holds::wait(app, Phase::After, &asked.method, &asked.path).await;
    (reply, strike.map(|strike| strike.kind))
}

fn claim(app: &App, asked: &Asked, params: &Params, key: &str) -> Result<Option<Reply>, Refusal> {
    let request = Fingerprint { path: asked.path.clone(), params: params.value().clone() };
    app.with_world(|world| {
        let now = world.now();
        world.answers.begin(key, &request, now).map(|replay| replay.map(Reply::from))
    })
}

/// The answer, and whether anything changed.
fn execute(
    world: &mut World,
    asked: &Asked,
    params: &Params,
    key: Option<&str>,
    strike: Option<Strike>,
) -> (Reply, bool) {
    let before = world.revision();
    world.cause = cause(asked);
    let executed = match strike {
        Some(strike) if !strike.effect => Err(Refusal::server_error()),
        Some(_) | None => api::execute(world, &asked.method, &asked.path, params),
    };
    // What happens by itself from now on is nobody's request.
    world.cause = Cause { base_url: base_url(&asked.headers), ..Cause::default() };
    let has_effect = world.revision() != before;
    let answer = if strike.is_some() { Err(Refusal::server_error()) } else { executed };
    (keep(world, asked, key, answer), has_effect)
}

fn keep(world: &mut World, asked: &Asked, key: Option<&str>, answer: Answer) -> Reply {
    let is_kept = answer.as_ref().map_or_else(Refusal::is_stored, |_| true);
    let reply = Reply::from(answer.map_err(|refusal| refusal.at(&asked.path)));
    let now = world.now();
    match key {
        Some(key) if is_kept => {
            world.answers.finish(key, reply.status, &reply.body, &asked.echo.request_id, now);
            world.touch();
        }
        Some(key) => world.answers.abandon(key),
        None => {}
    }
    reply
}

fn cause(asked: &Asked) -> Cause {
    Cause {
        request_id: Some(asked.echo.request_id.clone()),
        idempotency_key: asked.echo.idempotency_key.clone(),
        base_url: base_url(&asked.headers),
    }
}

/// Where the client reached us.
pub(crate) fn base_url(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("127.0.0.1");
    format!("http://{host}")
}

fn answer(app: &App, asked: &Asked, reply: &Reply) -> Ending {
    lock(&app.journal).note(asked.place, |entry| entry.status = Some(reply.status));
    Ending::Answered(Box::new(reply.respond(&asked.echo)))
}

fn end_with_fault(app: &App, asked: &Asked, kind: FaultKind) -> Ending {
    let response = of_fault(kind, &asked.path, &asked.echo);
    lock(&app.journal).note(asked.place, |entry| {
        entry.fault = Some(kind);
        entry.status = response.as_ref().map(|response| response.status().as_u16());
    });
    match response {
        Some(response) => Ending::Answered(Box::new(response)),
        None if kind == FaultKind::Hang => Ending::Silence,
        None => Ending::Reset,
    }
}
