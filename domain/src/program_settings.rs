//! The settings that more than one program has: whose Stripe account it is, where runs are queued,
//! and for what keeps running its private listener and its log.

use std::net::{Ipv4Addr, SocketAddr};

use crate::ids::{IdError, TenantId};
use crate::names;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a collector, one object a line.
    Json,
}

/// A setting of any program that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramSettingsError {
    /// Not an address.
    #[error("ADMIN_ADDR is not an address such as 127.0.0.1:9464")]
    AdminAddr,
    /// Not a format.
    #[error("LOG_FORMAT is neither `text` nor `json`")]
    LogFormat,
}

/// A `MASTER_BILLING_TENANT_ID` that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterTenantError {
    /// It is not there.
    #[error("MASTER_BILLING_TENANT_ID is not set; it is the UUID that `tenantry migrate --master-tenant` was given")]
    Missing,
    /// Not an id.
    #[error("MASTER_BILLING_TENANT_ID: {0}")]
    Wrong(IdError),
}

impl LogFormat {
    /// `LOG_FORMAT`, alone, for a log that starts before anything else.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ProgramSettingsError> {
        match lookup("LOG_FORMAT").as_deref() {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(_) => Err(ProgramSettingsError::LogFormat),
        }
    }
}

/// `ADMIN_ADDR`: health and metrics.
pub fn admin_addr(lookup: impl Fn(&str) -> Option<String>) -> Result<SocketAddr, ProgramSettingsError> {
    match lookup("ADMIN_ADDR") {
        None => Ok((Ipv4Addr::LOCALHOST, 9464).into()),
        Some(text) => text.parse().map_err(|_| ProgramSettingsError::AdminAddr),
    }
}

/// `MASTER_BILLING_TENANT_ID`: the tenant that owns the Stripe account.
pub fn master_tenant(lookup: impl Fn(&str) -> Option<String>) -> Result<TenantId, MasterTenantError> {
    let id = lookup("MASTER_BILLING_TENANT_ID").ok_or(MasterTenantError::Missing)?;
    id.parse().map_err(MasterTenantError::Wrong)
}

/// `TEMPORAL_TASK_QUEUE`: where runs wait for a worker.
pub fn task_queue(lookup: impl Fn(&str) -> Option<String>) -> String {
    lookup("TEMPORAL_TASK_QUEUE").unwrap_or_else(|| names::TASK_QUEUE.to_owned())
}
