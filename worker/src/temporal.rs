//! The way to Temporal: connection, telemetry, search attributes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use domain::names::search_attribute;
use temporalio_client::envconfig::{ConfigError, LoadClientConfigProfileOptions};
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{Client, ClientOptions, Connection, NamespacedClient};
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest,
};
use temporalio_common::telemetry::metrics::CoreMeter;
use temporalio_common::telemetry::{
    PrometheusExporterOptions, TelemetryOptions, start_prometheus_metric_exporter, telemetry_init,
};
use temporalio_sdk::Runtime;
use temporalio_sdk::runtime::RuntimeOptions;

/// The SDK's metrics, and the loopback address where it serves them for [`crate::admin`].
pub(crate) struct Telemetry {
    pub(crate) meter: Arc<dyn CoreMeter>,
    pub(crate) exporter: SocketAddr,
}

/// Starts the SDK's exporter on a port of its own, which the admin listener reads.
pub(crate) fn telemetry() -> Result<Telemetry> {
    let options = PrometheusExporterOptions::builder()
        .socket_addr((Ipv4Addr::LOCALHOST, 0).into())
        .counters_total_suffix(true)
        .unit_suffix(true)
        .use_seconds_for_durations(true)
        .build();
    let exporter = start_prometheus_metric_exporter(options)?;
    Ok(Telemetry { meter: exporter.meter, exporter: exporter.bound_addr })
}

/// The SDK's runtime on this process's tokio.
pub(crate) fn runtime(telemetry: &Telemetry) -> Result<Runtime> {
    let options = RuntimeOptions::builder()
        .telemetry_options(TelemetryOptions::builder().metrics(telemetry.meter.clone()).build())
        .build()
        .map_err(|e| anyhow!(e))?;
    Runtime::from_current_tokio(options).context("failed to start Temporal's runtime")
}

/// How often a server that does not answer is asked again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);
/// How soon the search attributes are listed again after some were registered.
const RELIST_PAUSE: Duration = Duration::from_millis(200);
/// Where the SDK looks when nothing is set.
const SDK_DEFAULT: &str = "http://localhost:7233/";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client, as `TEMPORAL_*` says; waits for the server.
pub(crate) async fn connect(telemetry: &Telemetry) -> Result<Client> {
    loop {
        let (mut connection, client) = ClientOptions::load_from_config(LoadClientConfigProfileOptions::default())
            .map_err(|error| anyhow!("ConfigurationError: {}", without_the_file(&error)))?;
        connection.connect_timeout = Some(CONNECT_TIMEOUT);
        if connection.target.as_str() == SDK_DEFAULT {
            // `localhost` may be an IPv6 address first, where a development server does not listen.
            let _ = connection.target.set_host(Some("127.0.0.1"));
        }
        connection.metrics_meter =
            telemetry_init(TelemetryOptions::builder().metrics(telemetry.meter.clone()).build())?
                .get_temporal_metric_meter();
        let target =
            format!("{}:{}", connection.target.host_str().unwrap_or_default(), connection.target.port().unwrap_or(443));
        match Connection::connect(connection).await {
            Ok(connection) => return Client::new(connection, client).context("failed to make a client of Temporal"),
            Err(error) => tracing::warn!(target, "Temporal does not answer yet: {error:#}"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

/// The loader's own words quote the configuration file, which may hold an API key.
fn without_the_file(error: &ConfigError) -> String {
    match error {
        ConfigError::ProfileNotFound(profile) => format!("TEMPORAL_PROFILE: there is no profile {profile:?}"),
        ConfigError::InvalidConfig(_) | ConfigError::LoadError(_) => {
            "the TEMPORAL_* settings, or the file of TEMPORAL_CONFIG_FILE, cannot be read".to_owned()
        }
    }
}

/// Makes sure that the server knows our search attributes: one that it does not know would
/// block every run. Registers what is missing if it may, else says how.
pub(crate) async fn ensure_search_attributes(client: &Client) -> Result<()> {
    loop {
        let missing = missing_search_attributes(client).await?;
        if missing.is_empty() {
            return Ok(());
        }
        register(client, &missing).await?;
        // Listed again: somebody else may have registered only some of them.
        tokio::time::sleep(RELIST_PAUSE).await;
    }
}

async fn register(client: &Client, missing: &[&'static str]) -> Result<()> {
    let request = AddSearchAttributesRequest {
        search_attributes: missing.iter().map(|name| ((*name).to_owned(), IndexedValueType::Keyword.into())).collect(),
        namespace: client.namespace(),
    };
    match client.connection().operator_service().add_search_attributes(request.into_request()).await {
        Ok(_) => tracing::info!(?missing, "registered search attributes"),
        Err(status) if matches!(status.code(), Code::AlreadyExists | Code::Unavailable | Code::DeadlineExceeded) => {
            tracing::warn!("the search attributes are not registered yet: {}", status.message());
        }
        Err(status) => bail!(
            "ConfigurationError: Temporal does not know the search attributes {missing:?} and does not let this worker \
             register them ({}); run: temporal operator search-attribute create --namespace {} {}",
            status.message(),
            client.namespace(),
            missing.iter().map(|name| format!("--name {name} --type Keyword")).collect::<Vec<_>>().join(" "),
        ),
    }
    Ok(())
}

async fn missing_search_attributes(client: &Client) -> Result<Vec<&'static str>> {
    let request = ListSearchAttributesRequest { namespace: client.namespace() };
    let known = loop {
        match client.connection().operator_service().list_search_attributes(request.clone().into_request()).await {
            Ok(answer) => break answer.into_inner().custom_attributes,
            Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                tracing::warn!("Temporal does not list its search attributes yet: {}", status.message());
            }
            Err(status) => return Err(status).context("failed to list the search attributes"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    };
    let keyword = i32::from(IndexedValueType::Keyword);
    if let Some(name) = search_attribute::ALL.iter().find(|name| known.get(**name).is_some_and(|kind| *kind != keyword))
    {
        bail!("ConfigurationError: the search attribute {name} exists in Temporal and is not of type Keyword");
    }
    Ok(search_attribute::ALL.into_iter().filter(|name| !known.contains_key(*name)).collect())
}
