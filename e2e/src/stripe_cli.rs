//! The official Stripe CLI against a world's Stripe.

use std::process::Command;

use anyhow::{Context, Result};
use stack::{scratch, tools};

use crate::double::SECRET_KEY;
use crate::world::World;

impl World {
    /// Runs `stripe` with these arguments, and answers what it printed.
    pub fn stripe_cli(&self, args: &[&str]) -> Result<String> {
        let mut cli = Command::new(tools::stripe_cli()?);
        stack::command::isolate(&mut cli);
        // A home of its own, so that no profile of whoever runs the tests is found; and it counts its
        // users after it is done, and at times panics over that.
        cli.env("HOME", scratch::folder("stripe-cli")?).env("STRIPE_CLI_TELEMETRY_OPTOUT", "1");
        cli.env("STRIPE_API_KEY", SECRET_KEY).arg("--api-base").arg(self.stripe.base()).args(args);
        stack::command::stdout(&mut cli).with_context(|| format!("stripe {args:?}"))
    }
}
