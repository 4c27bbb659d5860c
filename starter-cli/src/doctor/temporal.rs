//! Does Temporal answer, does its namespace suit us, and does a worker poll our queue?

use std::collections::BTreeSet;

use domain::names::search_attribute;
use temporalio_client::Client;
use temporalio_client::tonic::{IntoRequest, Response, Status};
use temporalio_common::protos::temporal::api::enums::v1::{IndexedValueType, TaskQueueType};
use temporalio_common::protos::temporal::api::operatorservice::v1::{
    ListSearchAttributesRequest, ListSearchAttributesResponse,
};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, DescribeNamespaceResponse, DescribeTaskQueueRequest, GetSystemInfoRequest,
};

use super::check::{Check, in_time};
use super::schedule::{self, RECONCILIATION};
use crate::temporal::TemporalConfig;

const TEMPORAL: &str = "Temporal";
const NAMESPACE: &str = "namespace";
const RETENTION: &str = "retention";
const ATTRIBUTES: &str = "search attributes";
const WORKERS: &str = "workers";

/// A failed onboarding can be looked at and started again for as long as its history is kept.
const RETENTION_DAYS_MIN: i64 = 30;

/// Each check needs a connection, and those after the namespace need the namespace.
pub(super) async fn look(config: Option<&TemporalConfig>) -> Vec<Check> {
    let skip = |names: &[&'static str], depends_on| {
        names.iter().map(|name| Check::skipped(name, depends_on)).collect::<Vec<_>>()
    };
    let Some(config) = config else {
        return skip(&[TEMPORAL, NAMESPACE, RETENTION, ATTRIBUTES, WORKERS, RECONCILIATION], "a setting of Temporal");
    };
    let look = match config.connect().await {
        Ok(client) => Look { client, config },
        Err(failure) => {
            let after = skip(&[NAMESPACE, RETENTION, ATTRIBUTES, WORKERS, RECONCILIATION], TEMPORAL);
            return [vec![Check::failed(TEMPORAL, &failure)], after].concat();
        }
    };
    let server = look.server().await;
    match look.namespace().await {
        Ok(namespace) => {
            let found = Check::ok(NAMESPACE, format!("{} exists", config.namespace()));
            let checks = vec![server, found, look.retention(&namespace), look.attributes().await, look.workers().await];
            [checks, vec![schedule::look(&look.client, config).await]].concat()
        }
        Err(red) => [vec![server, red], skip(&[RETENTION, ATTRIBUTES, WORKERS, RECONCILIATION], NAMESPACE)].concat(),
    }
}

struct Look<'a> {
    client: Client,
    config: &'a TemporalConfig,
}

impl Look<'_> {
    async fn server(&self) -> Check {
        let mut service = self.client.connection().workflow_service();
        match self.asked(TEMPORAL, service.get_system_info(GetSystemInfoRequest::default().into_request())).await {
            Ok(info) => Check::ok(TEMPORAL, format!("server {} at {}", info.server_version, self.config.place())),
            Err(red) => red,
        }
    }

    async fn namespace(&self) -> Result<DescribeNamespaceResponse, Check> {
        let request = DescribeNamespaceRequest { namespace: self.config.namespace().to_owned(), ..Default::default() };
        let mut service = self.client.connection().workflow_service();
        self.asked(NAMESPACE, service.describe_namespace(request.into_request())).await
    }

    fn retention(&self, namespace: &DescribeNamespaceResponse) -> Check {
        let kept = namespace.config.as_ref().and_then(|config| config.workflow_execution_retention_ttl.as_ref());
        let days = kept.map_or(0, |kept| kept.seconds / (24 * 60 * 60));
        if days >= RETENTION_DAYS_MIN {
            return Check::ok(RETENTION, format!("histories are kept for {days} days"));
        }
        let found = format!("histories are kept for {days} day(s); a failed run is gone before anybody looks");
        let next = self.config.command(&format!("operator namespace update --retention {RETENTION_DAYS_MIN}d"));
        Check::warning(RETENTION, found, next)
    }

    async fn attributes(&self) -> Check {
        let request = ListSearchAttributesRequest { namespace: self.config.namespace().to_owned() };
        let mut service = self.client.connection().operator_service();
        match self.asked(ATTRIBUTES, service.list_search_attributes(request.into_request())).await {
            Ok(known) => judge_attributes(&known, self.config),
            Err(red) => red,
        }
    }

    async fn workers(&self) -> Check {
        let queue = &self.config.task_queue;
        let pollers = match self.pollers().await {
            Ok(pollers) => pollers,
            Err(red) => return red,
        };
        if pollers.is_empty() {
            return Check::warning(WORKERS, format!("none polls {queue}; runs wait until one does"), "start a worker");
        }
        let names = pollers.into_iter().collect::<Vec<_>>().join(", ");
        Check::ok(WORKERS, format!("{names} polled {queue} in the last minutes"))
    }

    /// Who asked for workflow tasks lately, by identity.
    async fn pollers(&self) -> Result<BTreeSet<String>, Check> {
        let request = DescribeTaskQueueRequest {
            namespace: self.config.namespace().to_owned(),
            task_queue: Some(TaskQueue { name: self.config.task_queue.clone(), ..Default::default() }),
            task_queue_type: TaskQueueType::Workflow.into(),
            ..Default::default()
        };
        let mut service = self.client.connection().workflow_service();
        let answer = self.asked(WORKERS, service.describe_task_queue(request.into_request())).await?;
        Ok(answer.pollers.into_iter().map(|poller| poller.identity).collect())
    }

    async fn asked<T>(
        &self,
        name: &'static str,
        asking: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Check> {
        let answer = in_time(name, asking).await?;
        answer.map(Response::into_inner).map_err(|status| Check::failed(name, &self.config.answered(&status)))
    }
}

fn judge_attributes(known: &ListSearchAttributesResponse, config: &TemporalConfig) -> Check {
    let keyword = i32::from(IndexedValueType::Keyword);
    let of_type = |name: &str| known.custom_attributes.get(name).copied();
    let missing: Vec<&str> = search_attribute::ALL.into_iter().filter(|name| of_type(name).is_none()).collect();
    let wrong: Vec<&str> =
        search_attribute::ALL.into_iter().filter(|name| of_type(name).is_some_and(|found| found != keyword)).collect();
    if !wrong.is_empty() {
        let found = format!("{} must be of type Keyword, and an attribute keeps its type", wrong.join(", "));
        return Check::red(ATTRIBUTES, found, "use another namespace, or remove and create it again");
    }
    if missing.is_empty() {
        return Check::ok(ATTRIBUTES, format!("{} are registered", search_attribute::ALL.join(", ")));
    }
    // The CLI pairs names with types, and silently drops the names that have none.
    let flags: Vec<String> = missing.iter().map(|name| format!("--name {name} --type Keyword")).collect();
    let next = config.command(&format!("operator search-attribute create {}", flags.join(" ")));
    Check::red(ATTRIBUTES, format!("{} not registered; every run would hang", missing.join(", ")), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn judged(known: &[(&str, IndexedValueType)]) -> Check {
        let custom_attributes = known.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).into())).collect();
        let known = ListSearchAttributesResponse { custom_attributes, ..Default::default() };
        let config = TemporalConfig::from_env(|_| None).expect("the defaults");
        judge_attributes(&known, &config)
    }

    #[test]
    fn a_missing_attribute_comes_with_the_command_that_registers_it() {
        let mut known = search_attribute::ALL.map(|name| (name, IndexedValueType::Keyword));
        assert_eq!(judged(&known).verdict, Verdict::Ok);
        let next = judged(&known[1..]).next.expect("what to do");
        let expected = "temporal operator search-attribute create --name TenantId --type Keyword --address ";
        assert!(next.starts_with(expected), "{next}");
        known[0].1 = IndexedValueType::Text;
        assert_eq!(judged(&known).verdict, Verdict::Red);
    }
}
