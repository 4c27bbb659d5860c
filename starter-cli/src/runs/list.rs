//! `tenantry runs list`: the latest run of each workflow id, and where it stands.

use chrono::{DateTime, Utc};
use clap::value_parser;

use super::filter::Filter;
use super::found::{Found, FoundRun, find};
use super::stuck::Stuck;
use crate::events::age;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::screen;
use crate::settings::lookup;
use crate::table::Table;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs list
  tenantry runs list --failed --since 2h
  tenantry runs list --stuck
  tenantry runs list --failed --type createTenantWorkflow --kind StripeNotFound --kind ConflictError
  tenantry runs list --customer cus_QXg1oyoEfW2bZ3 --output json

A workflow id stands here once, with its latest run: what failed and was then started again with
success is not listed as failed. Why one failed, and what to do: tenantry runs why ID";

/// Which runs.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Show no more than this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Lists them.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = find(&client, &temporal, &args.filter, Some(limit), output).await?;
    output.print(&found);
    Ok(Exit::Done)
}

impl Report for Found {
    fn text(&self) -> String {
        if self.runs.is_empty() {
            return "no runs fit; those that ended long ago are forgotten after the namespace's retention".to_owned();
        }
        let mut table = Table::new(&["workflow", "status", "age", "kind", "about"]).status(1);
        self.runs.iter().for_each(|run| table.push(run.cells()));
        let mut text = table.on(screen::width());
        if self.more {
            let shown = self.runs.len();
            text.push_str(&format!(
                "\n\nThe newest {shown}; there are more. See them with --limit, or narrow it down."
            ));
        }
        text
    }
}

impl FoundRun {
    fn cells(&self) -> Vec<String> {
        vec![
            self.workflow_id.clone(),
            if self.stuck.is_some() { "stuck".to_owned() } else { self.status.to_owned() },
            age(self.closed_at.unwrap_or(self.started_at)),
            self.failure_kind.clone().unwrap_or_default(),
            self.about(),
        ]
    }

    /// Whom it is about, and what a stuck one does not get past, first what a reader looks for.
    fn about(&self) -> String {
        let whom = [&self.tenant_id, &self.stripe_customer_id, &self.stripe_subscription_id];
        let whom = whom.into_iter().flatten().find(|id| !self.workflow_id.contains(id.as_str()));
        let stuck = self.stuck.as_ref().map(Stuck::line);
        [stuck.as_ref(), whom].into_iter().flatten().cloned().collect::<Vec<_>>().join(", ")
    }
}

impl Stuck {
    fn line(&self) -> String {
        let Self { activity, attempt, last_error, next_try_at, .. } = self;
        let next = next_try_at.map_or_else(|| "now".to_owned(), until);
        let error = last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        format!("{activity}, attempt {attempt}, next {next}{error}")
    }
}

fn until(at: DateTime<Utc>) -> String {
    format!("in {} s", (at - Utc::now()).num_seconds().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;
    use chrono::TimeDelta;

    fn run(workflow_id: &str, status: &'static str, kind: Option<&str>, stuck: Option<Stuck>) -> FoundRun {
        let at = Utc::now() - TimeDelta::hours(2);
        FoundRun {
            workflow_id: workflow_id.to_owned(),
            run_id: "01a20041-fdac-77da-a6da-f7d0748a14ac".to_owned(),
            workflow_type: "createTenantWorkflow".to_owned(),
            status,
            started_at: at,
            closed_at: (status != "running").then_some(at),
            failure_kind: kind.map(str::to_owned),
            tenant_id: Some("190f0b43-fe35-5e35-ba10-4f73c2b88e4d".to_owned()),
            stripe_customer_id: None,
            stripe_subscription_id: None,
            stuck,
            link: None,
        }
    }

    #[test]
    fn it_looks_as_before() {
        let stuck = Stuck {
            activity: "tagSubscription".to_owned(),
            attempt: 7,
            since: Utc::now(),
            last_error: Some("Stripe answers 503".to_owned()),
            next_try_at: None,
            kind: None,
        };
        let runs = vec![
            run("create-tenant-cus_QXg1oyoEfW2bZ3", "failed", Some("StripeNotFound"), None),
            run("sync-subscription-sub_1MowQVLkdIwHu7ix", "running", Some("StripeUnavailable"), Some(stuck)),
            run("create-tenant-cus_PgunVM8vg6IyZS", "completed", None, None),
        ];
        snapshot::check("runs_list", &Found { runs, more: true });
    }
}
