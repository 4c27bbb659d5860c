//! Faults to order: what goes wrong, on which path, how often.

use serde::{Deserialize, Serialize};

use crate::world::policy::matches_glob;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// 429, kept under no idempotency key.
    TooManyRequests,
    /// A 500 of Stripe's own, kept under the idempotency key as every answered one is.
    ServerError,
    /// A 502 with a page of HTML from something in front of Stripe.
    HtmlBadGateway,
    /// A 504 without a body.
    EmptyGatewayTimeout,
    /// No answer, and the connection stays open.
    Hang,
    /// The connection breaks before anything happened.
    ResetBefore,
    /// The write took effect, then the connection broke.
    ResetAfter,
    /// 401, as after a rolled key.
    Unauthorized,
    /// 403, as with a restricted key.
    Forbidden,
    /// 404, as for an object that another deleted; kept under no idempotency key.
    NotFound,
}

/// A fault as it is ordered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    method: Option<String>,
    /// `*` stands for any text, slashes included.
    path: String,
    pub(crate) kind: FaultKind,
    #[serde(default = "once")]
    count: u64,
    #[serde(default)]
    skip: u64,
    /// Whether the write takes effect all the same.
    #[serde(default)]
    pub(crate) effect: bool,
}

fn once() -> u64 {
    1
}

/// A fault on the list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fault {
    id: String,
    method: Option<String>,
    path: String,
    pub(crate) kind: FaultKind,
    /// Whether the request is executed nevertheless.
    pub(crate) effect: bool,
    hits: u64,
    left: u64,
    skip: u64,
}

/// The faults so far, the used-up ones included.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
}

impl FaultKind {
    /// Whether something in front of Stripe causes it, before any idempotency key is looked at.
    pub(crate) fn is_in_front(self) -> bool {
        match self {
            Self::ServerError => false,
            Self::TooManyRequests
            | Self::HtmlBadGateway
            | Self::EmptyGatewayTimeout
            | Self::Hang
            | Self::ResetBefore
            | Self::ResetAfter
            | Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound => true,
        }
    }

    /// Whether a write can have taken effect behind it; `None` leaves it to the order.
    fn effect(self) -> Option<bool> {
        match self {
            Self::ResetAfter => Some(true),
            Self::TooManyRequests | Self::ResetBefore | Self::Unauthorized | Self::Forbidden | Self::NotFound => {
                Some(false)
            }
            Self::ServerError | Self::HtmlBadGateway | Self::EmptyGatewayTimeout | Self::Hang => None,
        }
    }
}

impl Faults {
    /// Puts a fault on the list and says its id.
    pub(crate) fn order(&mut self, order: Order) -> String {
        let id = format!("fault_{}", self.list.len() + 1);
        self.list.push(Fault {
            id: id.clone(),
            method: order.method,
            path: order.path,
            kind: order.kind,
            effect: order.kind.effect().unwrap_or(order.effect),
            hits: 0,
            left: order.count,
            skip: order.skip,
        });
        id
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// The fault that strikes this request, if any; it is used up by it.
    pub(crate) fn strike(&mut self, method: &str, path: &str, in_front: bool) -> Option<Fault> {
        let fits = |fault: &&mut Fault| {
            fault.kind.is_in_front() == in_front
                && fault.left > 0
                && fault.method.as_deref().is_none_or(|wanted| wanted == "*" || wanted.eq_ignore_ascii_case(method))
                && matches_glob(&fault.path, path)
        };
        for fault in self.list.iter_mut().filter(fits) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.left -= 1;
            fault.hits += 1;
            return Some(fault.clone());
        }
        None
    }
}
