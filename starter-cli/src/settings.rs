//! Where settings come from. Each group is parsed by the crate that owns it, and a command asks
//! only for what it needs.

use domain::ids::TenantId;
use domain::program_settings::{MasterTenantError, master_tenant};
pub(crate) use service::settings::lookup;

use crate::exit::Exit;
use crate::failure::Failure;

/// The setting that names the owner of the Stripe account.
pub(crate) const MASTER: &str = "MASTER_BILLING_TENANT_ID";

/// Reads `.env`, if there is one.
pub(crate) fn load_dotenv() -> Result<(), Failure> {
    service::settings::load_dotenv().map_err(|error| {
        let said = error.to_string();
        let (what, next) = said.split_once("; ").unwrap_or((&said, "correct it"));
        Failure::new(Exit::Usage, what, next)
    })
}

/// The tenant that owns the Stripe account.
pub(crate) fn master() -> Result<TenantId, Failure> {
    master_tenant(lookup).map_err(|error| {
        let what = match error {
            MasterTenantError::Missing => "is not set",
            MasterTenantError::Wrong(_) => "is not a UUID",
        };
        let next = "set it to the UUID that `tenantry migrate --master-tenant UUID` was given";
        Failure::new(Exit::Usage, format!("{MASTER} {what}"), next)
    })
}
