//! Changing the licences of a tenant, and what must be true of them afterwards: at Stripe, in the
//! rows, in the count.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::double::Purchase;
use crate::run::Run;
use crate::world::World;

/// A tenant that bought something.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its UUID.
    pub id: String,
    /// What it bought.
    pub purchase: Purchase,
}

impl World {
    /// A tenant with that many licences.
    pub fn tenant_with(&self, quantity: i64) -> Result<Tenant> {
        self.tenant_of(self.stripe.buy(quantity)?)
    }

    /// The tenant of a purchase.
    pub fn tenant_of(&self, purchase: Purchase) -> Result<Tenant> {
        let result = self.onboard(&purchase)?.result()?;
        let id = result["tenant_id"].as_str().context("an onboarding names its tenant")?.to_owned();
        Ok(Tenant { id, purchase })
    }

    /// Starts `changeLicenseCountWorkflow` for a tenant, with more fields of its input.
    pub fn start_license_change(&self, tenant: &str, quantity: i64, more: &Value) -> Result<Run> {
        let mut input = json!({"tenant_id": tenant, "quantity": quantity});
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let id = format!("change-license-count-{tenant}");
        self.start_workflow("changeLicenseCountWorkflow", &id, "AllowDuplicate", &input.to_string())
    }

    /// Changes the licences of a tenant and waits for the result.
    pub fn change_licenses(&self, tenant: &Tenant, quantity: i64) -> Result<Value> {
        self.start_license_change(&tenant.id, quantity, &json!({}))?.result()
    }

    /// The licences of a tenant are so many, and so many wait or none: at Stripe, in the rows and,
    /// for what holds now, in the count.
    pub fn assert_licenses(&self, tenant: &Tenant, quantity: i64, waiting: Option<i64>) -> Result<()> {
        let subscription = &tenant.purchase.subscription;
        let found = self.stripe.licenses(subscription)?;
        ensure!(
            found == (quantity, waiting),
            "Stripe has {found:?} of {subscription}, expected {quantity}, {waiting:?}"
        );
        let rows = self.rows(&format!(
            "SELECT t.licensed_user_count, s.quantity, coalesce(s.scheduled_quantity::text, '-')
             FROM tenants t JOIN stripe_subscriptions s USING (tenant)
             WHERE t.tenant = '{}' AND s.stripe_subscription_external_id = '{subscription}'",
            tenant.id
        ))?;
        let waiting = waiting.map_or_else(|| "-".to_owned(), |waiting| waiting.to_string());
        let expected = [quantity.to_string(), quantity.to_string(), waiting];
        ensure!(rows == [expected.clone()], "rows of {subscription}: {rows:?}, expected {expected:?}");
        Ok(())
    }

    /// Outcome (or failure type), numbers and asker of each request for a tenant, oldest first.
    pub fn license_requests(&self, tenant: &Tenant) -> Result<Vec<String>> {
        let rows = self.rows(&format!(
            "SELECT coalesce(outcome, failure_kind, 'open'), coalesce(from_count::text, '-'), to_count,
                    coalesce(requested_by, '-')
             FROM license_requests WHERE tenant = '{}' ORDER BY license_request_id",
            tenant.id
        ))?;
        Ok(rows.iter().map(|row| row.join(" ")).collect())
    }
}
