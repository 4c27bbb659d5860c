//! `tenantry events show`: one event, what became of it and what happens next.

use std::io::Write;

use chrono::{DateTime, Utc};
use domain::event::EventStatus;
use domain::ids::EventId;
use domain::sync_subscription::SyncSubscriptionInput;
use schemars::JsonSchema;
use serde::Serialize;
use store::{EventChange, EventView, Twin};

use super::list::Event;
use super::words;
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows, licences, time};
use crate::settings::{self, lookup};
use crate::temporal::TemporalConfig;
use crate::{payload, screen};

const HELP: &str = "\
Examples:
  tenantry events show evt_1NG8Du2eZvKYlo2CUI79vXWy
  tenantry events show evt_1NG8Du2eZvKYlo2CUI79vXWy --payload
  tenantry events show evt_1NG8Du2eZvKYlo2CUI79vXWy --output json

The payload is what Stripe sent, with the names and addresses that stand in it. Licences never
come from it: they are read again from Stripe.";

/// Which one.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The event's id
    #[arg(value_name = "EVT")]
    event: EventId,
    /// Print the bytes that Stripe sent, and nothing else; JSON is indented
    #[arg(long)]
    payload: bool,
}

/// Shows it.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let database = Database::from_env(settings::master()?)?;
    let temporal = TemporalConfig::from_env(lookup)?;
    database.refuse_old_schema().await?;
    if args.payload {
        return show_payload(&database, &args.event).await;
    }
    let found = database.store.event(&args.event).await.map_err(|error| database.failed(&error))?;
    let Some(view) = found else { return Err(not_found(&args.event, &database)) };
    output.print(&Shown::new(view, &temporal));
    Ok(Exit::Done)
}

async fn show_payload(database: &Database, id: &EventId) -> Result<Exit, Failure> {
    let found = database.store.event_payload(id).await.map_err(|error| database.failed(&error))?;
    let Some(bytes) = found else { return Err(not_found(id, database)) };
    // A reader who has read enough (`| head`) is no error.
    let _ = std::io::stdout().write_all(&payload::indented(&bytes).unwrap_or(bytes));
    Ok(Exit::Done)
}

/// It is not in the inbox.
pub(super) fn not_found(id: &EventId, database: &Database) -> Failure {
    let message = format!("no event {id} in the database at {}", database.config.place());
    let next = "correct the id, or look it up at Stripe: an event that was never delivered is nowhere here, \
                and Stripe's dashboard can send it again";
    Failure::new(Exit::NotFound, message, next)
}

/// An event.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown {
    #[serde(flatten)]
    event: Event,
    meaning: &'static str,
    next: &'static str,
    kind: String,
    livemode: bool,
    api_version: Option<String>,
    account: Option<String>,
    stripe_created_at: DateTime<Utc>,
    size_bytes: i32,
    snapshot_event_id: Option<String>,
    twin_event_ids: Vec<String>,
    attempts: i32,
    dispatched_at: Option<DateTime<Utc>>,
    /// Only while it is pending.
    next_attempt_at: Option<DateTime<Utc>>,
    processed_at: Option<DateTime<Utc>>,
    workflow_id: Option<String>,
    settled_by_run: Option<String>,
    link: Option<String>,
    changes: Vec<Change>,
    #[serde(skip)]
    twins: Vec<Twin>,
    #[serde(skip)]
    status: EventStatus,
}

/// A licence count that it changed.
#[derive(Debug, Serialize, JsonSchema)]
struct Change {
    tenant_id: String,
    from: Option<i32>,
    to: i32,
    changed_at: DateTime<Utc>,
    workflow_id: String,
    run_id: String,
    link: Option<String>,
}

impl Shown {
    fn new(view: EventView, temporal: &TemporalConfig) -> Self {
        let status = view.row.status;
        let event = Event::from(view.row);
        let subscription = event.stripe_subscription_id.as_deref().and_then(|id| id.parse().ok());
        let workflow_id = subscription.map(|id| SyncSubscriptionInput::new(id).workflow_id());
        let run = workflow_id.as_deref().zip(view.settled_by_run.as_deref());
        Self {
            link: run.and_then(|(workflow, run)| temporal.link(workflow, run)),
            event,
            meaning: words::meaning(status),
            next: words::next(status),
            kind: view.kind,
            livemode: view.livemode,
            api_version: view.api_version,
            account: view.account,
            stripe_created_at: view.stripe_created_at,
            size_bytes: view.size,
            snapshot_event_id: view.snapshot_event_id,
            twin_event_ids: view.twins.iter().map(|twin| twin.id.clone()).collect(),
            twins: view.twins,
            attempts: view.attempts,
            dispatched_at: view.dispatched_at,
            next_attempt_at: (status == EventStatus::Pending).then_some(view.next_attempt_at),
            processed_at: view.processed_at,
            workflow_id,
            settled_by_run: view.settled_by_run,
            changes: view.changes.into_iter().map(|change| Change::new(change, temporal)).collect(),
            status,
        }
    }
}

impl Change {
    fn new(change: EventChange, temporal: &TemporalConfig) -> Self {
        Self {
            tenant_id: change.tenant.to_string(),
            from: change.from_count,
            to: change.to_count,
            changed_at: change.changed_at,
            link: temporal.link(&change.workflow_id, &change.run_id),
            workflow_id: change.workflow_id,
            run_id: change.run_id,
        }
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        self.push_envelope(&mut rows);
        rows.push("", "");
        self.push_status(&mut rows);
        rows.push("", "");
        self.push_handling(&mut rows);
        rows.on(screen::width())
    }
}

impl Shown {
    fn push_envelope(&self, rows: &mut Rows) {
        let Event { event_id, event_type, .. } = &self.event;
        rows.push("event", event_id);
        rows.push("type", event_type);
        let mode = if self.livemode { "LIVE" } else { "TEST" };
        let version =
            self.api_version.as_deref().map_or_else(String::new, |version| format!(", API version {version}"));
        rows.push("kind", format!("{} in {mode} mode{version}", self.kind));
        rows.push_some("account", self.account.as_ref().map(|account| format!("{account}, which is not ours")));
        rows.push("happened", format!("{} at Stripe", time(self.stripe_created_at)));
        let received = self.event.received_at;
        let size = self.size_bytes;
        rows.push(
            "received",
            format!("{}, {} ago, {size} bytes (see them: --payload)", time(received), words::age(received)),
        );
        rows.push_some("told twice", self.twins());
        rows.push("subscription", self.event.stripe_subscription_id.as_deref().unwrap_or("none"));
        rows.push_some("customer", self.event.stripe_customer_id.as_ref());
        rows.push_some("tenant", self.event.tenant_id.as_ref());
    }

    /// The same change is told by both kinds where both are subscribed to, in events of their own.
    fn twins(&self) -> Option<String> {
        let missing = self.snapshot_event_id.as_ref().filter(|id| !self.twin_event_ids.contains(id));
        let missing = missing.map(|id| format!("{id} (snapshot, has not come here)"));
        let here = self.twins.iter().map(|twin| format!("{} ({})", twin.id, twin.kind));
        let others: Vec<String> = missing.into_iter().chain(here).collect();
        let this = format!("{} ({}, this one)", self.event.event_id, self.kind);
        (!others.is_empty()).then(|| [vec![this], others].concat().join(", "))
    }

    fn push_status(&self, rows: &mut Rows) {
        rows.push_status("status", self.event.status);
        rows.push("means", self.meaning);
        rows.push_some("why", self.event.reason.as_ref());
        rows.push("next", self.next);
        let id = &self.event.event_id;
        match (self.status, &self.event.stripe_customer_id) {
            (EventStatus::Failed, _) => rows.push("", format!("tenantry events replay {id} --wait")),
            (EventStatus::Parked, Some(customer)) => {
                rows.push("", format!("tenantry start tenant --customer {customer} … does that by hand"));
            }
            (
                EventStatus::Parked
                | EventStatus::Pending
                | EventStatus::Completed
                | EventStatus::Superseded
                | EventStatus::Ignored,
                _,
            ) => {}
        }
    }

    fn push_handling(&self, rows: &mut Rows) {
        rows.push("handed over", self.hand_overs());
        rows.push_some("", self.next_attempt_at.map(next_attempt));
        rows.push_some("settled", self.processed_at.map(time));
        if let Some(workflow) = &self.workflow_id {
            let run = self.settled_by_run.as_ref().map_or_else(String::new, |run| format!(", run {run}"));
            rows.push("workflow", format!("{workflow}{run}"));
            rows.push_some("", self.link.as_ref());
        } else if self.event.stripe_subscription_id.is_some() {
            rows.push("workflow", "none: its subscription's id cannot be read");
        }
        let none = self.changes.is_empty().then_some("no licence count");
        rows.push_some("changed", none);
        for change in &self.changes {
            rows.push("changed", change.line());
            if Some(&change.run_id) == self.settled_by_run.as_ref() {
                rows.push("", "by the same run");
                continue;
            }
            rows.push("", format!("by {}, run {}", change.workflow_id, change.run_id));
            rows.push_some("", change.link.as_ref());
        }
    }

    fn hand_overs(&self) -> String {
        match (self.attempts, self.dispatched_at) {
            (_, None) => "never".to_owned(),
            (0, Some(at)) => format!("not since it was replayed; before, on {}", time(at)),
            (1, Some(at)) => format!("once, on {}", time(at)),
            (times, Some(at)) => format!("{times} times, last on {}", time(at)),
        }
    }
}

fn next_attempt(at: DateTime<Utc>) -> String {
    if at <= Utc::now() { "due now".to_owned() } else { format!("due again on {}", time(at)) }
}

impl Change {
    fn line(&self) -> String {
        let Self { tenant_id, from, to, changed_at, .. } = self;
        format!("licences of {tenant_id}: {} -> {to}, {}", licences(*from), time(*changed_at))
    }
}
