//! The idempotency key of a step's one write.

use stripe_gateway::IdempotencyKey;
use temporalio_sdk::activities::ActivityContext;

use crate::{Error, origin};

/// A key whose number is kept over attempts in the heartbeat, which the server stores with a
/// failed attempt and hands to the next. Take it after the look, and settle it with the answer.
pub(crate) struct NextKey<'a> {
    ctx: &'a ActivityContext,
    /// The object, where a run writes several by the same step.
    object: Option<String>,
    n: u32,
}

impl<'a> NextKey<'a> {
    pub(crate) async fn of(ctx: &'a ActivityContext) -> Self {
        let n = ctx.heartbeat_details().deserialize::<u32>().ok().flatten().unwrap_or(1);
        let key = Self { ctx, object: None, n };
        // An attempt that says nothing might make the server forget what the last one said.
        if n > 1 {
            key.remember(n).await;
        }
        key
    }

    /// The same, for one of several objects that a run writes by this step.
    pub(crate) async fn about(ctx: &'a ActivityContext, object: &impl ToString) -> Self {
        Self { object: Some(object.to_string()), ..Self::of(ctx).await }
    }

    pub(crate) fn key(&self) -> IdempotencyKey {
        let step = &self.ctx.info().activity_type;
        let step = self.object.as_ref().map_or_else(|| step.clone(), |object| format!("{step}:{object}"));
        IdempotencyKey::new(&origin(self.ctx).run_id, &step, self.n)
    }

    /// After an answered 5xx this key answers the same for a day: the next attempt, which
    /// looks first, takes the next one. After no answer the key is kept.
    pub(crate) async fn settle<T>(self, written: Result<T, stripe_gateway::Error>) -> Result<T, Error> {
        if let Err(error) = &written
            && error.used_up_its_key()
        {
            self.remember(self.n + 1).await;
        }
        Ok(written?)
    }

    async fn remember(&self, n: u32) {
        // Forgotten, it costs one more answer of the used-up key, and nothing else.
        let _ = self.ctx.record_heartbeat(n).await;
    }
}
