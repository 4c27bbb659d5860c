//! `tenantry import`: what Stripe has comes to tenants that exist.

mod customers;
mod follow;
mod progress;
mod report;
mod subscription;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) use report::{Ending, Tenant};

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Find every tenant's customer by its e-mail, and take its subscriptions over
    Customers(customers::Args),
    /// Take one subscription over for a tenant
    Subscription(subscription::Args),
}

pub(crate) async fn run(command: Import, output: Output) -> Result<Exit, Failure> {
    match command {
        Import::Customers(args) => customers::run(args, output).await,
        Import::Subscription(args) => subscription::run(args, output).await,
    }
}
