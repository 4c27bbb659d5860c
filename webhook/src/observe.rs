//! What the shim counts. Every delivery is counted as received and then as one of stored,
//! duplicate and refused, so the counts add up; only a sender that hangs up before it is refused
//! was received and no more.

use std::sync::Arc;
use std::time::Duration;

use service::telemetry::Telemetry;
use store::Depth;
use temporalio_common::telemetry::metrics::{
    CoreMeter, Counter, Gauge, GaugeF64, Histogram, HistogramDuration, MetricAttributes, MetricKeyValue,
    MetricParameters,
};

/// The shim's metrics; all copies count together.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Instruments>);

struct Instruments {
    meter: Arc<dyn CoreMeter>,
    none: MetricAttributes,
    received: Counter,
    refused: Counter,
    stored: Counter,
    duplicate: Counter,
    dispatched: Counter,
    ack: HistogramDuration,
    batch: Histogram,
    depth: Gauge,
    oldest: GaugeF64,
}

impl Metrics {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter.clone();
        let none = meter.new_attributes(Vec::new().into());
        let counter = |name, description| meter.counter(parameters(name, description));
        let metrics = Instruments {
            received: counter("tenantry_webhook_received", "Deliveries that came to a webhook path."),
            refused: counter("tenantry_webhook_refused", "Deliveries that were answered 4xx or 503, by reason."),
            stored: counter("tenantry_webhook_stored", "Events that were committed."),
            duplicate: counter("tenantry_webhook_duplicate", "Deliveries of events that were there already."),
            dispatched: counter("tenantry_webhook_dispatched", "Events handed to Temporal, by result."),
            ack: meter.histogram_duration(parameters("tenantry_webhook_ack", "From the request's head to its 200.")),
            batch: meter.histogram(parameters("tenantry_webhook_batch_size", "Events in one insert.")),
            depth: meter.gauge(parameters("tenantry_inbox_events", "Events that wait, by status.")),
            oldest: meter
                .gauge_f64(parameters("tenantry_inbox_oldest_seconds", "Seconds since the oldest came, by status.")),
            none,
            meter,
        };
        // So that they are there before the first delivery is.
        for counter in [&metrics.received, &metrics.stored, &metrics.duplicate] {
            counter.add(0, &metrics.none);
        }
        Self(Arc::new(metrics))
    }

    pub(crate) fn received(&self) {
        self.0.received.add(1, &self.0.none);
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.0.refused.add(1, &self.label("reason", reason));
    }

    pub(crate) fn stored(&self) {
        self.0.stored.add(1, &self.0.none);
    }

    pub(crate) fn duplicate(&self) {
        self.0.duplicate.add(1, &self.0.none);
    }

    pub(crate) fn dispatched(&self, result: &'static str) {
        self.0.dispatched.add(1, &self.label("result", result));
    }

    pub(crate) fn acknowledged(&self, after: Duration) {
        self.0.ack.record(after, &self.0.none);
    }

    pub(crate) fn batch(&self, size: usize) {
        self.0.batch.record(size as u64, &self.0.none);
    }

    pub(crate) fn depth(&self, depth: Depth) {
        let labels = self.label("status", depth.status.as_str());
        self.0.depth.record(depth.events, &labels);
        self.0.oldest.record(depth.oldest_secs, &labels);
    }

    fn label(&self, name: &'static str, value: &'static str) -> MetricAttributes {
        self.0.meter.new_attributes(vec![MetricKeyValue::new(name, value)].into())
    }
}

fn parameters(name: &'static str, description: &'static str) -> MetricParameters {
    MetricParameters::builder().name(name).description(description).build()
}
