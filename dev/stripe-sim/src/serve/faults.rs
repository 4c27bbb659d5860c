//! Faults to order: what goes wrong, on which path, how often.

use std::num::NonZeroU64;

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
    kind: Option<FaultKind>,
    /// Several, taken in turns.
    #[serde(default)]
    kinds: Vec<FaultKind>,
    /// Only each nth of the calls that fit, whatever became of the others.
    every: Option<NonZeroU64>,
    /// How often: once, or, with `every`, for as long as it stands.
    count: Option<u64>,
    #[serde(default)]
    skip: u64,
    /// Whether the write takes effect all the same.
    #[serde(default)]
    effect: bool,
}

/// A fault on the list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fault {
    id: String,
    method: Option<String>,
    path: String,
    /// Never empty.
    kinds: Vec<FaultKind>,
    every: Option<NonZeroU64>,
    effect: bool,
    /// How many calls fitted; counted for those that strike each nth.
    calls: u64,
    hits: u64,
    left: u64,
    skip: u64,
}

/// What befalls one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) kind: FaultKind,
    /// Whether the request is executed nevertheless.
    pub(crate) effect: bool,
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

impl Fault {
    fn fits(&self, method: &str, path: &str) -> bool {
        self.left > 0
            && self.method.as_deref().is_none_or(|wanted| wanted == "*" || wanted.eq_ignore_ascii_case(method))
            && matches_glob(&self.path, path)
    }

    /// What it does next.
    fn kind(&self) -> FaultKind {
        let turn = usize::try_from(self.hits).unwrap_or_default() % self.kinds.len();
        self.kinds[turn]
    }

    /// Whether it is this call's turn, `is_in_front` of the execution or at it. A fault that strikes
    /// each nth call counts them in front, where every call comes by.
    fn is_due(&mut self, is_in_front: bool) -> bool {
        let is_here = if self.every.is_some() { is_in_front } else { self.kind().is_in_front() == is_in_front };
        if !is_here {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.calls += 1;
        self.every.is_none_or(|every| self.calls.is_multiple_of(every.get()))
    }

    fn strike(&mut self) -> Strike {
        let kind = self.kind();
        self.left -= 1;
        self.hits += 1;
        Strike { kind, effect: kind.effect().unwrap_or(self.effect) }
    }
}

impl Faults {
    /// Puts a fault on the list and says its id; none for an order without a kind.
    pub(crate) fn order(&mut self, order: Order) -> Option<String> {
        let kinds: Vec<FaultKind> = order.kind.into_iter().chain(order.kinds).collect();
        if kinds.is_empty() {
            return None;
        }
        let id = format!("fault_{}", self.list.len() + 1);
        self.list.push(Fault {
            id: id.clone(),
            method: order.method,
            path: order.path,
            kinds,
            every: order.every,
            effect: order.effect,
            calls: 0,
            hits: 0,
            left: order.count.unwrap_or(if order.every.is_some() { u64::MAX } else { 1 }),
            skip: order.skip,
        });
        Some(id)
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// The fault that strikes this request in front of its execution or at it; it is used up by it.
    /// In front, one that strikes each nth call may also be Stripe's own, for the execution to give.
    pub(crate) fn strike(&mut self, method: &str, path: &str, is_in_front: bool) -> Option<Strike> {
        let mut strike = None;
        for fault in self.list.iter_mut().filter(|fault| fault.fits(method, path)) {
            // What strikes each nth call counts those too that another fault struck.
            if (strike.is_none() || fault.every.is_some()) && fault.is_due(is_in_front) && strike.is_none() {
                strike = Some(fault.strike());
            }
        }
        strike
    }
}
