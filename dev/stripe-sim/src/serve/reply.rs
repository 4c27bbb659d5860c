//! Answers on the wire.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::faults::FaultKind;
use crate::API_VERSION;
use crate::error::{Answer, Refusal};
use crate::world::idempotency::Replay;
use crate::world::kind::Kind;

/// A status and a JSON body.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The request whose answer this repeats.
    pub(crate) original_request_id: Option<String>,
    should_retry: Option<bool>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        match answer {
            Ok(body) => Self { status: 200, body, original_request_id: None, should_retry: None },
            Err(refusal) => Self {
                status: refusal.status.as_u16(),
                body: refusal.body(),
                original_request_id: None,
                should_retry: Some(refusal.should_retry()),
            },
        }
    }
}

impl From<Replay> for Reply {
    fn from(replay: Replay) -> Self {
        Self {
            status: replay.status,
            body: replay.body,
            original_request_id: Some(replay.original_request_id),
            should_retry: None,
        }
    }
}

/// What the request's headers say about the answer's.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    pub(crate) request_id: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) version: Option<String>,
}

impl Reply {
    pub(crate) fn respond(&self, echo: &Echo) -> Response {
        let mut response = with_body(self.status, "application/json", self.body.to_string());
        let headers = response.headers_mut();
        put(headers, "request-id", &echo.request_id);
        put(headers, "stripe-version", echo.version.as_deref().unwrap_or(API_VERSION));
        if let Some(key) = &echo.idempotency_key {
            put(headers, "idempotency-key", key);
        }
        if let Some(original) = &self.original_request_id {
            put(headers, "idempotent-replayed", "true");
            put(headers, "original-request", original);
        }
        if let Some(should_retry) = self.should_retry {
            put(headers, "stripe-should-retry", if should_retry { "true" } else { "false" });
        }
        response
    }
}

/// The answer that a fault gives; `None` when it gives none at all.
pub(crate) fn of_fault(kind: FaultKind, path: &str, echo: &Echo) -> Option<Response> {
    let refused = |refusal: Refusal| Some(Reply::from(Err(refusal.at(path))).respond(echo));
    match kind {
        FaultKind::TooManyRequests => refused(Refusal::rate_limited()),
        FaultKind::ServerError => refused(Refusal::server_error()),
        FaultKind::Unauthorized => refused(Refusal::unauthorized("Expired API Key provided: sk_test_********")),
        FaultKind::Forbidden => {
            refused(Refusal::forbidden("The provided key does not have the required permissions for this endpoint."))
        }
        FaultKind::NotFound => refused(not_found(path)),
        FaultKind::HtmlBadGateway => Some(with_body(502, "text/html", BAD_GATEWAY.to_owned())),
        FaultKind::EmptyGatewayTimeout => Some(with_body(504, "text/plain", String::new())),
        FaultKind::Hang | FaultKind::ResetBefore | FaultKind::ResetAfter => None,
    }
}

/// The object that the path names is not there; where it names none, the path itself.
fn not_found(path: &str) -> Refusal {
    let named = |kind: &Kind| Some((*kind, path.strip_prefix(kind.url())?.strip_prefix('/')?));
    let Some((kind, rest)) = Kind::ALL.iter().find_map(named) else { return Refusal::missing(path) };
    let id = rest.split('/').next().unwrap_or_default();
    Refusal::no_such(kind.noun(), id, kind.url_param())
}

const BAD_GATEWAY: &str = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway</h1></center>\n</body>\n</html>\n";

/// A response of any type.
pub(crate) fn with_body(status: u16, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A header whose text cannot be one is left out.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
