//! `tenantry import`: what Stripe has comes to tenants that exist.

mod subscription;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Take one subscription over for a tenant
    Subscription(subscription::Args),
}

pub(crate) async fn run(command: Import, output: Output) -> Result<Exit, Failure> {
    match command {
        Import::Subscription(args) => subscription::run(args, output).await,
    }
}
