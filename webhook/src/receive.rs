//! One delivery, from its bytes to its answer: body, signature, envelope, mode, one insert, 200.
//!
//! Nothing is parsed or stored before the signature holds, and nothing is answered 200 before its
//! row is committed.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::Utc;
use domain::event::{Envelope, Subject};
use domain::ids::EventId;
use store::{AccountRow, NewEvent};
use stripe_gateway::{WebhookConfig, read_envelope};

use crate::body::Memory;
use crate::inbox::{Inbox, Verdict};
use crate::observe::Metrics;
use crate::refusal::Refusal;

/// What a delivery is measured against, and where it goes.
pub(crate) struct Reception {
    pub(crate) webhook: WebhookConfig,
    /// Ours, with its mode.
    pub(crate) account: AccountRow,
    pub(crate) memory: Memory,
    pub(crate) inbox: Inbox,
    pub(crate) metrics: Metrics,
}

/// A refusal, and the event that it is about, where the signature held.
struct Refused {
    why: Refusal,
    event: Option<EventId>,
}

impl<R: Into<Refusal>> From<R> for Refused {
    fn from(why: R) -> Self {
        Self { why: why.into(), event: None }
    }
}

/// The two paths that face the internet, and no other.
pub(crate) fn router(reception: Reception) -> Router {
    Router::new()
        .route("/api/webhooks/stripe", post(deliver))
        // Older than the other; endpoints at Stripe may still name it.
        .route("/api/stripe/webhook", post(deliver))
        .with_state(Arc::new(reception))
}

async fn deliver(State(reception): State<Arc<Reception>>, request: Request) -> Response {
    let began = Instant::now();
    reception.metrics.received();
    match reception.take(request).await {
        Ok(()) => {
            reception.metrics.acknowledged(began.elapsed());
            let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (json, r#"{"received":true}"#).into_response()
        }
        Err(Refused { why, event }) => {
            let (reason, event_id) = (why.reason(), event.map(|id| id.to_string()));
            tracing::warn!(reason, event_id, "Webhook refused: {why}");
            reception.metrics.refused(reason);
            why.into_response()
        }
    }
}

impl Reception {
    async fn take(&self, request: Request) -> Result<(), Refused> {
        let (head, body) = request.into_parts();
        let read = self.memory.read(&head.headers, body).await?;
        self.webhook.verify(signature(&head.headers), &read.bytes, Utc::now().timestamp()).map_err(Refusal::from)?;
        let envelope = read_envelope(&read.bytes).map_err(Refusal::from)?;
        let id = envelope.id.clone();
        let refused = |why| Refused { why, event: Some(id.clone()) };
        let event = self.event(envelope, read.bytes).map_err(refused)?;
        tracing::info!(event_id = %id, "Webhook received: {}", event.envelope.event_type);
        match self.inbox.put(event, read.paid).await {
            Verdict::Taken => Ok(()),
            Verdict::Refused(why) => Err(refused(why)),
        }
    }

    /// The event that is taken in. One of a connected account is nobody's here, in whatever mode:
    /// Stripe sends their test events to live endpoints, see
    /// <https://docs.stripe.com/connect/webhooks>.
    fn event(&self, mut envelope: Envelope, payload: Vec<u8>) -> Result<NewEvent, Refusal> {
        let is_ours = envelope.account.as_deref().is_none_or(|account| account == self.account.account.as_str());
        if is_ours && envelope.livemode != self.account.livemode {
            return Err(Refusal::OtherMode);
        }
        if !is_ours {
            envelope.subject = Subject::Nobody("it is of another account".to_owned());
        }
        Ok(NewEvent { envelope, payload })
    }
}

/// The header, if there is exactly one: with two, readers would differ on which counts.
fn signature(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all("stripe-signature").iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}
