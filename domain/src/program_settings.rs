//! The settings that every program which keeps running has: its private listener and its log.

use std::net::{Ipv4Addr, SocketAddr};

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
