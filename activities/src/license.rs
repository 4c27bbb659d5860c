//! The activities of a change of licences: the shell for Temporal.

use std::sync::Arc;

use domain::change_license::ChangeLicenseInput;
use domain::license_plan::{LicenseNow, LicensePlan};
use domain::steps;
use store::Store;
use stripe_gateway::Stripe;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::error::fail;
use crate::{license_look, license_write, origin};

/// The steps of a change of licences.
pub struct LicenseActivities {
    store: Store,
    stripe: Stripe,
}

impl LicenseActivities {
    /// The steps over these.
    pub fn new(store: Store, stripe: Stripe) -> Self {
        Self { store, stripe }
    }
}

#[activities]
impl LicenseActivities {
    /// See [`domain::steps::LicenseSteps::resolve_license_change`].
    #[activity(definition = steps::ResolveLicenseChange)]
    pub async fn resolve_license_change(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: ChangeLicenseInput,
    ) -> Result<LicensePlan, ActivityError> {
        let plan = license_look::resolve(&self.store, &self.stripe, &input, &origin(&ctx)).await;
        plan.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::LicenseSteps::release_schedule`].
    #[activity(definition = steps::ReleaseSchedule)]
    pub async fn release_schedule(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::ScheduleToRelease,
    ) -> Result<(), ActivityError> {
        license_write::release(self.store.rules(), &self.stripe, &of, &ctx).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::LicenseSteps::set_license_quantity`].
    #[activity(definition = steps::SetLicenseQuantity)]
    pub async fn set_license_quantity(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::QuantityToSet,
    ) -> Result<(), ActivityError> {
        license_write::set(self.store.rules(), &self.stripe, &of, &ctx).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::LicenseSteps::attach_schedule`].
    #[activity(definition = steps::AttachSchedule)]
    pub async fn attach_schedule(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::ScheduleToAttach,
    ) -> Result<steps::AttachedSchedule, ActivityError> {
        license_write::attach(self.store.rules(), &self.stripe, &of, &ctx).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::LicenseSteps::write_schedule`].
    #[activity(definition = steps::WriteSchedule)]
    pub async fn write_schedule(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::ScheduleToWrite,
    ) -> Result<(), ActivityError> {
        license_write::write(self.store.rules(), &self.stripe, &of, &ctx).await.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::LicenseSteps::import_license_change`].
    #[activity(definition = steps::ImportLicenseChange)]
    pub async fn import_license_change(
        self: Arc<Self>,
        ctx: ActivityContext,
        of: steps::ChangedLicenses,
    ) -> Result<LicenseNow, ActivityError> {
        let now = license_look::import(&self.store, &self.stripe, &of, &origin(&ctx)).await;
        now.map_err(|error| fail(&ctx, error))
    }

    /// See [`domain::steps::LicenseSteps::close_license_request`].
    #[activity(definition = steps::CloseLicenseRequest)]
    pub async fn close_license_request(
        self: Arc<Self>,
        ctx: ActivityContext,
        closed: steps::ClosedLicenseRequest,
    ) -> Result<(), ActivityError> {
        self.store.close_license_request(&closed, &origin(&ctx)).await.map_err(|error| fail(&ctx, error))
    }
}
