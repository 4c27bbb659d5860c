//! Snapshot events at older API versions (<https://docs.stripe.com/webhooks/versioning>).
//!
//! Events are kept at the pinned version and rendered when they are delivered. What a system that
//! counts licences reads is faithful, step by step as Stripe changed it, newest first:
//!
//! - `ui_mode` of a checkout session: `hosted_page` was `hosted`, `embedded_page` was `embedded`,
//!   `elements` was `custom` (<https://docs.stripe.com/changelog/dahlia>, 2026-03-25).
//! - Billing periods: on the subscription, not on its items
//!   (<https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end>).
//! - An invoice named its subscription at the top level, and its lines and invoice items had `price`
//!   and `plan` (<https://docs.stripe.com/changelog/basil/2025-03-31/invoice-pricing-configurations>).
//! - An invoice had `paid`
//!   (<https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices>).
//! - A payment intent had its `charges`
//!   (<https://docs.stripe.com/changelog/2022-11-15/removes-charges-attribute-paymentintent>).
//! - A checkout session had `shipping`
//!   (<https://docs.stripe.com/changelog/2022-08-01/updates-shipping-property-checkout-session>).
//!
//! Simplified: before basil a subscription of one item has that item's `plan` and `quantity`, as
//! payloads of these versions show although the reference no longer lists them. `payment_intent` and
//! `charge` of an older invoice are null, as are taxes and discounts, which the double has not. Fields
//! that were only added later stay, as they do at Stripe, except on the checkout session of
//! 2020-08-27, which loses those of today's page. A session opened at 2020-08-27 would have had its
//! payment intent at once; here it has it once it is paid. `previous_attributes` are of the same
//! version as the object.

mod invoices;
mod sessions;
mod subscriptions;

use serde_json::{Value, json};

use super::event::{previous_attributes, restored};
use super::kind::Kind;
use super::list::list;
use super::{World, text};
use crate::API_VERSION;

/// A version that webhook endpoints can be of, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// 2020-08-27
    Charges,
    /// 2024-06-20
    BeforeBasil,
    /// 2025-04-30.basil
    Basil,
    /// What the double renders everywhere else.
    Pinned,
}

impl Version {
    pub(crate) const ALL: [Self; 4] = [Self::Charges, Self::BeforeBasil, Self::Basil, Self::Pinned];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Charges => "2020-08-27",
            Self::BeforeBasil => "2024-06-20",
            Self::Basil => "2025-04-30.basil",
            Self::Pinned => API_VERSION,
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }
}

impl World {
    /// A presented snapshot event as an endpoint of that version gets it. One that a test made at
    /// another version than the pinned one is left as it was made.
    pub(crate) fn at_version(&self, mut event: Value, version: Version) -> Value {
        if version == Version::Pinned || event["api_version"] != API_VERSION {
            return event;
        }
        event["api_version"] = json!(version.name());
        let now = event["data"]["object"].take();
        let object = self.older(now.clone(), version);
        if let Some(previous) = event["data"].get("previous_attributes") {
            let before = self.older(restored(&now, previous), version);
            let previous = previous_attributes(&before, &object).unwrap_or_else(|| json!({}));
            event["data"]["previous_attributes"] = previous;
        }
        event["data"]["object"] = object;
        event
    }

    fn older(&self, object: Value, version: Version) -> Value {
        match text(&object, "object") {
            "checkout.session" => sessions::older(object, version),
            "invoice" if version < Version::Basil => invoices::invoice_before_basil(self, object),
            "invoiceitem" if version < Version::Basil => invoices::item_before_basil(self, object),
            "payment_intent" if version == Version::Charges => self.with_charges(object),
            "subscription" if version < Version::Basil => subscriptions::before_basil(object),
            _unchanged => object,
        }
    }

    fn with_charges(&self, mut intent: Value) -> Value {
        let latest = self.get(Kind::Charge, text(&intent, "latest_charge")).map(|row| self.present(row));
        let url = format!("/v1/charges?payment_intent={}", text(&intent, "id"));
        intent["charges"] = list(latest.into_iter().collect(), false, &url);
        intent
    }
}

/// Takes fields away.
fn remove(object: &mut Value, names: &[&str]) {
    if let Some(fields) = object.as_object_mut() {
        names.iter().for_each(|name| drop(fields.remove(*name)));
    }
}
