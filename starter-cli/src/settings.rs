//! Where settings come from. Each group is parsed by the crate that owns it, and a command asks
//! only for what it needs.

use domain::ids::{IdError, TenantId};

use crate::exit::Exit;
use crate::failure::Failure;

/// The setting that names the owner of the Stripe account.
pub(crate) const MASTER: &str = "MASTER_BILLING_TENANT_ID";

/// Reads `.env`, from here or from a directory above, if there is one. What the environment
/// has already stays.
pub(crate) fn load_dotenv() -> Result<(), Failure> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        // The error quotes the line, which may hold a secret.
        Err(dotenvy::Error::LineParse(..)) => Err(Failure::new(
            Exit::Usage,
            ".env has a line that is not NAME=value",
            "correct it; a value with spaces or # stands in quotes",
        )),
        Err(_) => Err(Failure::new(Exit::Usage, ".env cannot be read", "make it readable, or move it away")),
    }
}

/// A setting's value; an empty one is none.
pub(crate) fn lookup(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The tenant that owns the Stripe account.
pub(crate) fn master() -> Result<TenantId, Failure> {
    let wrong = |what: &str| {
        let next = "set it to the UUID that `tenantry migrate --master-tenant UUID` was given";
        Failure::new(Exit::Usage, format!("{MASTER} {what}"), next)
    };
    let text = lookup(MASTER).ok_or_else(|| wrong("is not set"))?;
    text.parse().map_err(|_: IdError| wrong("is not a UUID"))
}
