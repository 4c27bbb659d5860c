//! `tenantry license`: how many licences a tenant has, what another number would cost, the change to
//! it, and what changed before.

mod change;
mod history;
mod preview;
mod quote;
mod set;
mod show;
mod wanted;

use clap::Subcommand;
use domain::change_license::ChangeLicenseInput;
use domain::failure::Classify;
use domain::ids::TenantId;
use domain::refusal::Refusal;
use domain::words::LicenseCount;
use store::{TenantView, Whose};

use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::settings;
use crate::tenant_show::not_found;

pub(crate) use history::History;
pub(crate) use quote::Quote;
pub(crate) use show::Licenses;

#[derive(Debug, Subcommand)]
pub(crate) enum License {
    /// Show how many licences a tenant has, what they cost, and the change that waits or runs
    Show(show::Args),
    /// Show what another number of licences would cost, now and at the next renewal
    Preview(preview::Args),
    /// Change how many licences a tenant has
    Set(set::Args),
    /// Show what was asked for and what changed, newest first
    History(history::Args),
}

/// Does it.
pub(crate) async fn run(command: License, output: Output) -> Result<Exit, Failure> {
    match command {
        License::Show(args) => show::run(args, output).await,
        License::Preview(args) => preview::run(args, output).await,
        License::Set(args) => set::run(args, output).await,
        License::History(args) => history::run(args, output).await,
    }
}

/// The database, its schema looked at.
async fn database() -> Result<(Database, TenantId), Failure> {
    let master = settings::master()?;
    let database = Database::from_env(master)?;
    database.refuse_old_schema().await?;
    Ok((database, master))
}

/// The tenant, whose licences can be changed: the one that owns the Stripe account has none.
async fn tenant(database: &Database, master: TenantId, whose: &Whose) -> Result<TenantView, Failure> {
    let found = database.store.show(whose).await.map_err(|error| database.failed(&error))?;
    let view = found.ok_or_else(|| not_found(whose, &database.config.place()))?;
    if view.tenant == master.as_uuid() {
        return Err(refused(&Refusal::LicensesOfMaster(master)));
    }
    Ok(view)
}

/// What a change would do and cost, as it is shown before it is asked about, and the number that it
/// would be decided on.
pub(crate) async fn preview_of(
    database: &Database,
    input: &ChangeLicenseInput,
) -> Result<(String, LicenseCount), Failure> {
    let tenant = tenant(database, database.store.master(), &Whose::Tenant(input.tenant_id)).await?;
    let quote = Quote::of(database, &tenant, input).await?;
    Ok((quote.text(), quote.from))
}

/// What a change of licences would be refused with, said before one is started.
fn refused(refusal: &Refusal) -> Failure {
    Failure::new(Exit::Refused, format!("{}: {refusal}", refusal.kind()), "nothing was changed")
}
