//! The way to Temporal, and the links into its UI.

use std::error::Error;
use std::time::Duration;

use domain::program_settings::task_queue;
use temporalio_client::errors::ClientConnectError;
use temporalio_client::tonic::{Code, Status};
use temporalio_client::{Client, ClientOptions, ConnectionOptions, Url};

use crate::exit::Exit;
use crate::failure::Failure;

/// A person waits in front of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// `TEMPORAL_*`: where it is, which queue our workers poll, where its UI stands.
pub(crate) struct TemporalConfig {
    connection: ConnectionOptions,
    client: ClientOptions,
    /// `TEMPORAL_TASK_QUEUE`.
    pub(crate) task_queue: String,
    /// `TEMPORAL_UI_URL`.
    pub(crate) ui: Option<Url>,
}

impl TemporalConfig {
    /// The settings that `lookup` knows by their names, and the SDK's own, which it reads itself.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let (connection, client) = service::temporal::settings().map_err(setting)?;
        let ui = lookup("TEMPORAL_UI_URL").map(|text| ui(&text)).transpose()?;
        Ok(Self { connection, client, task_queue: task_queue(lookup), ui })
    }

    /// Where it points to, without credentials.
    pub(crate) fn place(&self) -> String {
        let host = self.connection.target.host_str().unwrap_or_default();
        self.connection.target.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The namespace that runs live in.
    pub(crate) fn namespace(&self) -> &str {
        &self.client.namespace
    }

    /// A connected client.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let connecting = Client::connect(self.connection.clone(), self.client.clone());
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| self.unreachable(&why(&error))),
            Err(_) => Err(self.unreachable(&format!("no answer in {} seconds", CONNECT_TIMEOUT.as_secs()))),
        }
    }

    /// It does not answer.
    pub(crate) fn unreachable(&self, why: &str) -> Failure {
        let message = format!("cannot reach Temporal at {}: {why}", self.place());
        Failure::new(Exit::Unreachable, message, "start it, or correct TEMPORAL_ADDRESS")
    }

    /// It answered, and not with yes.
    pub(crate) fn answered(&self, status: &Status) -> Failure {
        let said = status.message();
        match status.code() {
            Code::NotFound => {
                let message = format!("Temporal at {} has no namespace {}", self.place(), self.namespace());
                Failure::new(Exit::Usage, message, "correct TEMPORAL_NAMESPACE")
            }
            Code::Unauthenticated | Code::PermissionDenied => {
                let message = format!("Temporal at {} does not let us in: {said}", self.place());
                Failure::new(Exit::Unreachable, message, "correct TEMPORAL_API_KEY or TEMPORAL_TLS_*")
            }
            Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists | Code::OutOfRange => {
                let message = format!("Temporal at {} refuses it: {said}", self.place());
                Failure::new(Exit::Refused, message, "run `tenantry doctor`")
            }
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => self.unreachable(said),
        }
    }

    /// The official CLI's command line for `what`, at this address and in this namespace.
    pub(crate) fn command(&self, what: &str) -> String {
        format!("temporal {what} --address {} --namespace {}", self.place(), self.namespace())
    }

    /// The run's page in the UI.
    pub(crate) fn link(&self, workflow_id: &str, run_id: &str) -> Option<String> {
        Some(format!("{}/{workflow_id}/{run_id}/history", self.workflows()?))
    }

    /// The UI's list of runs that fit the query.
    pub(crate) fn list_link(&self, query: &str) -> Option<String> {
        Some(format!("{}?query={}", self.workflows()?, percent_encoded(query)))
    }

    fn workflows(&self) -> Option<String> {
        let ui = self.ui.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{ui}/namespaces/{}/workflows", self.namespace()))
    }
}

/// Such that nothing of it means anything to a URL, see
/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What the transport says at the bottom; the SDK wraps it four times.
fn why(error: &ClientConnectError) -> String {
    if let ClientConnectError::SystemInfoCallError(status) = error {
        return status.message().to_owned();
    }
    let mut deepest: &dyn Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

fn ui(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    url.ok_or_else(|| setting("TEMPORAL_UI_URL is not a URL such as http://127.0.0.1:8233".to_owned()))
}

fn setting(message: String) -> Failure {
    Failure::new(Exit::Usage, message, "correct it in the environment, in .env or in Temporal's own configuration file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(ui: &str) -> TemporalConfig {
        let target = "http://ann:secret@temporal.example:7233".parse::<Url>().expect("a URL");
        TemporalConfig {
            connection: ConnectionOptions::new(target).build(),
            client: ClientOptions::new("default").build(),
            task_queue: task_queue(|_| None),
            ui: Some(super::ui(ui).expect("a URL")),
        }
    }

    #[test]
    fn links_lead_into_the_namespace_with_or_without_a_slash_at_the_end() {
        for ui in ["https://ui.example/t", "https://ui.example/t/"] {
            let link = config(ui).link("create-tenant-cus_1", "r1");
            let expected = "https://ui.example/t/namespaces/default/workflows/create-tenant-cus_1/r1/history";
            assert_eq!(link.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_query_reaches_the_ui_as_it_is() {
        let link = config("https://ui.example/").list_link("Name = 'a&b+c%' OR X = 'é'").expect("a link");
        let expected = "https://ui.example/namespaces/default/workflows\
                        ?query=Name%20%3D%20%27a%26b%2Bc%25%27%20OR%20X%20%3D%20%27%C3%A9%27";
        assert_eq!(link, expected);
        let read = Url::parse(&link).expect("a URL");
        assert_eq!(read.query_pairs().next().expect("a query").1, "Name = 'a&b+c%' OR X = 'é'");
    }

    #[test]
    fn its_place_shows_no_credentials() {
        assert_eq!(config("http://ui.example").place(), "temporal.example:7233");
    }

    #[test]
    fn what_is_no_web_address_is_no_ui() {
        for text in ["127.0.0.1:8233", "ftp://ui.example", "ui"] {
            assert!(ui(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_that_is_not_yes_has_its_own_exit_code() {
        let exit = |code| config("http://ui.example").answered(&Status::new(code, "no")).report(crate::Output::Text);
        assert_eq!(exit(Code::NotFound), Exit::Usage);
        assert_eq!(exit(Code::InvalidArgument), Exit::Refused);
        assert_eq!(exit(Code::Unavailable), Exit::Unreachable);
        assert_eq!(exit(Code::PermissionDenied), Exit::Unreachable);
    }
}
