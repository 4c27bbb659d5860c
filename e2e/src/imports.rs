//! Imports of customers: how they are started, and what they say became of each tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{Ending, Run};
use crate::world::World;

/// A full import of thousands takes minutes where much else runs beside it.
const IMPORTED: Duration = Duration::from_secs(900);

/// What became of a tenant in an import, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In one word.
    pub outcome: String,
    /// Empty where there is nothing to say.
    pub reason: String,
}

impl World {
    /// Starts an import of customers, one at a time in this world. The id that the command gives it
    /// would be every world's.
    pub fn start_import(&self, input: &Value) -> Result<Run> {
        let id = format!("sync-stripe-customers-{}", self.task_queue());
        self.start_in_bulk("syncStripeCustomersWorkflow", &id, &input.to_string())?;
        // Of the whole chain, and not of its first run alone.
        Ok(self.run(&id))
    }

    /// An import of customers, from its start to its result.
    pub fn import(&self, input: &Value) -> Result<Value> {
        Self::imported(&self.start_import(input)?)
    }

    /// The result of an import that was started.
    pub fn imported(run: &Run) -> Result<Value> {
        match run.ending(IMPORTED)? {
            Ending::Completed(result) => Ok(result),
            ending @ (Ending::Failed(..) | Ending::Cancelled) => bail!("the import did not complete: {ending:?}"),
        }
    }

    /// What became of each tenant in the import with that result.
    pub fn outcomes(&self, result: &Value) -> Result<BTreeMap<String, Outcome>> {
        let walk = result["walk"].as_str().context("a walk")?;
        let sql = format!("SELECT tenant, outcome, coalesce(reason, '') FROM import_outcomes WHERE walk = '{walk}'");
        let read = |row: Vec<String>| {
            let [tenant, outcome, reason] = <[String; 3]>::try_from(row).ok().context("three columns")?;
            Ok((tenant, Outcome { outcome, reason }))
        };
        self.rows(&sql)?.into_iter().map(read).collect()
    }

    /// A sum over everything that an import may write. Whatever a second import changes changes it
    /// too, but for when a row was read last, and for the tag that the first one wrote at Stripe: its
    /// row hears of that as of any change.
    pub fn imported_rows(&self) -> Result<Vec<Vec<String>>> {
        let sum = |table: &str, key: &str| {
            let row = "(to_jsonb(t) - 'updated_at' - 'read_ticket' #- '{metadata,tenant_id}')::text";
            format!("SELECT '{table}', count(*), md5(string_agg({row}, '' ORDER BY {key}::text)) FROM {table} t")
        };
        let sums = [
            sum("tenants", "tenant"),
            sum("stripe_customers", "stripe_customer_external_id"),
            sum("stripe_subscriptions", "stripe_subscription_external_id"),
            sum("stripe_prices", "stripe_price_external_id"),
            sum("license_changes", "t"),
        ];
        self.rows(&format!("{} ORDER BY 1", sums.join(" UNION ALL ")))
    }
}
