//! What the worker needs of Temporal: its runtime, and search attributes that the server knows.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use domain::names::search_attribute;
use service::telemetry::Telemetry;
use service::temporal::RECONNECT_PAUSE;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{Client, NamespacedClient};
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest,
};
use temporalio_sdk::Runtime;
use temporalio_sdk::runtime::RuntimeOptions;

/// How soon the search attributes are listed again after some were registered.
const RELIST_PAUSE: Duration = Duration::from_millis(200);

/// The SDK's runtime on this process's tokio.
pub(crate) fn runtime(telemetry: &Telemetry) -> Result<Runtime> {
    let options = RuntimeOptions::builder().telemetry_options(telemetry.options()).build().map_err(|e| anyhow!(e))?;
    Runtime::from_current_tokio(options).context("failed to start Temporal's runtime")
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
