//! The kinds of objects that the double keeps: their names, prefixes and URLs.

use serde::{Deserialize, Serialize};

/// A kind of object, as `object` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    Card,
    Charge,
    CheckoutSession,
    Customer,
    Event,
    EventDestination,
    Invoice,
    InvoiceItem,
    InvoicePayment,
    PaymentIntent,
    PaymentMethod,
    Price,
    Product,
    SetupIntent,
    Subscription,
    SubscriptionItem,
    SubscriptionSchedule,
    ThinEvent,
    WebhookEndpoint,
}

impl Kind {
    pub(crate) const ALL: [Self; 19] = [
        Self::Card,
        Self::Charge,
        Self::CheckoutSession,
        Self::Customer,
        Self::Event,
        Self::EventDestination,
        Self::Invoice,
        Self::InvoiceItem,
        Self::InvoicePayment,
        Self::PaymentIntent,
        Self::PaymentMethod,
        Self::Price,
        Self::Product,
        Self::SetupIntent,
        Self::Subscription,
        Self::SubscriptionItem,
        Self::SubscriptionSchedule,
        Self::ThinEvent,
        Self::WebhookEndpoint,
    ];

    /// The value of the `object` field.
    pub(crate) fn object(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Charge => "charge",
            Self::CheckoutSession => "checkout.session",
            Self::Customer => "customer",
            Self::Event => "event",
            Self::EventDestination => "v2.core.event_destination",
            Self::Invoice => "invoice",
            Self::InvoiceItem => "invoiceitem",
            Self::InvoicePayment => "invoice_payment",
            Self::PaymentIntent => "payment_intent",
            Self::PaymentMethod => "payment_method",
            Self::Price => "price",
            Self::Product => "product",
            Self::SetupIntent => "setup_intent",
            Self::Subscription => "subscription",
            Self::SubscriptionItem => "subscription_item",
            Self::SubscriptionSchedule => "subscription_schedule",
            Self::ThinEvent => "v2.core.event",
            Self::WebhookEndpoint => "webhook_endpoint",
        }
    }

    /// How its ids begin, and how many random characters follow.
    pub(crate) fn id_shape(self) -> (&'static str, usize) {
        match self {
            Self::Card => ("card_1", 23),
            Self::Charge => ("ch_3", 23),
            Self::CheckoutSession => ("cs_test_a1", 56),
            Self::Customer => ("cus_", 14),
            Self::Event => ("evt_1", 23),
            Self::EventDestination => ("ed_test_6", 30),
            Self::Invoice => ("in_1", 23),
            Self::InvoiceItem => ("ii_1", 23),
            Self::InvoicePayment => ("inpay_1", 23),
            Self::PaymentIntent => ("pi_3", 23),
            Self::PaymentMethod => ("pm_1", 23),
            Self::Price => ("price_1", 23),
            Self::Product => ("prod_", 14),
            Self::SetupIntent => ("seti_1", 23),
            Self::Subscription => ("sub_1", 23),
            Self::SubscriptionItem => ("si_", 14),
            Self::SubscriptionSchedule => ("sub_sched_1", 23),
            Self::ThinEvent => ("evt_test_6", 30),
            Self::WebhookEndpoint => ("we_1", 23),
        }
    }

    /// What an error message calls it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::PaymentMethod => "PaymentMethod",
            Self::Card => "source",
            Self::Charge
            | Self::CheckoutSession
            | Self::Customer
            | Self::Event
            | Self::EventDestination
            | Self::Invoice
            | Self::InvoiceItem
            | Self::InvoicePayment
            | Self::PaymentIntent
            | Self::Price
            | Self::Product
            | Self::SetupIntent
            | Self::Subscription
            | Self::SubscriptionItem
            | Self::SubscriptionSchedule
            | Self::ThinEvent
            | Self::WebhookEndpoint => self.object(),
        }
    }

    /// What Stripe calls the id of such an object's URL in its errors.
    pub(crate) fn url_param(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Invoice => "invoice",
            Self::PaymentIntent => "intent",
            Self::SetupIntent => "setup_intent",
            Self::PaymentMethod => "payment_method",
            Self::CheckoutSession => "session",
            Self::SubscriptionItem => "item",
            Self::SubscriptionSchedule => "schedule",
            Self::Charge => "charge",
            Self::InvoiceItem => "invoiceitem",
            Self::InvoicePayment => "invoice_payment",
            Self::WebhookEndpoint => "webhook_endpoint",
            Self::Card
            | Self::Customer
            | Self::Event
            | Self::EventDestination
            | Self::Product
            | Self::Subscription
            | Self::ThinEvent => "id",
        }
    }

    /// Where such objects are listed.
    pub(crate) fn url(self) -> &'static str {
        match self {
            Self::Card => "/v1/sources",
            Self::Charge => "/v1/charges",
            Self::CheckoutSession => "/v1/checkout/sessions",
            Self::Customer => "/v1/customers",
            Self::Event => "/v1/events",
            Self::EventDestination => "/v2/core/event_destinations",
            Self::Invoice => "/v1/invoices",
            Self::InvoiceItem => "/v1/invoiceitems",
            Self::InvoicePayment => "/v1/invoice_payments",
            Self::PaymentIntent => "/v1/payment_intents",
            Self::PaymentMethod => "/v1/payment_methods",
            Self::Price => "/v1/prices",
            Self::Product => "/v1/products",
            Self::SetupIntent => "/v1/setup_intents",
            Self::Subscription => "/v1/subscriptions",
            Self::SubscriptionItem => "/v1/subscription_items",
            Self::SubscriptionSchedule => "/v1/subscription_schedules",
            Self::ThinEvent => "/v2/core/events",
            Self::WebhookEndpoint => "/v1/webhook_endpoints",
        }
    }
}
