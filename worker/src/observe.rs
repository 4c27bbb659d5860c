//! A log line and a metric for each step, whatever it does.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use domain::change_license::ChangeLicenseInput;
use domain::failure::FailureKind;
use domain::steps;
use futures::FutureExt;
use service::telemetry::Telemetry;
use temporalio_common::telemetry::metrics::{CoreMeter, Counter, MetricKeyValue, MetricParameters};
use temporalio_sdk::activities::ActivityError;
use temporalio_sdk::interceptors::{
    ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, ExecuteActivityResult, Next,
};
use tracing::Instrument;

/// Watches every step of this worker.
#[derive(Clone)]
pub(crate) struct Observer {
    meter: Arc<dyn CoreMeter>,
    failed_attempts: Counter,
}

impl Observer {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        let parameters = MetricParameters::builder()
            .name("tenantry_failed_attempts")
            .description("Attempts of steps that failed, by step and kind. StripeUnauthorized wants a person.")
            .build();
        Self { meter: telemetry.meter.clone(), failed_attempts: telemetry.meter.counter(parameters) }
    }

    fn count(&self, step: &str, kind: &str) {
        let labels = [MetricKeyValue::new("step", step.to_owned()), MetricKeyValue::new("kind", kind.to_owned())];
        self.failed_attempts.add(1, &self.meter.new_attributes(labels.into()));
    }

    fn report(&self, step: &str, result: &ExecuteActivityResult, took: u128) {
        let Err(error) = result else {
            tracing::info!(step, took_ms = took, "step done");
            return;
        };
        let (kind, message) = describe(error);
        self.count(step, &kind);
        if kind == FailureKind::StripeUnauthorized.as_str() {
            tracing::error!(step, kind, "Stripe does not accept the key; every run waits until it does: {message}");
        } else {
            tracing::warn!(step, kind, took_ms = took, "step failed: {message}");
        }
    }
}

impl ActivityInboundInterceptor for Observer {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let info = input.activity_info();
        let step = info.activity_type.clone();
        let span = tracing::info_span!(
            "step",
            tenant = tenant_of(&input),
            subscription = subscription_of(&input),
            workflow_id = info.workflow_id,
            run_id = info.workflow_run_id,
            attempt = info.attempt,
        );
        async move {
            let began = Instant::now();
            let result = next.run(input).await;
            self.report(&step, &result, began.elapsed().as_millis());
            result
        }
        .instrument(span)
        .boxed()
    }
}

/// The tenant that a step is about; none before it is fixed.
fn tenant_of(input: &ExecuteActivityInput) -> Option<String> {
    fn of<T: Any>(input: &ExecuteActivityInput, tenant: impl Fn(&T) -> domain::ids::TenantId) -> Option<String> {
        input.args_ref::<T>().map(|args| tenant(args).to_string())
    }
    of(input, |args: &steps::NewTenant| args.tenant_id)
        .or_else(|| of(input, |args: &steps::NewStripeCustomer| args.tenant_id))
        .or_else(|| of(input, |args: &steps::SubscriptionOf| args.tenant_id))
        .or_else(|| of(input, |args: &steps::LicenseCountOf| args.tenant_id))
        .or_else(|| of(input, |args: &steps::CustomerOf| args.tenant_id))
        .or_else(|| of(input, |args: &steps::ImportToSettle| args.tenant_id))
        .or_else(|| of(input, |args: &ChangeLicenseInput| args.tenant_id))
        .or_else(|| of(input, |args: &steps::ClosedLicenseRequest| args.tenant_id))
}

/// The subscription that a sync is about; its tenant is what the step finds out.
fn subscription_of(input: &ExecuteActivityInput) -> Option<String> {
    input.args_ref::<steps::EventsOf>().map(|of| of.stripe_subscription_id.to_string())
}

/// Kind and words of a failure, with its causes.
fn describe(error: &ActivityError) -> (String, String) {
    let ActivityError::Application(failure) = error else {
        return (FailureKind::Cancelled.to_string(), "cancelled".to_owned());
    };
    let mut words = failure.source_error().to_string();
    let mut cause = failure.source_error().source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    (failure.type_name().unwrap_or_default().to_owned(), words)
}
