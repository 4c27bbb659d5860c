//! Where log lines go and how they look.

use domain::program_settings::{LogFormat, ProgramSettingsError};
use tracing_subscriber::EnvFilter;

/// A setting of the log that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `LOG_FORMAT`.
    #[error(transparent)]
    Format(#[from] ProgramSettingsError),
    /// `RUST_LOG`.
    #[error("RUST_LOG is not a filter such as info or info,stripe_gateway=debug")]
    Filter,
}

/// The SDK wraps each step in a span that repeats what ours says, and greets at `info`.
const QUIET_SDK: &str = "info,temporalio_sdk=warn,temporalio_sdk_core=warn";

/// Starts the log as `LOG_FORMAT` and `RUST_LOG` say. Lines go to standard error.
pub fn start(lookup: impl Fn(&str) -> Option<String>) -> Result<(), LogError> {
    let filter = lookup("RUST_LOG").unwrap_or_else(|| QUIET_SDK.to_owned());
    let filter = EnvFilter::try_new(filter).map_err(|_| LogError::Filter)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match LogFormat::from_env(lookup)? {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
