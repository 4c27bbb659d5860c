//! The product's own functions, called the way its workflow calls them: whole, or in parts so
//! that somebody else comes in between.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::DateTime;
use domain::audit::Origin;
use domain::create_tenant::RunError;
use domain::event::{Envelope, EventKind, Subject};
use domain::failure::{Classify, FailureKind, Retry};
use domain::ids::{EventId, StripeSubscriptionId, TenantId};
use domain::steps::{EventsOf, FailedEvents, NewTenant, SyncedSubscription};
use domain::stripe::StripeSubscription;
use domain::sync_subscription::Handled;
use store::{NewEvent, Parking, Store, Sync, Synced, Ticket};
use stripe_gateway::Stripe;

use crate::shop::RUNTIME;

/// What the activities are made of.
#[derive(Clone)]
pub(crate) struct Product {
    pub(crate) store: Store,
    pub(crate) stripe: Stripe,
}

/// Events of one subscription that are handled together.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) subscription: String,
    pub(crate) events: Vec<String>,
}

/// A read whose answer is not written yet.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) batch: Batch,
    ticket: Ticket,
    subscription: StripeSubscription,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was written; whose it is, and how its events were settled.
    Written(TenantId, Handled),
    Parked,
    /// It never can be; its events say so.
    Failed(FailureKind),
}

const ATTEMPTS_MAX: usize = 5;

/// No connection was free in time. A deadlock would be a mistake in the order of locks.
fn is_of_a_busy_machine(error: &activities::Error) -> bool {
    matches!(error, activities::Error::Store(store::Error::Unavailable(cause)) if cause.to_string().contains("pool timed out"))
}

impl Batch {
    pub(crate) fn new(subscription: &str, events: &[String]) -> Self {
        Self { subscription: subscription.to_owned(), events: events.to_vec() }
    }

    fn origin(&self) -> Origin {
        Origin { workflow_id: format!("sync-subscription-{}", self.subscription), run_id: "lives".to_owned() }
    }

    fn subscription(&self) -> Result<StripeSubscriptionId> {
        Ok(self.subscription.parse()?)
    }

    fn events(&self) -> Result<Vec<EventId>> {
        Ok(self.events.iter().map(|event| event.parse()).collect::<Result<_, _>>()?)
    }
}

impl Product {
    /// Takes an event in, as the shim does. The second of the same id is not stored.
    pub(crate) fn take_in(&self, event: &str, subscription: &str, twin_of: Option<&str>) -> Result<()> {
        let envelope = Envelope {
            id: event.parse()?,
            event_type: "customer.subscription.updated".to_owned(),
            kind: if twin_of.is_some() { EventKind::Thin } else { EventKind::Snapshot },
            created: DateTime::UNIX_EPOCH,
            livemode: false,
            account: None,
            api_version: None,
            snapshot_event: twin_of.map(str::parse).transpose()?,
            subject: Subject::Subscription(subscription.parse()?),
        };
        RUNTIME.block_on(self.store.take_in(&[NewEvent { envelope, payload: Vec::new() }], Duration::ZERO))?;
        Ok(())
    }

    /// One pass of the sync workflow over a batch. On a machine that is busy a step may have to be
    /// tried again.
    pub(crate) async fn handle(&self, batch: &Batch) -> Result<Ended> {
        let of = EventsOf { stripe_subscription_id: batch.subscription()?, event_ids: batch.events()? };
        let mut attempts = 1..=ATTEMPTS_MAX;
        loop {
            attempts.next().context("tried again too often")?;
            return match activities::sync::sync(&self.store, &self.stripe, &of, &batch.origin()).await {
                Ok(SyncedSubscription { tenant_id: Some(tenant), handled }) => Ok(Ended::Written(tenant, handled)),
                Ok(SyncedSubscription { tenant_id: None, .. }) => Ok(Ended::Parked),
                Err(error) if is_of_a_busy_machine(&error) => continue,
                Err(error) => self.give_up(batch, error).await,
            };
        }
    }

    /// As the workflow does: what no repetition mends is noted on the events.
    async fn give_up(&self, batch: &Batch, error: impl Classify) -> Result<Ended> {
        if error.retry() != Retry::Never {
            bail!("a step would be tried again: {:#}", anyhow::Error::new(error));
        }
        let kind = error.kind();
        let of = EventsOf { stripe_subscription_id: batch.subscription.parse()?, event_ids: batch.events()? };
        let failed = FailedEvents { of, error: RunError::new(kind, error.to_string()) };
        self.store.fail_events(&failed, &batch.origin()).await?;
        Ok(Ended::Failed(kind))
    }

    /// The first half of a pass.
    pub(crate) async fn read(&self, batch: &Batch) -> Result<Read> {
        let ticket = self.store.ticket().await?;
        let subscription = self.stripe.subscription(&batch.subscription()?).await?;
        Ok(Read { batch: batch.clone(), ticket, subscription })
    }

    /// The second half, where there is a tenant. `None` where it was looked for in vain.
    pub(crate) async fn write(&self, read: &Read) -> Result<Option<Ended>> {
        let events = read.batch.events()?;
        let sync = Sync { subscription: &read.subscription, ticket: read.ticket, events: &events };
        match self.store.sync_subscription(&sync, &read.batch.origin()).await {
            Ok(Synced::Written(tenant, handled)) => Ok(Some(Ended::Written(tenant, handled))),
            Ok(Synced::NoTenant) => Ok(None),
            Err(error) => self.give_up(&read.batch, error).await.map(Some),
        }
    }

    /// What follows where it was looked for in vain.
    pub(crate) async fn write_or_park(&self, read: &Read) -> Result<Ended> {
        let events = read.batch.events()?;
        let sync = Sync { subscription: &read.subscription, ticket: read.ticket, events: &events };
        let parking = Parking { reason: "no tenant yet", purchase: None };
        match self.store.sync_or_park(&sync, &parking, &read.batch.origin()).await {
            Ok(Synced::Written(tenant, handled)) => Ok(Ended::Written(tenant, handled)),
            Ok(Synced::NoTenant) => Ok(Ended::Parked),
            Err(error) => self.give_up(&read.batch, error).await,
        }
    }

    /// Makes the tenant of a customer, or one without a customer.
    pub(crate) async fn create_tenant(&self, tenant: &str, customer: Option<&str>, count_follows: bool) -> Result<()> {
        let new = NewTenant {
            tenant_id: tenant.parse()?,
            tenant_id_was_given: true,
            client_name: "A company".to_owned().try_into()?,
            email: "ann@example.com".to_owned().try_into()?,
            stripe_customer_id: customer.map(str::parse).transpose()?,
            count_follows,
        };
        let origin = Origin { workflow_id: format!("create-tenant-{tenant}"), run_id: "lives".to_owned() };
        self.store.create_tenant(&new, &origin).await?;
        Ok(())
    }
}
