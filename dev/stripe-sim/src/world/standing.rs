//! The webhook that a start asks for: a receiver whose secrets are fixed settings is told of
//! everything without anybody registering it first.

use anyhow::ensure;
use serde_json::{Value, json};

use super::World;
use super::kind::Kind;
use crate::API_VERSION;

/// Always the same ones, so that the next start finds them again.
const ENDPOINT: &str = "we_1StandingWebhookEndpoint";
const DESTINATION: &str = "ed_test_6StandingEventDestination00000";

/// Who is told of every event.
#[derive(Clone, Debug)]
pub struct StandingWebhook {
    /// Where to deliver.
    pub url: String,
    /// What snapshots, of the pinned version, are signed with, e.g. `whsec_0123456789abcdef`.
    pub secret: String,
    /// What thin events are signed with. Without it, none are delivered.
    pub thin_secret: Option<String>,
}

impl StandingWebhook {
    /// Stripe's own shapes: anything else is a slip that would show much later, as a bad signature.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let has_scheme = self.url.starts_with("http://") || self.url.starts_with("https://");
        ensure!(has_scheme, "the webhook's URL begins with http:// or https://, not {}", self.url);
        let secrets = std::iter::once(&self.secret).chain(&self.thin_secret);
        ensure!(
            secrets.into_iter().all(|secret| is_secret(secret)),
            "a webhook's secret is whsec_ and something behind it"
        );
        Ok(())
    }

    fn endpoint(&self, world: &World) -> Value {
        let mut endpoint = world.new_endpoint(&self.url, &self.secret);
        endpoint["api_version"] = json!(API_VERSION);
        endpoint["enabled_events"] = json!(["*"]);
        endpoint
    }

    fn destination(&self, world: &World) -> Option<Value> {
        let mut destination = world.new_destination("standing", &self.url, self.thin_secret.as_ref()?);
        destination["enabled_events"] = json!(["*"]);
        Some(destination)
    }
}

fn is_secret(text: &str) -> bool {
    text.strip_prefix("whsec_").is_some_and(|rest| !rest.is_empty())
}

impl World {
    /// Has exactly this one standing. That of an earlier start moves here, with all that it is still
    /// owed; without a wish, it is gone.
    pub(crate) fn stand(&mut self, webhook: Option<&StandingWebhook>) {
        let endpoint = webhook.map(|webhook| webhook.endpoint(self));
        let destination = webhook.and_then(|webhook| webhook.destination(self));
        self.keep(Kind::WebhookEndpoint, ENDPOINT, endpoint);
        self.keep(Kind::EventDestination, DESTINATION, destination);
    }

    fn keep(&mut self, kind: Kind, id: &str, row: Option<Value>) {
        let Some(mut row) = row else { return self.remove(kind, id) };
        match self.get(kind, id) {
            Some(old) => {
                row["created"] = old["created"].clone();
                self.set(kind, id, row);
            }
            None => {
                row["id"] = json!(id);
                self.insert(kind, row);
            }
        }
    }
}
