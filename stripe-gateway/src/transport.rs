//! One pooled connection to Stripe: a key, a version, a deadline and a classified answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::error::{Answer, Error};
use crate::{Mode, StripeConfig, api_version, wire};

/// A step that asks Stripe has 15 seconds and at most two requests one after the other.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A client of one account in one mode. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stripe {
    http: reqwest::Client,
    config: Arc<StripeConfig>,
}

/// Names one intended effect: `{run_id}/{step}/{n}`. Stripe answers a repeated key with the
/// first answer and runs nothing, see <https://docs.stripe.com/api/idempotent_requests>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of `step` in that run. `n` grows only after an answered 5xx and a look.
    pub fn new(run_id: &str, step: &str, n: u32) -> Self {
        Self(format!("{run_id}/{step}/{n}"))
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Stripe {
    /// A client with these settings. Connects when first used.
    pub fn new(config: StripeConfig) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // A redirect would carry the key elsewhere, and Stripe sends none.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, config: Arc::new(config) })
    }

    /// The mode of the key.
    pub fn mode(&self) -> Mode {
        self.config.mode
    }

    /// Sends a read. `object` is what a 404 says does not exist.
    pub(crate) async fn get<T: DeserializeOwned>(&self, request: RequestBuilder, object: &str) -> Result<T, Error> {
        self.send(request, object, None).await
    }

    /// Sends a read, and leaves the answer as it came.
    pub(crate) async fn get_bytes(&self, request: RequestBuilder, object: &str) -> Result<Vec<u8>, Error> {
        self.send_bytes(request, object, None).await.map(|(_, body)| body)
    }

    /// Sends a write under its key.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        object: &str,
        key: &IdempotencyKey,
    ) -> Result<T, Error> {
        self.send(request, object, Some(key)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        object: &str,
        key: Option<&IdempotencyKey>,
    ) -> Result<T, Error> {
        let (name, body) = self.send_bytes(request, object, key).await?;
        wire::read(&body).map_err(|wrong| Error::Unreadable { request: name, wrong })
    }

    /// What the request is called, and the bytes of the answer that says yes.
    async fn send_bytes(
        &self,
        request: RequestBuilder,
        object: &str,
        key: Option<&IdempotencyKey>,
    ) -> Result<(String, Vec<u8>), Error> {
        let name = format!("{} /v1{}", method(request.method), request.path);
        let unreachable =
            |source: reqwest::Error| Error::Unreachable { request: name.clone(), source: source.without_url() };
        let response = self.prepare(request, key).send().await.map_err(unreachable)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(unreachable)?;
        if (200..300).contains(&status) {
            return Ok((name, body.to_vec()));
        }
        let error = self.classify(answer(name, status, &headers, &body), object);
        tracing::debug!(%error, "Stripe did not say yes");
        Err(error)
    }

    fn prepare(&self, request: RequestBuilder, key: Option<&IdempotencyKey>) -> reqwest::RequestBuilder {
        // Paths come from typed ids, which hold nothing that a URL could not.
        let mut url =
            self.config.base.join(&format!("/v1{}", request.path)).unwrap_or_else(|_| unreachable!("a typed path"));
        url.set_query(request.query.as_deref());
        let mut http = self.http.request(method(request.method), url).headers(self.headers());
        if let Some(key) = key {
            http = http.header("Idempotency-Key", key.to_string());
        }
        match request.body {
            Some(form) => http.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(sorted(&form)),
            None => http,
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", self.config.key.expose())) {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        headers.insert("Stripe-Version", HeaderValue::from_static(api_version()));
        headers
    }

    fn classify(&self, answer: Answer, object: &str) -> Error {
        match (answer.should_retry, answer.status) {
            (_, 401 | 403) => Error::Unauthorized(Answer { message: None, ..answer }),
            (_, 429) => Error::Throttled(answer),
            (_, 400) if answer.codes.iter().any(|code| code == "idempotency_error") => Error::KeyTaken(answer),
            (_, 404) if answer.is_stripes => Error::NotFound { object: object.to_owned(), mode: self.mode(), answer },
            // A 404 that is not Stripe's comes from something in between.
            (_, 404) | (Some(true), _) | (_, 500..) => Error::Unavailable(answer),
            (None, 409 | 424) => Error::Unavailable(answer),
            (_, 402) => Error::Declined(answer),
            (_, _) => Error::Refused(answer),
        }
    }
}

/// The builders keep metadata in a hash map; the same request is to be the same bytes each time,
/// since it may go out twice under one idempotency key.
fn sorted(form: &str) -> String {
    let mut pairs: Vec<_> = form.split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// Ring alone, and the machine's own roots: one crypto provider in the whole process.
fn tls() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("ring speaks TLS 1.2 and 1.3"))
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn method(method: StripeMethod) -> reqwest::Method {
    match method {
        StripeMethod::Get => reqwest::Method::GET,
        StripeMethod::Post => reqwest::Method::POST,
        StripeMethod::Delete => reqwest::Method::DELETE,
    }
}

fn answer(request: String, status: u16, headers: &HeaderMap, body: &[u8]) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let error = wire::read::<wire::ErrorBody>(body).ok().map(|body| body.error);
    let is_stripes = error.as_ref().is_some_and(|error| error.kind.is_some());
    let error = error.unwrap_or_default();
    Answer {
        request,
        status,
        codes: [error.kind, error.code, error.decline_code].into_iter().flatten().collect(),
        message: error.message,
        request_id: header("Request-Id"),
        should_retry: header("Stripe-Should-Retry").and_then(|value| value.parse().ok()),
        is_stripes,
    }
}
