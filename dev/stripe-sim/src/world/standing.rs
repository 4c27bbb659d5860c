//! The webhook endpoint that a start asks for: a receiver whose secret is a fixed setting is told of
//! everything without anybody registering it first.

use anyhow::ensure;
use serde_json::{Value, json};

use super::World;
use super::kind::Kind;
use crate::API_VERSION;

/// Always the same one, so that the next start finds it again.
const ENDPOINT: &str = "we_1StandingWebhookEndpoint";

/// Who is told of every event, under the pinned version.
#[derive(Clone, Debug)]
pub struct StandingWebhook {
    /// Where to deliver.
    pub url: String,
    /// What to sign with, e.g. `whsec_0123456789abcdef`.
    pub secret: String,
}

impl StandingWebhook {
    /// Stripe's own shapes: anything else is a slip that would show much later, as a bad signature.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let has_scheme = self.url.starts_with("http://") || self.url.starts_with("https://");
        ensure!(has_scheme, "the webhook's URL begins with http:// or https://, not {}", self.url);
        ensure!(is_secret(&self.secret), "a webhook's secret is whsec_ and something behind it");
        Ok(())
    }

    fn row(&self) -> Value {
        json!({
            "_secret": self.secret,
            "api_version": API_VERSION,
            "enabled_events": ["*"],
            "status": "enabled",
            "url": self.url,
        })
    }
}

fn is_secret(text: &str) -> bool {
    text.strip_prefix("whsec_").is_some_and(|rest| !rest.is_empty())
}

impl World {
    /// Has exactly this endpoint standing. That of an earlier start moves here, with all that it is
    /// still owed; without a wish, it is gone.
    pub(crate) fn stand(&mut self, webhook: Option<&StandingWebhook>) {
        let Some(webhook) = webhook else { return self.remove(Kind::WebhookEndpoint, ENDPOINT) };
        if self.get(Kind::WebhookEndpoint, ENDPOINT).is_none() {
            self.insert(Kind::WebhookEndpoint, self.new_standing());
        }
        self.set(Kind::WebhookEndpoint, ENDPOINT, webhook.row());
    }

    fn new_standing(&self) -> Value {
        json!({
            "id": ENDPOINT,
            "object": "webhook_endpoint",
            "application": null,
            "created": self.now(),
            "description": "asked for when the double was started",
            "livemode": self.livemode,
            "metadata": {},
        })
    }
}
