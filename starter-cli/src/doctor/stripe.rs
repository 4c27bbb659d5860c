//! Does the key open an account, and is it the one that the database belongs to?

use std::error::Error;

use store::AccountRow;
use stripe_gateway::{Mode, Stripe, StripeConfig, api_version};

use super::check::{Check, in_time};
use crate::failure::chain;

const STRIPE: &str = "Stripe";
const SAME_ACCOUNT: &str = "one account, one mode";

/// What was found; the account as far as Stripe named it.
pub(super) struct Found {
    pub(super) checks: Vec<Check>,
    pub(super) account: Option<AccountRow>,
}

/// Asks Stripe whose the key is.
pub(super) async fn look(config: Option<&StripeConfig>) -> Found {
    let version = Check::ok("Stripe's API version", format!("pinned to {}", api_version()));
    let Some(config) = config else {
        return Found { checks: vec![Check::skipped(STRIPE, "a setting of Stripe"), version], account: None };
    };
    match account(config).await {
        Ok(account) => {
            let found = format!("{} in {} mode", account.account, config.mode);
            Found { checks: vec![Check::ok(STRIPE, found), version], account: Some(account) }
        }
        Err(red) => Found { checks: vec![red, version], account: None },
    }
}

async fn account(config: &StripeConfig) -> Result<AccountRow, Check> {
    let red = |error: &dyn Error| {
        let found = format!("at {}: {}", config.base, chain(error));
        Check::red(STRIPE, found, "correct the key or STRIPE_API_BASE, or wait until Stripe is back")
    };
    let stripe = Stripe::new(config.clone()).map_err(|error| red(&error))?;
    let account = in_time(STRIPE, stripe.account()).await?.map_err(|error| red(&error))?;
    Ok(AccountRow { account: account.id, livemode: config.mode.is_live() })
}

/// Whether the database belongs to the account that the key opens, in the key's mode.
pub(super) fn same_account(database: Option<Option<AccountRow>>, key: Option<AccountRow>) -> Check {
    match (database, key) {
        (None, _) => Check::skipped(SAME_ACCOUNT, "Postgres or its schema"),
        (Some(None), _) => Check::ok(SAME_ACCOUNT, "none yet: written at the first start of a worker"),
        (Some(Some(_)), None) => Check::skipped(SAME_ACCOUNT, STRIPE),
        (Some(Some(database)), Some(key)) if database == key => {
            Check::ok(SAME_ACCOUNT, format!("the database belongs to {}", words(&key)))
        }
        (Some(Some(database)), Some(key)) => Check::red(
            SAME_ACCOUNT,
            format!("the database belongs to {}, and the key opens {}", words(&database), words(&key)),
            "set the key of that account and mode, or DATABASE_URL to this account's own database",
        ),
    }
}

fn words(row: &AccountRow) -> String {
    format!("{} in {} mode", row.account, Mode::of_livemode(row.livemode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn row(account: &str, livemode: bool) -> Option<AccountRow> {
        Some(AccountRow { account: account.parse().expect("an account id"), livemode })
    }

    fn check(database: Option<Option<AccountRow>>, key: Option<AccountRow>, expected: Verdict) {
        assert_eq!(same_account(database, key).verdict, expected);
    }

    #[test]
    fn a_database_belongs_to_one_account_in_one_mode() {
        check(Some(row("acct_1", false)), row("acct_1", false), Verdict::Ok);
        check(Some(row("acct_1", false)), row("acct_1", true), Verdict::Red);
        check(Some(row("acct_1", false)), row("acct_2", false), Verdict::Red);
        check(Some(None), row("acct_1", false), Verdict::Ok);
        check(Some(row("acct_1", false)), None, Verdict::Skipped);
        check(None, row("acct_1", false), Verdict::Skipped);
    }
}
