//! One database, one Stripe account, one mode.

use domain::ids::AccountId;

use crate::error::unreadable;
use crate::{Error, Store};

/// The account that a database belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Stripe's id of it.
    pub account: AccountId,
    /// Whether it is the live mode.
    pub livemode: bool,
}

impl Store {
    /// Writes `ours` where the database has no account yet, and answers the one it has.
    pub async fn claim_account(&self, ours: &AccountRow) -> Result<AccountRow, Error> {
        sqlx::query!(
            "INSERT INTO stripe_accounts (tenant, stripe_account_external_id, livemode) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
            self.master.as_uuid(),
            ours.account.as_str(),
            ours.livemode,
        )
        .execute(&self.pool)
        .await?;
        self.account().await?.ok_or(unreadable("stripe_accounts", "tenant"))
    }

    /// The account that the database belongs to; none before the first start of a worker.
    pub async fn account(&self) -> Result<Option<AccountRow>, Error> {
        let row = sqlx::query!("SELECT stripe_account_external_id, livemode FROM stripe_accounts")
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            let account = row.stripe_account_external_id.parse();
            Ok(AccountRow {
                account: account.map_err(|_| unreadable("stripe_accounts", "stripe_account_external_id"))?,
                livemode: row.livemode,
            })
        })
        .transpose()
    }
}
