//! A change of licences is a decision: started again, it is made once more, on the number that it
//! was made on before.

use domain::ids::TenantId;
use domain::replay::{Correction, ReplayInput};
use schemars::JsonSchema;
use serde::Serialize;
use store::{LicenseHistoryRow, Whose};

use crate::confirm;
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::license;

/// A failed run is among the newest things that happened to its tenant's licences, or long ago.
const LOOKED_AT: u32 = 1000;

/// What a change of licences was decided on, and what there is now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Decision {
    /// `null` where it came to no decision.
    decided_on: Option<i32>,
    to: i32,
    /// The tenant's count, as far as it is known here; `null` is no limit.
    now: Option<i32>,
}

impl Decision {
    /// That of a change of licences; none for any other input.
    pub(super) async fn of(input: &ReplayInput, database: &Database) -> Result<Option<Self>, Failure> {
        let ReplayInput::ChangeLicense(input) = input else { return Ok(None) };
        let now = history(database, input.tenant_id).await?.and_then(|(now, _)| now);
        Ok(Some(Self { decided_on: input.from.map(|from| from.get()), to: input.quantity.get(), now }))
    }

    /// In a line.
    pub(super) fn line(&self) -> String {
        let decided_on = self.decided_on.map_or_else(|| "an unknown number".to_owned(), |from| from.to_string());
        let now = crate::output::licences(self.now);
        format!("to {}, decided on {decided_on}; {now} now, as far as it is known here", self.to)
    }
}

/// Gives a change of licences the number that its failed run was decided on, where that is known:
/// without it the change would be decided anew, on whatever Stripe has by now. Who sets the number,
/// or leaves it out, has said what it is decided on.
pub(super) async fn recall(
    input: &mut ReplayInput,
    set: &[Correction],
    failed_run: &str,
    database: &Database,
) -> Result<(), Failure> {
    let ReplayInput::ChangeLicense(input) = input else { return Ok(()) };
    if input.from.is_some() || set.iter().any(|correction| correction.field == "from") {
        return Ok(());
    }
    let rows = history(database, input.tenant_id).await?.map(|(_, rows)| rows).unwrap_or_default();
    let request = rows.iter().find(|row| row.is_request && row.run_id == failed_run);
    input.from = request.and_then(|row| i64::from(row.from_count?).try_into().ok());
    Ok(())
}

async fn history(
    database: &Database,
    tenant: TenantId,
) -> Result<Option<(Option<i32>, Vec<LicenseHistoryRow>)>, Failure> {
    let found = database.store.license_history(&Whose::Tenant(tenant), LOOKED_AT).await;
    let found = found.map_err(|error| database.failed(&error))?;
    Ok(found.map(|(tenant, rows)| (tenant.licensed_user_count, rows)))
}

/// Whether a change of licences is to be made once more; any other input is not asked about. What
/// was shown is then what it is decided on.
pub(super) async fn confirmed(input: &mut ReplayInput, database: &Database) -> Result<bool, Failure> {
    let ReplayInput::ChangeLicense(input) = input else { return Ok(true) };
    let (shown, from) = license::preview_of(database, input).await?;
    input.from = Some(from);
    Ok(confirm::said_yes(&shown, "This changes what the customer pays. Decide it once more?"))
}

/// A script that knows no number would have it decided on whatever there is.
pub(super) fn refuse_undecided(input: &ReplayInput) -> Result<(), Failure> {
    let ReplayInput::ChangeLicense(input) = input else { return Ok(()) };
    if input.from.is_some() {
        return Ok(());
    }
    let message = "nothing says which number of licences the change was decided on";
    let next = format!("look at `tenantry license show {}`, and add --set from=N", input.tenant_id);
    Err(Failure::new(Exit::Usage, message, next))
}
