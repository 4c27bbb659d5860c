//! What an import made of the tenants: totals, those that wait for a person, a line for each.

use domain::create_tenant::RunError;
use domain::import_customers::{Outcome, SyncStripeCustomersResult};
use domain::walk::WalkId;
use schemars::JsonSchema;
use serde::Serialize;
use store::OutcomeView;

use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ndjson::ReportFile;
use crate::output::{Report, Rows};
use crate::run::Run;
use crate::screen;
use crate::table::Table;
use crate::wait::Ended;

/// What a person has to look at.
const ATTENTION: [Outcome; 2] = [Outcome::Ambiguous, Outcome::Failed];
/// How many of those are shown.
const SHOWN: usize = 20;
/// Of what goes on below a line.
const INDENT: &str = "  ";
/// Rows read at a time for the report.
const AT_ONCE: i64 = 1_000;
const AGAIN: &str = "make room and run it again; an import that is done changes nothing";

/// How an import ended.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Ending {
    #[serde(flatten)]
    run: Run,
    result: Option<SyncStripeCustomersResult>,
    failure: Option<RunError>,
    /// The first tenants that wait for a person.
    attention: Vec<Tenant>,
    /// The command that goes on with it.
    #[serde(skip)]
    resuming: String,
    /// There was nothing to go on with.
    #[serde(skip)]
    began_anew: bool,
}

/// What became of one tenant; also a line of the report.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Tenant {
    tenant_id: String,
    outcome: Outcome,
    reason: Option<String>,
    stripe_customer_id: Option<String>,
    stripe_subscription_ids: Vec<String>,
}

impl From<OutcomeView> for Tenant {
    fn from(view: OutcomeView) -> Self {
        Self {
            tenant_id: view.tenant.to_string(),
            outcome: view.outcome,
            reason: view.reason,
            stripe_customer_id: view.customer,
            stripe_subscription_ids: view.subscriptions,
        }
    }
}

impl Ending {
    /// With the first tenants that wait for a person.
    pub(super) async fn new(
        mut run: Run,
        resuming: &str,
        was_to_resume: bool,
        ended: Ended<SyncStripeCustomersResult>,
        database: &Database,
    ) -> Result<Self, Failure> {
        run.status = ended.status();
        let (result, failure) = match ended {
            Ended::Completed(result) => (Some(result), None),
            Ended::Badly { error, .. } => (None, Some(error)),
        };
        let attention = match &result {
            Some(result) => {
                let found = database.store.outcomes(result.walk, &ATTENTION, None, SHOWN as i64).await;
                found.map_err(|error| database.failed(&error))?.into_iter().map(Tenant::from).collect()
            }
            None => Vec::new(),
        };
        let began_anew = was_to_resume && result.as_ref().is_some_and(|result| !result.resumed);
        Ok(Self { run, result, failure, attention, resuming: resuming.to_owned(), began_anew })
    }

    /// Where its outcomes stand.
    pub(super) fn walk(&self) -> Option<WalkId> {
        self.result.as_ref().map(|result| result.walk)
    }

    /// Done, with findings, or why not.
    pub(super) fn exit(&self) -> Result<Exit, Failure> {
        if let Some(error) = &self.failure {
            let message = format!("{} {}: {}: {}", self.run.workflow_id, self.run.status, error.kind, error.message);
            return Err(Failure::new(Exit::Failed, message, &self.resuming));
        }
        match &self.result {
            Some(result) if result.resumable => {
                let (settled, tenants) = (result.progress.totals.sum(), result.progress.tenants);
                let message = format!("it was stopped before its end: {settled} of {tenants} tenants are settled");
                Err(Failure::new(Exit::Failed, message, &self.resuming))
            }
            Some(_) if self.waiting() > 0 => Ok(Exit::Findings),
            Some(_) | None => Ok(Exit::Done),
        }
    }

    /// How many wait for a person.
    fn waiting(&self) -> u64 {
        let totals = self.result.as_ref().map(|result| result.progress.totals).unwrap_or_default();
        ATTENTION.iter().map(|outcome| totals.of(*outcome)).sum()
    }

    /// Each with its whole reason, which says what to do.
    fn attention(&self) -> String {
        let line = |tenant: &Tenant| {
            let reason = tenant.reason.as_deref().unwrap_or_default();
            let text = format!("{}  {}: {reason}", tenant.tenant_id, tenant.outcome);
            screen::fold(&text, screen::width().map(|width| width - INDENT.len())).join(&format!("\n{INDENT}"))
        };
        let mut lines = vec![format!("{} tenants wait for a person:\n", self.waiting())];
        lines.extend(self.attention.iter().map(line));
        let more = self.waiting().saturating_sub(self.attention.len() as u64);
        if more > 0 {
            lines.push(format!("\nand {more} more; --report FILE lists every tenant"));
        }
        lines.join("\n")
    }
}

impl Report for Ending {
    /// What the rows of [`Run`], which stand above it, do not say.
    fn text(&self) -> String {
        let mut rows = Rows::default();
        let Some(result) = &self.result else {
            rows.push_status("ended", self.run.status);
            rows.push_some("failure", self.failure.as_ref().map(|error| error.kind.as_str()));
            return rows.to_string();
        };
        rows.push_status("ended", if result.resumable { "stopped" } else { self.run.status });
        if result.dry_run {
            rows.push("dry run", "nothing was written");
        }
        if self.began_anew {
            rows.push("resumed", "no: there was nothing from the last day to go on with, so it began anew");
        }
        rows.push("read", format!("{} pages, {} objects", result.pages, result.rows));
        rows.push("tagged", format!("{} subscriptions", result.progress.tagged));
        rows.push("tenants", result.progress.tenants.to_string());
        let mut table = Table::new(&["tenants", "outcome", ""]).numbers(0..1).status(1);
        for outcome in Outcome::ALL {
            let count = result.progress.totals.of(outcome).to_string();
            table.push(vec![count, outcome.to_string(), meaning(outcome, result.dry_run).to_owned()]);
        }
        let mut text = format!("{}\n\n{}", rows.on(screen::width()), table.on(screen::width()));
        if !self.attention.is_empty() {
            text.push_str(&format!("\n\n{}", self.attention()));
        }
        text
    }
}

fn meaning(outcome: Outcome, dry_run: bool) -> &'static str {
    match outcome {
        Outcome::Imported if dry_run => "rows are missing and would be written",
        Outcome::Imported => "rows were missing and are there now",
        Outcome::Already => "all rows were there",
        Outcome::NoCustomer => "Stripe has no customer with its e-mail",
        Outcome::Ambiguous => "several share an e-mail; a person decides",
        Outcome::NoLiveSubscription => "its customer has no licence subscription that is live",
        Outcome::Failed => "it contradicts itself; untouched",
    }
}

/// Writes a line for each tenant that has an outcome, by their ids.
pub(super) async fn write(mut file: ReportFile, walk: WalkId, database: &Database) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let found = database.store.outcomes(walk, &Outcome::ALL, last, AT_ONCE).await;
        let found = found.map_err(|error| database.failed(&error))?;
        let Some(end) = found.last() else { break };
        last = Some(end.tenant);
        for tenant in found {
            file.add(&Tenant::from(tenant), AGAIN)?;
        }
    }
    file.end(AGAIN)
}
