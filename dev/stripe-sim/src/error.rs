//! Refusals, in the shape that Stripe gives them (<https://docs.stripe.com/api/errors>).

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::API_VERSION;

/// What a handler returns: the object to answer with, or a refusal.
pub(crate) type Answer = Result<Value, Refusal>;

/// A 4xx or 5xx answer with Stripe's error object.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    details: Map<String, Value>,
    stored: bool,
    keeps_effects: bool,
    /// Whether the second version of the API was asked.
    is_v2: bool,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code: None,
            param: None,
            message: message.into(),
            details: Map::new(),
            stored: true,
            keeps_effects: false,
            is_v2: false,
        }
    }

    /// In the shape that clients of this path expect.
    pub(crate) fn at(self, path: &str) -> Self {
        Self { is_v2: path.starts_with("/v2/"), ..self }
    }

    /// A body that is not what the second version of the API takes.
    pub(crate) fn not_json() -> Self {
        Self::not_allowed("The request body must be a JSON object.").coded("invalid_json").unstored()
    }

    /// The request itself is wrong, without a code of its own.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, message) }
    }

    /// The state of things does not allow it.
    pub(crate) fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, message)
    }

    pub(crate) fn missing_param(param: impl Into<String>) -> Self {
        let param = param.into();
        let message = format!("Missing required param: {param}.");
        Self::invalid(param, message).coded("parameter_missing").unstored()
    }

    pub(crate) fn unknown_param(param: impl Into<String>) -> Self {
        let param = param.into();
        let message = format!("Received unknown parameter: {param}");
        Self::invalid(param, message).coded("parameter_unknown").unstored()
    }

    pub(crate) fn invalid_integer(param: &str, given: &str) -> Self {
        Self::invalid(param, format!("Invalid integer: {given}")).coded("parameter_invalid_integer").unstored()
    }

    /// An id in the URL that names nothing: 404.
    pub(crate) fn no_such(noun: &str, id: &str, param: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::no_such_reference(noun, id, param) }
    }

    /// An id in a parameter that names nothing: 400, unlike one in the URL.
    pub(crate) fn no_such_reference(noun: &str, id: &str, param: &str) -> Self {
        Self::invalid(param, format!("No such {noun}: '{id}'")).coded("resource_missing")
    }

    /// The subscription will not be billed again.
    pub(crate) fn no_upcoming(customer: &str) -> Self {
        let refusal = Self::not_allowed(format!("No upcoming invoices for customer: {customer}"));
        Self { status: StatusCode::NOT_FOUND, ..refusal.coded("invoice_upcoming_none") }
    }

    /// What a path without an id leads to is not there.
    pub(crate) fn missing(path: &str) -> Self {
        let refusal = Self::not_allowed(format!("No such resource: '{path}'")).coded("resource_missing");
        Self { status: StatusCode::NOT_FOUND, ..refusal }
    }

    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
        );
        Self::new(StatusCode::NOT_FOUND, INVALID_REQUEST, message).unstored()
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, INVALID_REQUEST, message).unstored()
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, INVALID_REQUEST, message).unstored()
    }

    /// An account that the key has nothing to do with.
    pub(crate) fn no_access(account: &str) -> Self {
        let message = format!(
            "The provided key does not have access to account '{account}' (or that account does not exist). Application access may have been revoked."
        );
        Self::forbidden(message).coded("account_invalid")
    }

    /// A version that does not exist, or whose shapes this double does not know.
    pub(crate) fn unknown_version(version: &str) -> Self {
        Self::not_allowed(format!("Invalid Stripe API version: {version}. This double knows {API_VERSION}.")).unstored()
    }

    pub(crate) fn rate_limited() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, INVALID_REQUEST, "Request rate limit exceeded.")
            .coded("rate_limit")
            .unstored()
    }

    pub(crate) fn server_error() -> Self {
        let message =
            "An unknown error occurred. If you have any questions, we can help at https://support.stripe.com/.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", message)
    }

    /// A card was declined (<https://docs.stripe.com/declines/codes>).
    pub(crate) fn declined(decline_code: &str, message: &str) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", message)
            .coded("card_declined")
            .with("decline_code", json!(decline_code))
    }

    /// The bank wants 3-D Secure and nobody is there to do it.
    pub(crate) fn authentication_required() -> Self {
        let message = "Your card was declined. This transaction requires authentication.";
        Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", message)
            .coded("subscription_payment_intent_requires_action")
            .with("decline_code", json!("authentication_required"))
    }

    /// The same idempotency key came with another request.
    pub(crate) fn idempotency(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, IDEMPOTENCY, message).unstored()
    }

    /// The same idempotency key is being worked on.
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Stripe-Idempotency-Key (that probably means you submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        Self::new(StatusCode::CONFLICT, IDEMPOTENCY, message).coded("idempotency_key_in_use").unstored()
    }

    pub(crate) fn coded(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Adds a field to the error object.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.details.insert(field.to_owned(), value);
        self
    }

    fn unstored(self) -> Self {
        Self { stored: false, ..self }
    }

    /// Whether the answer is kept under the idempotency key. Validation failures are not: no
    /// endpoint began to execute (<https://docs.stripe.com/api/idempotent_requests>).
    pub(crate) fn is_stored(&self) -> bool {
        self.stored
    }

    /// Says that a payment was tried: its failed charge and what followed from it stay.
    pub(crate) fn of_a_payment(self) -> Self {
        Self { keeps_effects: true, ..self }
    }

    /// Whether what was written on the way to this refusal stays; mostly it is as if never asked.
    pub(crate) fn keeps_effects(&self) -> bool {
        self.keeps_effects
    }

    /// Stripe says itself whether trying again can help.
    pub(crate) fn should_retry(&self) -> bool {
        self.status == StatusCode::CONFLICT || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// The inner error object, as `last_payment_error` holds it too.
    pub(crate) fn object(&self) -> Value {
        let mut error = self.details.clone();
        error.insert("type".to_owned(), json!(self.kind));
        error.insert("message".to_owned(), json!(self.message));
        if let Some(code) = self.code {
            error.insert("code".to_owned(), json!(code));
            error.insert(
                "doc_url".to_owned(),
                json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))),
            );
        }
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        Value::Object(error)
    }

    pub(crate) fn body(&self) -> Value {
        json!({ "error": if self.is_v2 { self.v2_object() } else { self.object() } })
    }

    /// A code and a message are all there is (<https://docs.stripe.com/api/v2/errors>).
    fn v2_object(&self) -> Value {
        let code = match self.status {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::FORBIDDEN => "forbidden",
            _other => self.code.unwrap_or(self.kind),
        };
        json!({"code": code, "message": self.message})
    }
}

const INVALID_REQUEST: &str = "invalid_request_error";
const IDEMPOTENCY: &str = "idempotency_error";
