//! The way to Temporal.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use temporalio_client::envconfig::{ConfigError, LoadClientConfigProfileOptions};
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;

use crate::telemetry::Telemetry;

/// How often a server that does not answer is asked again.
pub const RECONNECT_PAUSE: Duration = Duration::from_secs(2);
/// Where the SDK looks when nothing is set.
const SDK_DEFAULT: &str = "http://localhost:7233/";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The `TEMPORAL_*` settings, which the SDK reads itself, or what is wrong with them.
pub fn settings() -> Result<(ConnectionOptions, ClientOptions), String> {
    let (mut connection, client) = ClientOptions::load_from_config(LoadClientConfigProfileOptions::default())
        .map_err(|error| without_the_file(&error))?;
    connection.connect_timeout = Some(CONNECT_TIMEOUT);
    if connection.target.as_str() == SDK_DEFAULT {
        // `localhost` may be an IPv6 address first, where a development server does not listen.
        let _ = connection.target.set_host(Some("127.0.0.1"));
    }
    Ok((connection, client))
}

/// A client, as `TEMPORAL_*` says; waits for the server.
pub async fn connect(telemetry: &Telemetry) -> Result<Client> {
    loop {
        let (mut connection, client) = settings().map_err(|wrong| anyhow!("ConfigurationError: {wrong}"))?;
        connection.metrics_meter = telemetry.of_a_connection()?;
        let target =
            format!("{}:{}", connection.target.host_str().unwrap_or_default(), connection.target.port().unwrap_or(443));
        match Connection::connect(connection).await {
            Ok(connection) => return Client::new(connection, client).context("failed to make a client of Temporal"),
            Err(error) => tracing::warn!(target, "Temporal does not answer yet: {error:#}"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

/// Asks for a sign of life, which has nothing to do with any workflow. Waits for as long as the SDK
/// tries.
pub async fn ask(client: &Client) -> Result<()> {
    client.connection().workflow_service().get_system_info(GetSystemInfoRequest::default().into_request()).await?;
    Ok(())
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
