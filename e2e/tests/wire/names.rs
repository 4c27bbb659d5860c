//! Every workflow, signal, query, activity, failure and attribute name, in one sorted list.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use domain::change_license::LicenseStep;
use domain::create_tenant::Step;
use domain::failure::FailureKind;
use domain::import_subscription::ImportStep;
use domain::names;
use stack::workspace;
use temporalio_common::{QueryDefinition, SignalDefinition, WorkflowDefinition};
use workflows::{
    ChangeLicense, CreateTenant, ImportSubscription, Reconcile, ReplayBatch, SyncStripeCustomers, SyncSubscription,
};

const LISTED: &str = include_str!("names.txt");

#[test]
fn the_names_on_the_wire_are_those_that_are_listed() -> Result<()> {
    let mut found = BTreeSet::new();
    for room in ["domain/src", "workflows/src"] {
        declared(&workspace::root().join(room), &mut found)?;
    }
    found.extend(FailureKind::ALL.map(|kind| format!("failure {kind}")));
    found.extend(names::search_attribute::ALL.map(|name| format!("search attribute {name}")));
    found.insert(format!("task queue {}", names::TASK_QUEUE));
    let found: String = found.into_iter().map(|line| line + "\n").collect();
    ensure!(
        found == LISTED,
        "names on the wire are stored in histories and used by other programs; if the change is meant, \
         e2e/tests/wire/names.txt becomes:\n{found}"
    );
    Ok(())
}

#[test]
fn what_is_named_twice_is_named_the_same() {
    assert_eq!(WorkflowDefinition::name(&CreateTenant::run), names::workflow::CREATE_TENANT);
    assert_eq!(WorkflowDefinition::name(&SyncSubscription::run), names::workflow::SYNC_SUBSCRIPTION);
    assert_eq!(WorkflowDefinition::name(&Reconcile::run), names::workflow::RECONCILE);
    assert_eq!(QueryDefinition::name(&Reconcile::state), names::query::STATE);
    assert_eq!(WorkflowDefinition::name(&ReplayBatch::run), names::workflow::REPLAY_BATCH);
    assert_eq!(QueryDefinition::name(&ReplayBatch::state), names::query::STATE);
    assert_eq!(SignalDefinition::name(&ReplayBatch::stop), names::signal::STOP);
    assert_eq!(WorkflowDefinition::name(&ChangeLicense::run), names::workflow::CHANGE_LICENSE_COUNT);
    assert_eq!(WorkflowDefinition::name(&ImportSubscription::run), names::workflow::IMPORT_SUBSCRIPTION);
    assert_eq!(WorkflowDefinition::name(&SyncStripeCustomers::run), names::workflow::SYNC_STRIPE_CUSTOMERS);
    assert_eq!(QueryDefinition::name(&ChangeLicense::state), names::query::STATE);
    assert_eq!(QueryDefinition::name(&ImportSubscription::state), names::query::STATE);
    assert_eq!(QueryDefinition::name(&SyncStripeCustomers::state), names::query::STATE);
    assert_eq!(QueryDefinition::name(&CreateTenant::state), names::query::STATE);
    assert_eq!(QueryDefinition::name(&SyncSubscription::state), names::query::STATE);
    assert_eq!(SignalDefinition::name(&SyncSubscription::subscription_event), names::signal::SUBSCRIPTION_EVENT);
    assert_eq!(SignalDefinition::name(&SyncStripeCustomers::stop), names::signal::STOP);
    let steps = Step::ALL.map(Step::as_str).into_iter().chain(LicenseStep::ALL.map(LicenseStep::as_str));
    let steps = steps.chain(ImportStep::ALL.map(ImportStep::as_str));
    for step in steps {
        assert!(LISTED.contains(&format!("activity {step}\n")), "{step} is no activity");
    }
}

/// The names that the macros' attributes give, in all sources below `folder`.
fn declared(folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            declared(&path, found)?;
            continue;
        }
        let source = std::fs::read_to_string(path)?;
        for line in source.lines().map(str::trim) {
            for (attribute, kind) in [
                ("activity", "activity"),
                ("run", "workflow"),
                ("query", "query"),
                ("signal", "signal"),
                ("update", "update"),
            ] {
                if let Some(rest) = line.strip_prefix(&format!("#[{attribute}(name = \"")) {
                    let name = rest.split('"').next().context("an attribute without a name")?;
                    found.insert(format!("{kind} {name}"));
                }
                ensure!(line != format!("#[{attribute}]"), "{line} leaves the name on the wire to the macro");
            }
        }
    }
    Ok(())
}
