//! What a number of licences would cost, by Stripe's own reckoning
//! (<https://docs.stripe.com/api/invoices/create_preview>): prices in tiers, discounts, taxes and
//! what waits for the next invoice are in it. Nothing is written.
//!
//! The phases of a schedule are said again as Stripe answered them, which no typed builder takes, and
//! that of previews would come with all that can be done to an invoice; so the form is written out.

use domain::ids::SubscriptionScheduleId;
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::error::Error;
use crate::licenses::{ComingQuantity, Proration, Quantity, RawSchedule};
use crate::phases::{Coming, with_number_now};
use crate::transport::Stripe;
use crate::wire;

const PATH: &str = "/invoices/create_preview";
/// What becomes of the rest of the period.
const ALWAYS_INVOICE: &str = "always_invoice";
const CREATE_PRORATIONS: &str = "create_prorations";
const NONE: &str = "none";

/// An invoice that Stripe would make. Amounts are in the currency's smallest unit
/// (<https://docs.stripe.com/currencies#zero-decimal>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoicePreview {
    /// What would be paid.
    pub amount_due: i64,
    /// All lines together; less than nothing is a credit for later.
    pub total: i64,
    /// ISO 4217 in lower case.
    pub currency: String,
    /// Until when it would be paid for, in Unix seconds.
    pub until: i64,
}

/// A schedule that the subscription is under, which the next renewal would otherwise follow.
#[derive(Clone, Debug)]
pub struct Scheduled<'a> {
    /// Its id.
    pub id: &'a SubscriptionScheduleId,
    /// As Stripe answered it.
    pub schedule: &'a RawSchedule,
    /// The number, by its price, and when the period ends.
    pub coming: ComingQuantity<'a>,
}

impl Stripe {
    /// What the number would cost now, for the rest of the period; none where nothing is billed.
    pub async fn preview_now(&self, to: &Quantity<'_>) -> Result<Option<InvoicePreview>, Error> {
        match to.proration {
            Proration::Charge => self.preview(request(&of_subscription(to, ALWAYS_INVOICE)), to).await.map(Some),
            Proration::Credit | Proration::None => Ok(None),
        }
    }

    /// What the next renewal would cost with that number, which nothing that waits overrides.
    pub async fn preview_next(
        &self,
        to: &Quantity<'_>,
        scheduled: Option<&Scheduled<'_>>,
    ) -> Result<InvoicePreview, Error> {
        let behavior = match to.proration {
            Proration::Credit => CREATE_PRORATIONS,
            // What is charged now is not on the next invoice.
            Proration::Charge | Proration::None => NONE,
        };
        let form = match scheduled {
            Some(scheduled) => of_schedule(scheduled, behavior).ok_or_else(no_such_price)?,
            None => of_subscription(to, behavior),
        };
        self.preview(request(&form), to).await
    }

    async fn preview(&self, request: RequestBuilder, to: &Quantity<'_>) -> Result<InvoicePreview, Error> {
        Ok(self.get::<wire::InvoicePreview>(request, to.subscription.as_str()).await?.into())
    }
}

fn request(form: &Value) -> RequestBuilder {
    RequestBuilder::new(StripeMethod::Post, PATH).form(form)
}

fn of_subscription(to: &Quantity<'_>, behavior: &str) -> Value {
    let items = json!([{"id": to.item.as_str(), "quantity": to.quantity.get()}]);
    let details = json!({"items": items, "proration_behavior": behavior});
    json!({"subscription": to.subscription.as_str(), "subscription_details": details})
}

/// The schedule with the number in the phase that runs, and no phase after it. Stripe does not take
/// changes of a subscription beside those of its schedule.
fn of_schedule(scheduled: &Scheduled<'_>, behavior: &str) -> Option<Value> {
    let ComingQuantity { price, quantity, at } = scheduled.coming;
    let phases = with_number_now(&scheduled.schedule.0, &Coming { price, quantity, at })?;
    let details = json!({"end_behavior": "release", "phases": phases, "proration_behavior": behavior});
    Some(json!({"schedule": scheduled.id.as_str(), "schedule_details": details}))
}

fn no_such_price() -> Error {
    let wrong = "schedule.phases: the current phase has no item of the licence price".to_owned();
    Error::Unreadable { request: format!("POST /v1{PATH}"), wrong }
}
