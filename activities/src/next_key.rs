//! The idempotency key of a step's one write.

use stripe_gateway::IdempotencyKey;
use temporalio_sdk::activities::ActivityContext;

use crate::{Error, origin};

/// A key whose number is kept over attempts in the heartbeat, which the server stores with a
/// failed attempt and hands to the next. Take it after the look, and settle it with the answer.
pub(crate) struct NextKey<'a> {
    ctx: &'a ActivityContext,
    /// What it is for, among the writes of the run.
    step: String,
    n: u32,
}

impl<'a> NextKey<'a> {
    pub(crate) async fn of(ctx: &'a ActivityContext) -> Self {
        Self::named(ctx, ctx.info().activity_type.clone()).await
    }

    /// Of a step that a run takes once for each of many objects.
    pub(crate) async fn for_object(ctx: &'a ActivityContext, object: &str) -> Self {
        Self::named(ctx, format!("{}-{object}", ctx.info().activity_type)).await
    }

    async fn named(ctx: &'a ActivityContext, step: String) -> Self {
        let n = ctx.heartbeat_details().deserialize::<u32>().ok().flatten().unwrap_or(1);
        let key = Self { ctx, step, n };
        // An attempt that says nothing might make the server forget what the last one said.
        if n > 1 {
            key.remember(n).await;
        }
        key
    }

    pub(crate) fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new(&origin(self.ctx).run_id, &self.step, self.n)
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
