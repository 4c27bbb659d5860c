//! What the shim asks of Temporal: a sync that is told of an event, an onboarding that the store
//! never started. Both are decided by the server in one call; nothing is looked up before.

use std::time::Duration;

use service::hand_over::hand_over;
use store::{DueEvent, StrandedPurchase};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::tonic::{Code, Status};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::search_attributes::SearchAttributes;
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;
use workflows::CreateTenant;
use workflows::search_attributes::{STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID};

/// How long one call may take. What is tried again, and when, is decided here and not by the SDK: it
/// would try in silence what Temporal has answered already, such as that it is busy.
const CALL_PATIENCE: Duration = Duration::from_secs(4);

/// How long a sign of life may take.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// The way to Temporal, from when there is one.
#[derive(Clone)]
pub(crate) struct Temporal {
    pub(crate) client: watch::Receiver<Option<Client>>,
    pub(crate) task_queue: String,
}

/// Why a call was not successful.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nobody's call would have been better.
    #[error("Temporal does not answer: {0}")]
    Away(String),
    /// Nobody's call would have been better, and a person has to do something about it.
    #[error("Temporal answers, but is not prepared for us: {0}")]
    Unprepared(String),
    /// No answer to this call, or none that decides anything.
    #[error("Temporal did not answer a call: {0}")]
    Unanswered(String),
    /// It has too much to do, or too much about this one workflow.
    #[error("Temporal is busy: {0}")]
    Busy(String),
    /// It answers, and takes this call never.
    #[error("Temporal refuses: {0}")]
    Refused(String),
}

/// An onboarding that runs, or ran.
pub(crate) struct Onboarding {
    pub(crate) workflow_id: String,
    /// Whether it was this call that started it.
    pub(crate) is_ours: bool,
}

impl Temporal {
    /// Whether there is a connection; that it answers is another matter.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.borrow().is_some()
    }

    /// Whether it answers at this moment, apart from any workflow.
    pub(crate) async fn answers(&self) -> bool {
        let Ok(client) = self.client() else { return false };
        matches!(timeout(SIGN_OF_LIFE, service::temporal::ask(&client)).await, Ok(Ok(())))
    }

    /// Tells the subscription's sync of the event, and starts it where none runs.
    pub(crate) async fn signal(&self, event: &DueEvent) -> Result<(), Trouble> {
        let client = self.client()?;
        within(hand_over(&client, &self.task_queue, event)).await.map(drop).map_err(trouble)
    }

    /// Starts the onboarding that the store did not start. Its id is used once and never again: a
    /// run that failed is left to a person.
    pub(crate) async fn onboard(&self, purchase: StrandedPurchase) -> Result<Onboarding, Trouble> {
        let StrandedPurchase { customer, mut input, .. } = purchase;
        // The id is the customer's, so the fallback is never taken.
        input.stripe_customer_id = Some(customer.clone());
        let workflow_id = input.workflow_id(Uuid::nil());
        let subscription =
            input.stripe_subscription_id.as_ref().map(|id| STRIPE_SUBSCRIPTION_ID.value_set(id.to_string()));
        let customer = STRIPE_CUSTOMER_ID.value_set(customer.to_string());
        let options = WorkflowStartOptions::new(&self.task_queue, &workflow_id)
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .search_attributes(SearchAttributes::new([customer].into_iter().chain(subscription)))
            .static_summary(input.summary())
            .build();
        let client = self.client()?;
        match within(client.start_workflow(CreateTenant::run, input.into(), options)).await {
            Ok(_) => Ok(Onboarding { workflow_id, is_ours: true }),
            Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(Onboarding { workflow_id, is_ours: false }),
            Err(error) => Err(trouble(error)),
        }
    }

    fn client(&self) -> Result<Client, Trouble> {
        self.client.borrow().clone().ok_or_else(|| Trouble::Away("there is no connection yet".to_owned()))
    }
}

async fn within<T>(call: impl Future<Output = Result<T, WorkflowStartError>>) -> Result<T, WorkflowStartError> {
    let late = || Status::deadline_exceeded("no answer in time").into();
    timeout(CALL_PATIENCE, call).await.unwrap_or_else(|_| Err(late()))
}

fn trouble(error: WorkflowStartError) -> Trouble {
    let WorkflowStartError::Rpc(status) = error else { return Trouble::Refused(error.to_string()) };
    let message = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::ResourceExhausted => Trouble::Busy(message),
        Code::InvalidArgument if is_about_search_attributes(status.message()) => {
            Trouble::Unprepared(format!("{message}; start the worker once, it registers the search attributes"))
        }
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::AlreadyExists => {
            Trouble::Refused(message)
        }
        // A namespace that is missing, a key that is not accepted.
        Code::NotFound | Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented => {
            Trouble::Unprepared(message)
        }
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::Aborted
        | Code::DataLoss
        | Code::Ok => Trouble::Unanswered(message),
    }
}

/// Ours are the same for every event, so this is not one event's fault. The server has no code of
/// its own for it: "Namespace default has no mapping defined for search attribute StripeCustomerId".
fn is_about_search_attributes(message: &str) -> bool {
    message.to_lowercase().contains("search attribute")
}
