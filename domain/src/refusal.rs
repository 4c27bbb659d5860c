//! Business refusals: what we will not do, and what a person can do about it.

use crate::failure::{Classify, FailureKind, Retry};
use crate::ids::{
    CheckoutSessionId, PriceId, StripeCustomerId, StripeSubscriptionId, SubscriptionScheduleId, TenantId,
};
use crate::license::Status;
use crate::license_plan::LicenseNow;
use crate::reconcile::MassFall;
use crate::words::LicenseCount;

/// Why something must not be done. The text names the objects and the way out, and no person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An input that does not fit; the text names the field.
    #[error("{0}; start it again with a corrected input")]
    Input(String),
    /// The session is not paid.
    #[error("checkout_session_id: {0} is not paid; start it again when its payment has gone through")]
    UnpaidSession(CheckoutSessionId),
    /// The session sold no subscription.
    #[error(
        "checkout_session_id: {0} carries no customer and no subscription; name a completed session in subscription mode"
    )]
    EmptySession(CheckoutSessionId),
    /// The session is about another customer or subscription than the input.
    #[error("{field} is not that of {session}; leave out one of the two")]
    SessionOfAnother {
        /// The input field that disagrees.
        field: &'static str,
        /// The session that was given.
        session: CheckoutSessionId,
    },
    /// The customer has a tenant, and it is not the one asked for.
    #[error("{customer} already belongs to tenant {tenant}; start it without tenant_id, or with that one")]
    CustomerOfAnotherTenant {
        /// The customer.
        customer: StripeCustomerId,
        /// Its tenant.
        tenant: TenantId,
    },
    /// The subscription has a tenant, and it is not the one asked for.
    #[error("{subscription} already belongs to tenant {tenant}; correct the subscription, or start it for that tenant")]
    SubscriptionOfAnotherTenant {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// Its tenant.
        tenant: TenantId,
    },
    /// The subscription is not the customer's.
    #[error("{subscription} belongs to {owner}, not to {customer}; correct one of the two")]
    SubscriptionOfAnotherCustomer {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// Whose it is at Stripe.
        owner: StripeCustomerId,
        /// Whose it should be.
        customer: StripeCustomerId,
    },
    /// A tenant has one customer.
    #[error(
        "tenant {tenant} already has the customer {owner}, so {customer} cannot be its customer too; correct one of the two"
    )]
    TenantOfAnotherCustomer {
        /// The tenant.
        tenant: TenantId,
        /// Its customer.
        owner: StripeCustomerId,
        /// The one that was asked for.
        customer: StripeCustomerId,
    },
    /// Row and metadata name different tenants.
    #[error(
        "row and metadata of this purchase name different tenants, {one} and {other}; correct metadata.tenant_id at Stripe"
    )]
    TwoTenants {
        /// One of them.
        one: TenantId,
        /// Another.
        other: TenantId,
    },
    /// A correction would lead a replay to another tenant than the one that is there.
    #[error(
        "this workflow made tenant {made} already, and the corrected input means {tenant}; keep customer and tenant_id, or start it under another workflow id"
    )]
    MadeAnother {
        /// By an earlier run.
        made: TenantId,
        /// By the input.
        tenant: TenantId,
    },
    /// The tenant does not exist.
    #[error("tenant {0} does not exist here; correct its id and start it again")]
    NoSuchTenant(TenantId),
    /// A database has one master billing tenant, for good.
    #[error("the master billing tenant of this database is {0}; use that UUID, or another database")]
    AnotherMaster(TenantId),
    /// The UUID is somebody else's.
    #[error("tenant {0} is not the master billing tenant but an ordinary one; choose another UUID")]
    NotMaster(TenantId),
    /// Nobody buys the tenant that owns the Stripe account.
    #[error(
        "tenant {0} is the master billing tenant and takes no purchase; correct tenant_id, or metadata.tenant_id at Stripe"
    )]
    PurchaseOfMaster(TenantId),
    /// The customer was deleted at Stripe.
    #[error("{0} was deleted at Stripe; correct the customer")]
    DeletedCustomer(StripeCustomerId),
    /// No item, or several, could be the one that counts licences.
    #[error(
        "{0} has no item, or several, that could count licences; name the licence price in LICENSE_PRICE_IDS and start it again"
    )]
    AmbiguousItem(StripeSubscriptionId),
    /// Billed by reported usage: it has no quantity.
    #[error("{0} is metered and has no quantity to take as a licence count; move it to a price per seat")]
    Metered(StripeSubscriptionId),
    /// Sold on top of a licence, and no licence by itself.
    #[error("{0} is an add-on (metadata.addon_key) and makes no tenant; name the licence subscription")]
    AddOn(StripeSubscriptionId),
    /// Too many tenants would lose all their licences at once.
    #[error(
        "{} of the {} tenants that have licences would fall to 0, more than 5 %, and nothing was repaired; events that were missed are not fed either; look at the findings, and if Stripe is right, run it again with force", .0.falling, .0.licensed
    )]
    MassFall(MassFall),
    /// The tenant that owns the Stripe account buys nothing.
    #[error("tenant {0} is the master billing tenant and has no licences; name the tenant whose they are")]
    LicensesOfMaster(TenantId),
    /// Nobody pays for the tenant at Stripe.
    #[error("tenant {0} has no customer at Stripe, so nothing there counts its licences; sell it a subscription first")]
    NoCustomer(TenantId),
    /// No subscription of the customer entitles now.
    #[error("{0} has no live subscription at Stripe; sell it one, or mend the one that ended, and start it again")]
    NoLiveSubscription(StripeCustomerId),
    /// All that lives is sold on top of a licence.
    #[error("{0} has live add-ons only (metadata.addon_key); sell it a licence subscription, and start it again")]
    OnlyAddOns(StripeCustomerId),
    /// A unit of the quantity is not a seat.
    #[error(
        "{price} of {subscription} bills packages of several units (transform_quantity) and not seats; move it to a price per seat"
    )]
    NotPerSeat {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// Its price.
        price: PriceId,
    },
    /// It will end.
    #[error("{0} is set to cancel; take that back at Stripe and start it again, or leave its licences as they are")]
    SetToCancel(StripeSubscriptionId),
    /// Somebody else plans its future.
    #[error(
        "{subscription} is under {schedule}, which was not made here, or not left as it was made; release that schedule at Stripe and start it again"
    )]
    ForeignSchedule {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// The schedule.
        schedule: SubscriptionScheduleId,
    },
    /// What it says of the current period is not what the subscription has.
    #[error("{0} does not say what its subscription has now; release that schedule at Stripe and start it again")]
    ScheduleDiffers(SubscriptionScheduleId),
    /// Our schedule is not the one that it was.
    #[error(
        "{subscription} was put under another schedule, or taken from {schedule}, meanwhile; look at it, and start it again if it is still meant"
    )]
    ScheduleChanged {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// The schedule that was to be changed.
        schedule: SubscriptionScheduleId,
    },
    /// Stripe has a number that nobody decided on.
    #[error(
        "{subscription} was changed meanwhile: it has {found} licences, and it was decided on {from}; look at it, and start it again if it is still meant"
    )]
    ChangedMeanwhile {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// What it was decided on.
        from: LicenseCount,
        /// What Stripe has.
        found: LicenseCount,
    },
    /// What was written is not what Stripe has afterwards.
    #[error(
        "{subscription} was changed by somebody else right after: Stripe has {now}, and {to} was asked for; look at it, and start it again if it is still meant"
    )]
    NotReached {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// What was asked for.
        to: LicenseCount,
        /// What Stripe has.
        now: LicenseNow,
    },
    /// The increase was not paid.
    #[error(
        "the payment did not go through ({code}): {message} The number was not changed; let the customer mend it, and start it again"
    )]
    PaymentDeclined {
        /// Stripe's decline code, or its error code where there is none.
        code: String,
        /// What Stripe says to the payer.
        message: String,
    },
    /// Not paying.
    #[error("{subscription} is {status} at Stripe and entitles to nothing; start it again when it is active")]
    NotLive {
        /// The subscription.
        subscription: StripeSubscriptionId,
        /// What Stripe says.
        status: Status,
    },
}

impl Classify for Refusal {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Input(_) | Self::UnpaidSession(_) | Self::EmptySession(_) => FailureKind::ValidationError,
            Self::CustomerOfAnotherTenant { .. } | Self::SubscriptionOfAnotherTenant { .. } => {
                FailureKind::DuplicateError
            }
            Self::SessionOfAnother { .. }
            | Self::SubscriptionOfAnotherCustomer { .. }
            | Self::TenantOfAnotherCustomer { .. }
            | Self::TwoTenants { .. }
            | Self::MadeAnother { .. }
            | Self::AnotherMaster(_)
            | Self::NotMaster(_)
            | Self::PurchaseOfMaster(_)
            | Self::SetToCancel(_)
            | Self::ForeignSchedule { .. }
            | Self::ScheduleDiffers(_)
            | Self::ScheduleChanged { .. }
            | Self::ChangedMeanwhile { .. }
            | Self::NotReached { .. } => FailureKind::ConflictError,
            Self::NoSuchTenant(_) => FailureKind::TenantNotFound,
            Self::DeletedCustomer(_) => FailureKind::StripeNotFound,
            Self::AmbiguousItem(_) => FailureKind::AmbiguousSubscription,
            Self::MassFall(_) => FailureKind::MassFall,
            Self::PaymentDeclined { .. } => FailureKind::PaymentDeclined,
            Self::Metered(_)
            | Self::AddOn(_)
            | Self::NotLive { .. }
            | Self::LicensesOfMaster(_)
            | Self::NoCustomer(_)
            | Self::NoLiveSubscription(_)
            | Self::OnlyAddOns(_)
            | Self::NotPerSeat { .. } => FailureKind::NotLicensable,
        }
    }

    /// A refusal stands until a person changes something.
    fn retry(&self) -> Retry {
        Retry::Never
    }
}

#[cfg(test)]
mod tests;
