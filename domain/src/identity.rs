//! One tenant per Stripe customer, ever: which tenant a purchase belongs to.
//!
//! The id is fixed before anything is written, so that a step that times out, a second run
//! and a second worker all mean the same tenant.

use crate::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use crate::refusal::Refusal;

/// What is known about whose a purchase is, before anything is written.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// The caller's `tenant_id`.
    pub given: Option<TenantId>,
    /// The tenant that an earlier run of the same workflow made. A replay goes on with it, and a
    /// correction cannot lead elsewhere.
    pub made: Option<TenantId>,
    /// The customer, and the tenant of its row or of its `metadata.tenant_id`.
    pub customer: Option<Claim<StripeCustomerId>>,
    /// The subscription, and the tenant of its row or of its `metadata.tenant_id`.
    pub subscription: Option<Claim<StripeSubscriptionId>>,
}

/// One object and the tenants that claim it.
#[derive(Clone, Debug)]
pub struct Claim<Id> {
    /// The object.
    pub id: Id,
    /// The tenant that its row belongs to.
    pub row: Option<TenantId>,
    /// Its `metadata.tenant_id`, if that tenant exists. A tag that names nobody claims nothing.
    pub tag: Option<TenantId>,
}

impl<Id> Claim<Id> {
    fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.row.into_iter().chain(self.tag)
    }
}

impl Claims {
    /// The tenant of this purchase: the caller's, else the one that the customer already has,
    /// else one derived from the customer, else one derived from the workflow id.
    pub fn tenant(&self, workflow_id: &str) -> Result<TenantId, Refusal> {
        let tenant = match self.given {
            Some(given) => self.nobody_else_than(given)?,
            None => match self.known()? {
                Some(known) => known,
                None => self.made.unwrap_or_else(|| self.derived(workflow_id)),
            },
        };
        match self.made {
            Some(made) if made != tenant => Err(Refusal::MadeAnother { made, tenant }),
            Some(_) | None => Ok(tenant),
        }
    }

    /// `given`, unless customer or subscription are another tenant's.
    pub fn nobody_else_than(&self, given: TenantId) -> Result<TenantId, Refusal> {
        if let Some(claim) = &self.customer
            && let Some(tenant) = claim.tenants().find(|t| *t != given)
        {
            return Err(Refusal::CustomerOfAnotherTenant { customer: claim.id.clone(), tenant });
        }
        if let Some(claim) = &self.subscription
            && let Some(tenant) = claim.tenants().find(|t| *t != given)
        {
            return Err(Refusal::SubscriptionOfAnotherTenant { subscription: claim.id.clone(), tenant });
        }
        Ok(given)
    }

    fn known(&self) -> Result<Option<TenantId>, Refusal> {
        let customer = self.customer.iter().flat_map(Claim::tenants);
        let mut tenants = customer.chain(self.subscription.iter().flat_map(Claim::tenants));
        let Some(one) = tenants.next() else { return Ok(None) };
        match tenants.find(|other| *other != one) {
            Some(other) => Err(Refusal::TwoTenants { one, other }),
            None => Ok(Some(one)),
        }
    }

    fn derived(&self, workflow_id: &str) -> TenantId {
        match &self.customer {
            Some(claim) => TenantId::of_customer(&claim.id),
            None => TenantId::of_workflow(workflow_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Classify, FailureKind};
    use uuid::Uuid;

    fn tenant(n: u128) -> TenantId {
        Uuid::from_u128(n).into()
    }

    fn customer(row: Option<u128>, tag: Option<u128>) -> Option<Claim<StripeCustomerId>> {
        Some(Claim { id: "cus_1".parse().expect("an id"), row: row.map(tenant), tag: tag.map(tenant) })
    }

    fn subscription(row: Option<u128>, tag: Option<u128>) -> Option<Claim<StripeSubscriptionId>> {
        Some(Claim { id: "sub_1".parse().expect("an id"), row: row.map(tenant), tag: tag.map(tenant) })
    }

    fn check(claims: &Claims, expected: Result<TenantId, FailureKind>) {
        let found = claims.tenant("create-tenant-x").map_err(|refusal| refusal.kind());
        assert_eq!(found, expected, "{claims:?}");
    }

    #[test]
    fn the_callers_tenant_wins_unless_another_has_the_customer_or_subscription() {
        let given = Some(tenant(7));
        check(&Claims { given, ..Claims::default() }, Ok(tenant(7)));
        check(&Claims { given, customer: customer(Some(7), Some(7)), ..Claims::default() }, Ok(tenant(7)));
        for other in [customer(Some(8), None), customer(None, Some(8)), customer(Some(7), Some(8))] {
            check(&Claims { given, customer: other, ..Claims::default() }, Err(FailureKind::DuplicateError));
        }
        let other = subscription(Some(8), None);
        check(&Claims { given, subscription: other, ..Claims::default() }, Err(FailureKind::DuplicateError));
    }

    #[test]
    fn a_known_customer_keeps_its_tenant() {
        check(&Claims { customer: customer(Some(1), None), ..Claims::default() }, Ok(tenant(1)));
        check(&Claims { customer: customer(None, Some(2)), ..Claims::default() }, Ok(tenant(2)));
        let tagged =
            Claims { customer: customer(None, None), subscription: subscription(None, Some(3)), ..Claims::default() };
        check(&tagged, Ok(tenant(3)));
    }

    #[test]
    fn a_replay_goes_on_with_the_tenant_that_its_workflow_made() {
        let made = Some(tenant(5));
        check(&Claims { made, ..Claims::default() }, Ok(tenant(5)));
        check(&Claims { made, customer: customer(None, None), ..Claims::default() }, Ok(tenant(5)));
        check(&Claims { made, customer: customer(Some(5), None), ..Claims::default() }, Ok(tenant(5)));
        check(&Claims { made, given: Some(tenant(5)), ..Claims::default() }, Ok(tenant(5)));
        let elsewhere = [
            Claims { made, given: Some(tenant(6)), ..Claims::default() },
            Claims { made, customer: customer(Some(6), None), ..Claims::default() },
        ];
        for claims in elsewhere {
            check(&claims, Err(FailureKind::ConflictError));
        }
    }

    #[test]
    fn two_known_tenants_are_a_conflict() {
        let torn = Claims { customer: customer(Some(1), Some(2)), ..Claims::default() };
        check(&torn, Err(FailureKind::ConflictError));
        let torn = Claims {
            customer: customer(Some(1), None),
            subscription: subscription(None, Some(2)),
            ..Claims::default()
        };
        check(&torn, Err(FailureKind::ConflictError));
    }

    #[test]
    fn an_unknown_purchase_gets_the_tenant_of_its_customer_else_of_its_workflow() {
        let id = "cus_1".parse().expect("an id");
        check(&Claims { customer: customer(None, None), ..Claims::default() }, Ok(TenantId::of_customer(&id)));
        check(&Claims::default(), Ok(TenantId::of_workflow("create-tenant-x")));
    }
}
