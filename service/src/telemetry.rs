//! Metrics: the SDK's and ours, in one registry.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use temporalio_common::telemetry::metrics::{CoreMeter, TemporalMeter};
use temporalio_common::telemetry::{
    PrometheusExporterOptions, TelemetryOptions, start_prometheus_metric_exporter, telemetry_init,
};

/// Where metrics are counted, and the loopback address where [`crate::admin`] reads them.
#[derive(Clone)]
pub struct Telemetry {
    /// Counts.
    pub meter: Arc<dyn CoreMeter>,
    pub(crate) exporter: SocketAddr,
}

impl Telemetry {
    /// Starts the SDK's exporter on a port of its own.
    pub fn start() -> Result<Self> {
        let options = PrometheusExporterOptions::builder()
            .socket_addr((Ipv4Addr::LOCALHOST, 0).into())
            .counters_total_suffix(true)
            .unit_suffix(true)
            .use_seconds_for_durations(true)
            .build();
        let exporter = start_prometheus_metric_exporter(options)?;
        Ok(Self { meter: exporter.meter, exporter: exporter.bound_addr })
    }

    /// How the SDK is told to count here.
    pub fn options(&self) -> TelemetryOptions {
        TelemetryOptions::builder().metrics(self.meter.clone()).build()
    }

    /// For the metrics of a connection's calls.
    pub(crate) fn of_a_connection(&self) -> Result<Option<TemporalMeter>> {
        Ok(telemetry_init(self.options())?.get_temporal_metric_meter())
    }
}
