//! `stripe-sim`: the double as a process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use stripe_sim::{Config, StandingWebhook, start};

/// A Stripe that runs on a laptop.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:12111")]
    listen: SocketAddr,
    /// Keep the state in this file across restarts
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The account behind every key
    #[arg(long, value_name = "ACCT")]
    account: Option<String>,
    /// The wait before a failed delivery is tried again; it doubles up to a minute
    #[arg(long, value_name = "MS", default_value = "500")]
    retry_after_ms: u64,
    /// How long every answer takes
    #[arg(long, value_name = "MS", default_value = "0")]
    latency_ms: u64,
    /// Listen on other addresses than loopback, as a container must
    #[arg(long)]
    allow_remote: bool,
    /// Tell this address of every event. It stays the same endpoint over restarts
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    webhook: Option<String>,
    /// What its deliveries are signed with
    #[arg(long, value_name = "WHSEC", requires = "webhook")]
    webhook_secret: Option<String>,
    /// Tell it of thin events too, signed with this
    #[arg(long, value_name = "WHSEC", requires = "webhook")]
    webhook_thin_secret: Option<String>,
}

impl Arguments {
    fn webhook(&self) -> Option<StandingWebhook> {
        let (url, secret) = self.webhook.clone().zip(self.webhook_secret.clone())?;
        Some(StandingWebhook { url, secret, thin_secret: self.webhook_thin_secret.clone() })
    }
}

const EXAMPLES: &str = "\
Examples:
  stripe-sim
      listens on 127.0.0.1:12111 and forgets everything when it ends

  stripe-sim --listen 127.0.0.1:0 --state .dev/stripe.json
      takes a free port, prints it, and goes on where it was at the next start

  stripe-sim --webhook http://127.0.0.1:8787/api/webhooks/stripe --webhook-secret whsec_of_this_machine
      delivers every event there, as if the dashboard had such an endpoint

With the official Stripe CLI (any key that begins with sk_test_ will do):
  export STRIPE_API_KEY=sk_test_0123456789abcdef
  stripe --api-base http://127.0.0.1:12111 customers create --email a@example.com
  stripe --api-base http://127.0.0.1:12111 trigger customer.subscription.created

The next write to a subscription takes effect, and its answer never comes:
  curl -X POST http://127.0.0.1:12111/_sim/faults \\
    -d '{\"method\":\"POST\",\"path\":\"/v1/subscriptions/*\",\"kind\":\"reset_after\"}'

Each 15th request fails, in one way and the other, and ten a second are let in:
  curl -X POST http://127.0.0.1:12111/_sim/faults \\
    -d '{\"path\":\"/v1/*\",\"every\":15,\"kinds\":[\"server_error\",\"reset_after\"]}'
  curl -X POST http://127.0.0.1:12111/_sim/limit -d '{\"per_second\":10}'

Events pile up, and then arrive in an order that a seed has shuffled:
  curl -X POST http://127.0.0.1:12111/_sim/deliveries/policy -d '{\"hold\":{}}'
  curl -X POST http://127.0.0.1:12111/_sim/deliveries/release -d '{\"shuffle\":7}'

A month passes:
  curl -X POST http://127.0.0.1:12111/_sim/clock -d '{\"advance_secs\":2678400}'";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let defaults = Config::default();
    let webhook = arguments.webhook();
    let running = start(Config {
        listen: arguments.listen,
        state: arguments.state,
        account: arguments.account.unwrap_or(defaults.account.clone()),
        allow_remote: arguments.allow_remote,
        retry_after: Duration::from_millis(arguments.retry_after_ms),
        latency: Duration::from_millis(arguments.latency_ms),
        webhook,
        ..defaults
    })?;
    println!("stripe-sim listening on {}", running.base_url());
    running.wait_for_signal()
}
