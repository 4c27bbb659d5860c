//! `tenantry license preview`: what another number of licences would cost, by Stripe's reckoning.

use domain::ids::TenantId;

use super::quote::Quote;
use super::wanted::Wanted;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

const HELP: &str = "\
Examples:
  tenantry license preview cus_QXg1oyoEfW2bZ3 15
  tenantry license preview 190f0b43-fe35-5e35-ba10-4f73c2b88e4d 4
  tenantry license preview cus_QXg1oyoEfW2bZ3 4 --effective now --output json

Asks Stripe what it would bill, with discounts, taxes and what waits for the next invoice, and
changes nothing. What cannot be changed is refused as `license set` would refuse it (exit code 4).";

/// What to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    wanted: Wanted,
}

/// Asks Stripe.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let (database, master) = super::database().await?;
    let tenant = super::tenant(&database, master, &args.wanted.whose).await?;
    let input = args.wanted.of(TenantId::from(tenant.tenant), None);
    output.print(&Quote::of(&database, &tenant, &input).await?);
    Ok(Exit::Done)
}
