//! What was asked for and what came of it, one row for each run that changes licences.

use domain::audit::Origin;
use domain::change_license::{ChangeLicenseInput, Effective};
use domain::failure::FailureKind;
use domain::ids::{StripeCustomerId, TenantId};
use domain::license_plan::LicensePlan;
use domain::refusal::Refusal;
use domain::steps::{ClosedLicenseRequest, LicenseRequestEnd};
use domain::stripe::{StripeSubscription, tagged_tenant};
use domain::words::LicenseCount;

use crate::error::unreadable;
use crate::{Error, Store};

impl Store {
    /// Notes the request, once for each run. Refuses where there is no such tenant, or where it is
    /// the one that owns the Stripe account.
    /// Answers what an earlier attempt of the run decided it on, or else the input's own number.
    pub async fn open_license_request(
        &self,
        input: &ChangeLicenseInput,
        origin: &Origin,
    ) -> Result<Option<LicenseCount>, Error> {
        if input.tenant_id == self.master {
            return Err(Refusal::LicensesOfMaster(input.tenant_id).into());
        }
        if !self.tenant_exists(input.tenant_id).await? {
            return Err(Refusal::NoSuchTenant(input.tenant_id).into());
        }
        let row = sqlx::query!(
            "INSERT INTO license_requests AS r
                 (tenant, from_count, to_count, effective, requested_by, workflow_id, run_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (run_id) DO UPDATE SET from_count = r.from_count
             RETURNING license_request_id, from_count",
            input.tenant_id.as_uuid(),
            input.from.map(|from| from.get()),
            input.quantity.get(),
            input.effective.map(column),
            input.requested_by.as_ref().map(|requester| requester.as_str()),
            origin.workflow_id,
            origin.run_id,
        )
        .fetch_one(&self.pool)
        .await?;
        self.close_silent_requests(input.tenant_id, row.license_request_id).await?;
        let from = row.from_count.map(|from| i64::from(from).try_into()).transpose();
        from.map_err(|_| unreadable("license_requests", "from_count"))
    }

    /// One change runs at a time for each tenant, so those before this one have ended. One that
    /// was terminated could not say so.
    async fn close_silent_requests(&self, tenant: TenantId, newest: i64) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE license_requests
             SET ended_at = now(), failure_kind = $3, failure_message = 'the run ended without a word'
             WHERE tenant = $1 AND license_request_id < $2 AND ended_at IS NULL",
            tenant.as_uuid(),
            newest,
            FailureKind::Cancelled.as_str(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What belongs to another tenant could not be written after a change.
    pub async fn refuse_other_tenants(
        &self,
        subscription: &StripeSubscription,
        tenant_id: TenantId,
    ) -> Result<(), Error> {
        let row = self.tenant_of_subscription(&subscription.id).await?;
        let tag = match tagged_tenant(&subscription.metadata) {
            Some(tenant) if self.tenant_exists(tenant).await? => Some(tenant),
            Some(_) | None => None,
        };
        match row.into_iter().chain(tag).find(|tenant| *tenant != tenant_id) {
            Some(tenant) => {
                Err(Refusal::SubscriptionOfAnotherTenant { subscription: subscription.id.clone(), tenant }.into())
            }
            None => Ok(()),
        }
    }

    /// Notes what the request was decided on.
    pub async fn decide_license_request(&self, plan: &LicensePlan, origin: &Origin) -> Result<(), Error> {
        let from = plan.from.get();
        sqlx::query!("UPDATE license_requests SET from_count = $2 WHERE run_id = $1", origin.run_id, from)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes how the request ended. One that was never noted, as where there is no such tenant,
    /// is not noted now.
    pub async fn close_license_request(&self, closed: &ClosedLicenseRequest, origin: &Origin) -> Result<(), Error> {
        let (done, failed) = match &closed.ended {
            LicenseRequestEnd::Done(result) => (Some(result), None),
            LicenseRequestEnd::Failed(error) => (None, Some(error)),
        };
        sqlx::query!(
            "UPDATE license_requests SET ended_at = now(), outcome = $3, effective_at = to_timestamp($4::bigint),
                 taken_back_count = $5, failure_kind = $6, failure_message = $7
             WHERE tenant = $1 AND run_id = $2 AND ended_at IS NULL",
            closed.tenant_id.as_uuid(),
            origin.run_id,
            done.map(|result| result.outcome.as_str()),
            done.and_then(|result| result.effective_at),
            done.and_then(|result| result.taken_back).map(|count| count.get()),
            failed.map(|error| error.kind.as_str()),
            failed.map(|error| error.message.as_str()),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Who pays for the tenant at Stripe.
    pub async fn customer_of(&self, tenant: TenantId) -> Result<Option<StripeCustomerId>, Error> {
        let query = sqlx::query_scalar!(
            "SELECT stripe_customer_external_id FROM stripe_customers WHERE tenant = $1",
            tenant.as_uuid()
        );
        let found = query.fetch_optional(&self.pool).await?;
        let id = found.map(|id| id.parse()).transpose();
        id.map_err(|_| unreadable("stripe_customers", "stripe_customer_external_id"))
    }
}

fn column(effective: Effective) -> &'static str {
    match effective {
        Effective::Now => "now",
        Effective::PeriodEnd => "period_end",
    }
}
