//! Comparing with Stripe, and repairing what differs: the steps that look and write.

use domain::audit::Origin;
use domain::failure::{Classify, Retry};
use domain::reconcile::DriftKind;
use domain::steps::{DriftOf, Left, SubscriptionOf};
use domain::walk::WalkId;
use store::{Repairable, Store};
use stripe_gateway::Stripe;
use temporalio_sdk::activities::ActivityContext;

use crate::{Error, origin, tag};

/// Reads the next subscription that has a row and was in no list, and puts it beside those that were.
pub(crate) async fn read_alone(store: &Store, stripe: &Stripe, of: &DriftOf) -> Result<Left, Error> {
    let Some(id) = store.next_unlisted(of).await? else { return Ok(Left { more: false }) };
    let ticket = store.ticket().await?;
    match stripe.subscription(&id).await {
        Ok(read) => store.stage_alone(of.walk, &read, ticket).await?,
        Err(stripe_gateway::Error::NotFound { .. }) => {
            let reason = "Stripe does not know it in this mode; a person decides what becomes of its row";
            store.note_unread(of.walk, DriftKind::NotAtStripe, &id, reason).await?;
        }
        Err(error @ stripe_gateway::Error::Unreadable { .. }) => {
            store.note_unread(of.walk, DriftKind::StaleRow, &id, &error.to_string()).await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Left { more: true })
}

/// Repairs the next finding. What no repetition mends is left to a person, with the reason; so is what
/// cannot be read, or it would keep all others from being repaired until a new version can.
pub(crate) async fn repair(store: &Store, stripe: &Stripe, of: &DriftOf, ctx: &ActivityContext) -> Result<Left, Error> {
    let Some(next) = store.next_repairable(of.walk).await? else { return Ok(Left { more: false }) };
    let repaired = match next.kind {
        DriftKind::MissingRow | DriftKind::StaleRow => subscription(store, stripe, of.walk, &next, &origin(ctx)).await,
        DriftKind::WrongCount => store.repair_count(of.walk, &next, &origin(ctx)).await.map_err(Error::from),
        DriftKind::Untagged => untagged(store, stripe, of.walk, &next, ctx).await,
        DriftKind::NotAtStripe | DriftKind::Orphan => Ok(()),
    };
    match repaired {
        Err(error) if error.retry() == Retry::Never || is_unreadable(&error) => {
            store.leave_finding(of.walk, &next, &format!("{}: {error}", error.kind())).await?;
        }
        repaired => repaired?,
    }
    Ok(Left { more: true })
}

fn is_unreadable(error: &Error) -> bool {
    matches!(error, Error::Stripe(stripe_gateway::Error::Unreadable { .. }))
}

/// A fresh read under a ticket of its own: what was staged may be old by now.
async fn subscription(
    store: &Store,
    stripe: &Stripe,
    walk: WalkId,
    next: &Repairable,
    origin: &Origin,
) -> Result<(), Error> {
    let ticket = store.ticket().await?;
    let read = stripe.subscription(&next.subscription()?).await?;
    Ok(store.repair_subscription(walk, next, (&read, ticket), origin).await?)
}

async fn untagged(
    store: &Store,
    stripe: &Stripe,
    walk: WalkId,
    next: &Repairable,
    ctx: &ActivityContext,
) -> Result<(), Error> {
    let of = SubscriptionOf { tenant_id: next.tenant, stripe_subscription_id: next.subscription()? };
    tag::one_of_many(store, stripe, &of, ctx).await?;
    Ok(store.note_repaired(walk, next).await?)
}
