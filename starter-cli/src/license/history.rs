//! `tenantry license history`: what was asked for and what changed, newest first.

use chrono::{DateTime, Utc};
use clap::value_parser;
use schemars::JsonSchema;
use serde::Serialize;
use store::{LicenseHistoryRow, TenantView, Whose};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, licences, time};
use crate::screen;
use crate::settings::lookup;
use crate::table::Table;
use crate::temporal::TemporalConfig;
use crate::tenant_show::{not_found, whose};

const HELP: &str = "\
Examples:
  tenantry license history cus_QXg1oyoEfW2bZ3
  tenantry license history 190f0b43-fe35-5e35-ba10-4f73c2b88e4d --limit 5
  tenantry license history cus_QXg1oyoEfW2bZ3 --output json

Requests stand beside the changes that Stripe's events and imports made. `tenantry tenant why` says
for each change of the count how it came about.";

/// Whose.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The tenant's id, its customer's or that of one of its subscriptions
    #[arg(value_name = "TENANT|cus_…|sub_…", value_parser = whose)]
    whose: Whose,
    /// How many of the newest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// Looks it up.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let (database, _master) = super::database().await?;
    let temporal = TemporalConfig::from_env(lookup)?;
    let found = database.store.license_history(&args.whose, args.limit).await;
    let found = found.map_err(|error| database.failed(&error))?;
    let Some((tenant, rows)) = found else { return Err(not_found(&args.whose, &database.config.place())) };
    output.print(&History::new(&tenant, rows, &temporal));
    Ok(Exit::Done)
}

/// What happened.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct History {
    tenant_id: String,
    /// `null` is no limit.
    licensed_user_count: Option<i32>,
    history: Vec<Happened>,
}

/// A change of the count, or a request.
#[derive(Debug, Serialize, JsonSchema)]
struct Happened {
    at: DateTime<Utc>,
    from: Option<i32>,
    to: i32,
    cause: String,
    requested_by: Option<String>,
    #[schemars(extend("enum" = ["changed", "scheduled", "unchanged", "failed", "running"]))]
    outcome: String,
    effective_at: Option<DateTime<Utc>>,
    taken_back: Option<i32>,
    failure: Option<Failed>,
    workflow_id: String,
    run_id: String,
    link: Option<String>,
}

/// What a request failed with.
#[derive(Debug, Serialize, JsonSchema)]
struct Failed {
    kind: String,
    message: String,
}

impl History {
    fn new(tenant: &TenantView, rows: Vec<LicenseHistoryRow>, temporal: &TemporalConfig) -> Self {
        Self {
            tenant_id: tenant.tenant.to_string(),
            licensed_user_count: tenant.licensed_user_count,
            history: rows.into_iter().map(|row| Happened::new(row, temporal)).collect(),
        }
    }
}

impl Happened {
    fn new(row: LicenseHistoryRow, temporal: &TemporalConfig) -> Self {
        let failure = row.failure_kind.zip(row.failure_message).map(|(kind, message)| Failed { kind, message });
        let outcome = match (&row.outcome, &failure) {
            (Some(outcome), _) => outcome.clone(),
            (None, Some(_)) => "failed".to_owned(),
            (None, None) if row.is_request => "running".to_owned(),
            (None, None) => "changed".to_owned(),
        };
        Self {
            at: row.at,
            from: row.from_count,
            to: row.to_count,
            cause: row.cause,
            requested_by: row.requested_by,
            outcome,
            effective_at: row.effective_at,
            taken_back: row.taken_back_count,
            failure,
            link: temporal.link(&row.workflow_id, &row.run_id),
            workflow_id: row.workflow_id,
            run_id: row.run_id,
        }
    }

    /// A request that was not carried out may have no number that it was decided on.
    fn numbers(&self) -> String {
        let from = match (self.from, self.outcome.as_str()) {
            (None, "failed" | "running") => "?".to_owned(),
            (from, _) => licences(from),
        };
        format!("{from} -> {}", self.to)
    }

    fn outcome(&self) -> String {
        match (&self.failure, self.effective_at) {
            (Some(failure), _) => format!("failed: {}", failure.kind),
            (None, Some(at)) if self.outcome == "scheduled" => format!("scheduled for {}", time(at)),
            (None, _) => match self.taken_back {
                Some(waited) => format!("{}, {waited} taken back", self.outcome),
                None => self.outcome.clone(),
            },
        }
    }
}

impl Report for History {
    fn text(&self) -> String {
        if self.history.is_empty() {
            return format!("licences  {}, and nothing ever changed them", licences(self.licensed_user_count));
        }
        let mut table = Table::new(&["when", "licences", "outcome", "cause", "who", "run"]).status(2);
        for one in &self.history {
            table.push(vec![
                time(one.at),
                one.numbers(),
                one.outcome(),
                one.cause.clone(),
                one.requested_by.clone().unwrap_or_default(),
                one.run_id.clone(),
            ]);
        }
        let failures = self.history.iter().filter_map(|one| Some((one.at, one.failure.as_ref()?)));
        let said = failures.map(|(at, failure)| format!("{}  {}", time(at), failure.message));
        [vec![table.on(screen::width())], said.collect()].concat().join("\n")
    }
}
