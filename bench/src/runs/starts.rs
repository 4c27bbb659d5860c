//! Starting many runs at once, as no program of ours does.

use anyhow::{Result, anyhow};
use domain::names::{TASK_QUEUE, workflow};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, Url, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy, WorkflowStartOptions,
};
use temporalio_common::data_converters::{PayloadConverter, RawValue};
use tokio::runtime::Runtime;

/// Starts under way at once.
const AT_ONCE: usize = 50;

/// A connection to Temporal.
pub(super) struct Starter {
    runtime: Runtime,
    client: Client,
}

impl std::fmt::Debug for Starter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Starter")
    }
}

impl Starter {
    /// Connects to the server at `127.0.0.1:port`.
    pub(super) fn connect(address: &str) -> Result<Self> {
        let runtime = Runtime::new()?;
        let target: Url = format!("http://{address}").parse()?;
        let connecting = async {
            let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
            anyhow::Ok(Client::new(connection, ClientOptions::new("default").build())?)
        };
        let client = runtime.block_on(connecting)?;
        Ok(Self { runtime, client })
    }

    /// Starts an onboarding under each id, with that input.
    pub(super) fn start_all(&self, runs: &[(String, Value)]) -> Result<()> {
        let starts = stream::iter(runs).map(Ok).try_for_each_concurrent(AT_ONCE, |(id, input)| self.start(id, input));
        self.runtime.block_on(starts)
    }

    async fn start(&self, id: &str, input: &Value) -> Result<()> {
        let input = RawValue::from_value(input, &PayloadConverter::default());
        let options = WorkflowStartOptions::new(TASK_QUEUE, id)
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .build();
        let started = self.client.start_workflow(UntypedWorkflow::new(workflow::CREATE_TENANT), input, options).await;
        started.map(drop).map_err(|error| anyhow!("cannot start {id}: {error}"))
    }

    /// How many runs fit the query.
    pub(super) fn count(&self, query: &str) -> Result<usize> {
        let counted = self.runtime.block_on(self.client.count_workflows(query, Default::default()))?;
        Ok(counted.count())
    }
}
