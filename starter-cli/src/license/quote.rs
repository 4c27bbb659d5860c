//! What a change of licences would do and cost: decided by the same rules as the change itself, and
//! priced by Stripe.

use chrono::{DateTime, Utc};
use domain::change_license::ChangeLicenseInput;
use domain::failure::{Classify, FailureKind};
use domain::ids::{StripeCustomerId, StripeSubscriptionId};
use domain::license_plan::{Action, LicensePlan, Licensed, counting_subscription};
use domain::refusal::Refusal;
use domain::words::LicenseCount;
use schemars::JsonSchema;
use serde::Serialize;
use store::TenantView;
use stripe_gateway::{
    ComingQuantity, InvoicePreview, Proration, Quantity, RawSchedule, Scheduled, Stripe, StripeConfig,
};

use super::refused;
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::money::money;
use crate::output::{Report, Rows, time};
use crate::settings::lookup;

/// What would be done, and what it would cost.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Quote {
    tenant_id: String,
    stripe_customer_id: StripeCustomerId,
    stripe_subscription_id: StripeSubscriptionId,
    /// How many licences there are.
    pub(super) from: LicenseCount,
    to: LicenseCount,
    action: Action,
    /// From when on `to` holds, where it waits for its day.
    effective_at: Option<DateTime<Utc>>,
    /// The change that waits, which this one takes the place of.
    waiting: Option<Waits>,
    is_trialing: bool,
    /// What would be billed at once, if anything is.
    now: Option<Bill>,
    next: Bill,
    next_at: Option<DateTime<Utc>>,
}

/// A number that waits for its day.
#[derive(Debug, Serialize, JsonSchema)]
struct Waits {
    to: LicenseCount,
    at: Option<DateTime<Utc>>,
}

/// An invoice that Stripe would make. Amounts are in the currency's smallest unit.
#[derive(Debug, Serialize, JsonSchema)]
struct Bill {
    amount_due: i64,
    /// Less than nothing is a credit.
    total: i64,
    currency: String,
    /// `amount_due` as people write it.
    shown: String,
    paid_until: Option<DateTime<Utc>>,
}

impl Quote {
    /// Asks Stripe; refuses what the change would be refused with.
    pub(super) async fn of(
        database: &Database,
        tenant: &TenantView,
        input: &ChangeLicenseInput,
    ) -> Result<Self, Failure> {
        let (stripe, rules) = (stripe()?, database.store.rules());
        let customer = tenant.stripe_customer_id.as_deref().and_then(|id| id.parse().ok());
        let customer: StripeCustomerId = customer.ok_or_else(|| refused(&Refusal::NoCustomer(input.tenant_id)))?;
        let listed = stripe.subscriptions_of(&customer).await.map_err(|error| failed(&error))?;
        let id = counting_subscription(&customer, &listed, rules).map_err(|refusal| refused(&refusal))?;
        let (subscription, schedule) = stripe.subscription_and_schedule(id).await.map_err(|error| failed(&error))?;
        let of_another = database.store.refuse_other_tenants(&subscription, input.tenant_id).await;
        of_another.map_err(|error| match &error {
            store::Error::Refused(refusal) => refused(refusal),
            store::Error::Unavailable(_) | store::Error::Contradiction(_) | store::Error::Unreadable { .. } => {
                database.failed(&error)
            }
        })?;
        let plan = LicensePlan::of(input, &subscription, rules).map_err(|refusal| refused(&refusal))?;
        let found = Licensed::of(&subscription, rules).map_err(|refusal| refused(&refusal))?;
        let (now, next) = bills(&stripe, &plan, &found, schedule.as_ref()).await.map_err(|error| failed(&error))?;
        Ok(Self::new(input, plan, &found, now, next))
    }

    fn new(
        input: &ChangeLicenseInput,
        plan: LicensePlan,
        found: &Licensed,
        now: Option<InvoicePreview>,
        next: InvoicePreview,
    ) -> Self {
        let waiting = plan.waiting().map(|waiting| Waits { to: waiting.quantity, at: moment(waiting.at) });
        Self {
            tenant_id: input.tenant_id.to_string(),
            from: plan.from,
            to: plan.to,
            action: plan.action,
            effective_at: match plan.action {
                Action::Nothing | Action::Release | Action::Set => None,
                Action::Schedule => moment(plan.period_end),
            },
            waiting,
            is_trialing: found.is_trialing,
            now: now.map(Bill::from),
            next: next.into(),
            next_at: moment(plan.period_end),
            stripe_customer_id: plan.stripe_customer_id,
            stripe_subscription_id: plan.stripe_subscription_id,
        }
    }
}

/// What would be billed now, and what at the next renewal.
async fn bills(
    stripe: &Stripe,
    plan: &LicensePlan,
    found: &Licensed,
    schedule: Option<&RawSchedule>,
) -> Result<(Option<InvoicePreview>, InvoicePreview), stripe_gateway::Error> {
    let to = Quantity {
        subscription: &plan.stripe_subscription_id,
        item: &found.item,
        quantity: plan.to,
        proration: match plan.action {
            Action::Set => Proration::of(found, plan.to),
            Action::Nothing | Action::Release | Action::Schedule => Proration::None,
        },
    };
    let scheduled = plan.schedule.as_ref().zip(schedule).map(|(ours, schedule)| Scheduled {
        id: &ours.id,
        schedule,
        coming: ComingQuantity { price: &found.price, quantity: plan.to, at: found.period_end },
    });
    Ok((stripe.preview_now(&to).await?, stripe.preview_next(&to, scheduled.as_ref()).await?))
}

fn stripe() -> Result<Stripe, Failure> {
    let config = StripeConfig::from_env(lookup).map_err(Failure::setting)?;
    Stripe::new(config).map_err(|error| Failure::new(Exit::Unreachable, chain(&error), "run `tenantry doctor`"))
}

/// Stripe did not answer, or not with yes.
fn failed(error: &stripe_gateway::Error) -> Failure {
    use stripe_gateway::Error;
    let message = chain(error);
    match error {
        Error::Forbidden(refusal) => refused(refusal),
        Error::NotFound { .. } => Failure::new(Exit::NotFound, message, "run `tenantry doctor`: is it this account's?"),
        Error::Unauthorized(_) => Failure::new(Exit::Unreachable, message, "set a valid key"),
        Error::Declined(_) | Error::Refused(_) => {
            let kind = FailureKind::as_str(error.kind());
            Failure::new(Exit::Failed, format!("{kind}: {message}"), "nothing was changed")
        }
        Error::Unreachable { .. }
        | Error::Throttled(_)
        | Error::KeyTaken(_)
        | Error::Unavailable(_)
        | Error::Unreadable { .. } => Failure::new(Exit::Unreachable, message, "try again when Stripe answers"),
    }
}

fn moment(unix: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(unix, 0)
}

impl From<InvoicePreview> for Bill {
    fn from(preview: InvoicePreview) -> Self {
        Self {
            shown: money(preview.amount_due, &preview.currency),
            amount_due: preview.amount_due,
            total: preview.total,
            currency: preview.currency,
            paid_until: moment(preview.until),
        }
    }
}

impl Bill {
    /// The amount, and what is left of a credit that is larger.
    fn words(&self) -> String {
        match self.total {
            total if total < 0 && self.amount_due == 0 => {
                format!("nothing, and {} stay as a credit", money(-total, &self.currency))
            }
            _ => self.shown.clone(),
        }
    }
}

impl Quote {
    /// The change itself, in words.
    fn change(&self) -> String {
        let Self { from, to, .. } = self;
        match self.action {
            Action::Nothing => format!("{from}, and it stays so: there is nothing to change"),
            Action::Release => format!("{from}, and it stays so: {} is taken back", self.waiting_change()),
            Action::Set => format!("{from} -> {to}, now"),
            Action::Schedule => format!("{from} -> {to}, {}", self.effective_at.map_or_else(String::new, from_then_on)),
        }
    }

    fn waiting_change(&self) -> String {
        let Some(Waits { to, at }) = &self.waiting else { return "what waits".to_owned() };
        let at = at.map_or_else(String::new, |at| format!(" on {}", time(at)));
        format!("the change to {to}{at}")
    }

    fn now(&self) -> String {
        match (&self.now, self.action) {
            (Some(bill), _) => {
                let until = bill.paid_until.map_or_else(String::new, |at| format!(", for the time until {}", time(at)));
                format!("{}{until}", bill.words())
            }
            (None, Action::Set) if self.is_trialing => "nothing: it is on trial".to_owned(),
            (None, Action::Set) => "nothing: what was paid for is credited on the next invoice".to_owned(),
            (None, Action::Nothing | Action::Release | Action::Schedule) => "nothing".to_owned(),
        }
    }
}

fn from_then_on(at: DateTime<Utc>) -> String {
    format!("from {} on", time(at))
}

impl Report for Quote {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("tenant", &self.tenant_id);
        rows.push("subscription", self.stripe_subscription_id.as_str());
        rows.push("licences", self.change());
        let replaced = self.waiting.is_some() && self.action != Action::Release;
        rows.push_some("", replaced.then(|| format!("takes the place of {}", self.waiting_change())));
        rows.push("billed now", self.now());
        let next_at = self.next_at.map_or_else(String::new, |at| format!(" on {}", time(at)));
        rows.push("next bill", format!("{}{next_at}", self.next.words()));
        rows.to_string()
    }
}
