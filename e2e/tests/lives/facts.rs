//! What is known of a life without asking the product: its rows are held against this.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::buyer::Buyer;

/// When the customer gets its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    First,
    Midway,
    Last,
    Never,
}

/// An event, and the subscription that it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) subscription: String,
    /// The snapshot event that tells of the same change.
    pub(crate) twin_of: Option<String>,
}

/// A life as it was lived.
pub(crate) struct Facts<'a> {
    pub(crate) buyer: Buyer<'a>,
    pub(crate) tenant: String,
    pub(crate) birth: Birth,
    /// Without it the tenant's count is unlimited until something is known.
    pub(crate) count_follows: bool,
    /// Its onboarding was given a subscription, which is a reason for a count too.
    pub(crate) is_imported: bool,
    /// All events there ever were.
    pub(crate) events: BTreeSet<Event>,
    /// Subscriptions tagged with somebody else's tenant.
    pub(crate) foreign: BTreeSet<String>,
    /// Every state that Stripe was ever in, as far as it was looked at.
    pub(crate) past: Vec<Value>,
}

impl<'a> Facts<'a> {
    /// Nothing has happened yet.
    pub(crate) fn new(buyer: Buyer<'a>, tenant: String, birth: Birth) -> Self {
        let (events, foreign, past) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        Self { buyer, tenant, birth, count_follows: false, is_imported: false, events, foreign, past }
    }
}
