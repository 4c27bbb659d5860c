//! Comparing the subscriptions that a walk staged with their rows.
//!
//! A row that was read later than its page is newer than the page, and no drift: a stale read never
//! wins. Nor is it drift while an event of the subscription is on its way.

use std::collections::BTreeMap;

use domain::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::reconcile::DriftKind;
use domain::record::SubscriptionRecord;
use domain::refusal::Refusal;
use domain::steps::DriftOf;
use domain::stripe::{StripeSubscription, tagged_tenant};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::drift_rows::{Row, staged};
use crate::error::unreadable;
use crate::findings::{NewFinding, note};
use crate::{Error, Store};

/// The tenants that tags name and that exist, each with its customer if it has one.
type Tags = BTreeMap<TenantId, Option<StripeCustomerId>>;

/// Compared in one go: a page of them is in memory.
pub(crate) const PAGE: usize = 200;

impl Store {
    /// Compares a page of staged subscriptions with their rows, notes what differs, and answers where
    /// the next page begins.
    pub async fn compare_subscriptions(
        &self,
        of: &DriftOf,
        after: Option<&StripeSubscriptionId>,
    ) -> Result<Option<StripeSubscriptionId>, Error> {
        let mut tx = self.pool.begin().await?;
        let page = staged(&mut tx, of.walk, after).await?;
        let tags = self.existing_tags(&mut tx, &page).await?;
        let judged = page.iter().flat_map(|staged| staged.judged(&tags, self).into_iter().flatten());
        // Whatever was staged of others for one tenant's sake is nobody's business here.
        let is_asked_for = |found: &NewFinding| of.tenant_id.is_none() || found.tenant == of.tenant_id;
        let found: Vec<NewFinding> = judged.filter(is_asked_for).collect();
        note(&mut tx, of.walk, &found).await?;
        tx.commit().await?;
        let last = page.last().filter(|_| page.len() == PAGE);
        Ok(last.map(|last| last.subscription.id.clone()))
    }

    /// Those of the tenants that the page's tags name which exist. The master billing tenant buys
    /// nothing.
    async fn existing_tags(&self, db: &mut PgConnection, page: &[Staged]) -> Result<Tags, Error> {
        let tags = page.iter().filter_map(|one| tagged_tenant(&one.subscription.metadata));
        let tags: Vec<_> = tags.filter(|tag| *tag != self.master).map(TenantId::as_uuid).collect();
        let query = sqlx::query!(
            "SELECT tenant AS \"tenant!\", stripe_customer_external_id AS \"customer?\"
             FROM tenants LEFT JOIN stripe_customers USING (tenant) WHERE tenant = ANY($1)",
            &tags,
        );
        let wrong = || unreadable("stripe_customers", "stripe_customer_external_id");
        let customer = |id: Option<String>| id.map(|id| id.parse().map_err(|_| wrong())).transpose();
        let rows = query.fetch_all(db).await?.into_iter();
        rows.map(|row| Ok((row.tenant.into(), customer(row.customer)?))).collect()
    }
}

/// A subscription as it was staged, and what there is of it here.
pub(crate) struct Staged {
    pub(crate) subscription: StripeSubscription,
    pub(crate) ticket: i64,
    /// Whose its customer is.
    pub(crate) customers: Option<TenantId>,
    pub(crate) row: Option<Row>,
    /// An event of it waits to be handled, since a moment ago.
    pub(crate) is_on_its_way: bool,
}

/// Whose a subscription is, by its customer and by its tag.
struct Owner {
    tenant: Option<TenantId>,
    tag: Option<TenantId>,
    /// Why nothing may be written about it.
    conflict: Option<String>,
}

impl Staged {
    /// What is wrong with its row, and with its tag.
    fn judged(&self, tags: &Tags, store: &Store) -> [Option<NewFinding>; 2] {
        let is_newer = self.row.as_ref().is_some_and(|row| row.ticket > self.ticket);
        if is_newer || self.is_on_its_way {
            return [None, None];
        }
        let owner = self.owner(tags);
        let is_live = store.rules().is_live(self.subscription.status);
        let record = SubscriptionRecord::of(&self.subscription, store.rules());
        let row = match (&self.row, owner.tenant) {
            (Some(row), _) => self.stale(row, &record),
            (None, Some(_)) if is_live => Some(self.missing(DriftKind::MissingRow, &record)),
            (None, None) if is_live && !record.is_add_on => Some(self.orphan(&record)),
            (None, Some(_) | None) => None,
        };
        let row =
            row.map(|row| NewFinding { tenant: owner.tenant, reason: owner.conflict.clone().or(row.reason), ..row });
        [row, is_live.then(|| self.untagged(&owner)).flatten()]
    }

    /// As a sync sees it: what the customer's row says goes before the tag, and a tag makes no second
    /// customer of a tenant that has one.
    fn owner(&self, tags: &Tags) -> Owner {
        let tagged = tagged_tenant(&self.subscription.metadata).and_then(|tag| tags.get_key_value(&tag));
        let tag = tagged.map(|(tag, _)| *tag);
        match (self.customers, tagged) {
            (Some(one), Some((other, _))) if one != *other => {
                let conflict = Refusal::TwoTenants { one, other: *other };
                Owner { tenant: Some(one), tag, conflict: Some(conflict.to_string()) }
            }
            (None, Some((tenant, Some(owner)))) => {
                let (tenant, owner, customer) = (*tenant, owner.clone(), self.subscription.customer.clone());
                let conflict = Refusal::TenantOfAnotherCustomer { tenant, owner, customer };
                Owner { tenant: None, tag, conflict: Some(conflict.to_string()) }
            }
            (customers, _) => Owner { tenant: customers.or(tag), tag, conflict: None },
        }
    }

    fn stale(&self, row: &Row, record: &SubscriptionRecord) -> Option<NewFinding> {
        let (ours, stripes) = row.record.difference(record)?;
        let ours = Value::Object(ours);
        Some(NewFinding { ours, stripes: Value::Object(stripes), ..self.finding(DriftKind::StaleRow) })
    }

    fn missing(&self, kind: DriftKind, record: &SubscriptionRecord) -> NewFinding {
        NewFinding { stripes: Value::Object(record.gist()), ..self.finding(kind) }
    }

    fn orphan(&self, record: &SubscriptionRecord) -> NewFinding {
        let customer = &self.subscription.customer;
        let reason = format!("no tenant has {customer}; if somebody should, onboard it: tenantry start tenant --help");
        NewFinding { reason: Some(reason), ..self.missing(DriftKind::Orphan, record) }
    }

    /// A tag of another tenant that exists is a contradiction, and never replaced.
    fn untagged(&self, owner: &Owner) -> Option<NewFinding> {
        let tenant = owner.tenant.filter(|tenant| owner.tag != Some(*tenant))?;
        Some(NewFinding {
            tenant: Some(tenant),
            ours: json!(tenant),
            stripes: json!(self.subscription.metadata.get(domain::names::metadata::TENANT_ID)),
            reason: owner.conflict.clone(),
            ..self.finding(DriftKind::Untagged)
        })
    }

    fn finding(&self, kind: DriftKind) -> NewFinding {
        let customer = Some(self.subscription.customer.to_string());
        NewFinding { customer, ..NewFinding::of_subscription(kind, &self.subscription.id) }
    }
}
