//! `tenantry ui`: opens the Temporal UI at the right page, or says which it is.

use std::io::IsTerminal;

use chrono::{SecondsFormat, TimeDelta, Utc};
use clap::Subcommand;
use domain::failure::FailureKind;
use domain::names::{search_attribute, workflow};
use schemars::JsonSchema;
use serde::Serialize;
use store::Whose;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::runs::{Filter, Which, WorkflowType, failure_kind, is, ours, workflow_type};
use crate::settings::lookup;
use crate::temporal::TemporalConfig;
use crate::tenant_show::whose;

const HELP: &str = "\
Examples:
  tenantry ui
  tenantry ui failed --type createTenantWorkflow
  tenantry ui tenant cus_QXg1oyoEfW2bZ3
  tenantry ui run create-tenant-cus_QXg1oyoEfW2bZ3
  tenantry ui stuck --print

The pages show runs of these settings' task queues only. Where there is no terminal or no display,
and with --print, the page's address is printed and nothing is opened.";

/// Which page.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    page: Option<Page>,
    /// Only print its address
    #[arg(long, global = true)]
    print: bool,
}

/// Of the UI; all runs, where none is named.
#[derive(Debug, Subcommand)]
enum Page {
    /// Runs that failed, ran out of time or were terminated
    Failed {
        /// Only those of this workflow; give it again for several
        #[arg(long = "type", value_name = "TYPE", value_parser = workflow_type(), hide_possible_values = true)]
        types: Vec<WorkflowType>,
        /// Only those that failed with this; give it again for several
        #[arg(long = "kind", value_name = "FAILUREKIND", value_parser = failure_kind(), hide_possible_values = true)]
        kinds: Vec<FailureKind>,
    },
    /// Runs that have been under way for more than a minute
    Stuck,
    /// Runs whose events wait for their customer's tenant
    Parked,
    /// Everything about one tenant
    Tenant {
        /// The tenant's id, its customer's or that of one of its subscriptions
        #[arg(value_name = "TENANT|cus_…|sub_…", value_parser = whose)]
        whose: Whose,
    },
    /// One run
    Run {
        #[command(flatten)]
        which: Which,
    },
}

/// Where it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Opened {
    link: String,
    /// Whether a browser was told to show it.
    opened: bool,
}

/// Opens it.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let link = link(args.page.as_ref(), &temporal).await?.ok_or_else(nowhere)?;
    let is_seen = output == Output::Text && std::io::stdout().is_terminal() && has_display();
    let opened = !args.print && is_seen && open::that_detached(&link).is_ok();
    output.print(&Opened { link, opened });
    Ok(Exit::Done)
}

fn nowhere() -> Failure {
    let next = "set it to where the Temporal UI stands, such as http://127.0.0.1:8233";
    Failure::new(Exit::Usage, "TEMPORAL_UI_URL is not set", next)
}

/// None where nobody has said where the UI stands.
async fn link(page: Option<&Page>, temporal: &TemporalConfig) -> Result<Option<String>, Failure> {
    if temporal.ui.is_none() {
        return Ok(None);
    }
    let queue = &temporal.task_queue;
    let ours = ours(queue);
    let query = match page {
        None => ours,
        Some(Page::Failed { types, kinds }) => {
            Filter { failed: true, types: types.clone(), kinds: kinds.clone(), ..Filter::default() }.query(queue)
        }
        Some(Page::Stuck) => {
            let since = (Utc::now() - TimeDelta::minutes(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
            format!("{ours} AND {} AND StartTime < '{since}'", is("ExecutionStatus", "Running"))
        }
        // A sync knows the tenant as soon as there is one.
        Some(Page::Parked) => {
            let type_of_syncs = is("WorkflowType", workflow::SYNC_SUBSCRIPTION);
            format!("{ours} AND {type_of_syncs} AND {} IS NULL", search_attribute::TENANT_ID)
        }
        Some(Page::Tenant { whose }) => format!("{ours} AND {}", about(whose)),
        Some(Page::Run { which }) => {
            let described = which.resolve(&temporal.connect().await?, temporal).await?;
            return Ok(temporal.link(described.id(), described.run_id()));
        }
    };
    Ok(temporal.list_link(&query))
}

fn about(whose: &Whose) -> String {
    match whose {
        Whose::Tenant(tenant) => is(search_attribute::TENANT_ID, &tenant.to_string()),
        Whose::Customer(customer) => is(search_attribute::STRIPE_CUSTOMER_ID, customer.as_str()),
        Whose::Subscription(subscription) => is(search_attribute::STRIPE_SUBSCRIPTION_ID, subscription.as_str()),
    }
}

/// On Linux a browser needs a display; elsewhere there is one wherever there is a terminal.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

impl Report for Opened {
    fn text(&self) -> String {
        self.link.clone()
    }
}
