//! `tenantry events list`: what came lately, and where each stands.

use chrono::{DateTime, Utc};
use clap::value_parser;
use domain::event::EventStatus;
use schemars::JsonSchema;
use serde::Serialize;
use store::EventRow;

use super::filter::{Narrow, status};
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::screen;
use crate::settings;
use crate::table::Table;

const HELP: &str = "\
Examples:
  tenantry events list
  tenantry events list --status failed --status parked
  tenantry events list --subscription sub_1MowQVLkdIwHu7ix --since 7d
  tenantry events list --type customer.subscription.deleted --limit 200 --output json

What a status means, and what to do about an event: tenantry events show EVT";

/// Which events.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Only those in this state; give it again for several
    #[arg(long, value_name = "STATUS", value_parser = status(EventStatus::ALL))]
    status: Vec<EventStatus>,
    #[command(flatten)]
    narrow: Narrow,
    /// Show no more than this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Events, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct List {
    events: Vec<Event>,
    /// Whether there are older ones that fit too.
    more: bool,
}

/// One of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Event {
    pub(crate) event_id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    #[schemars(with = "EventStatus")]
    pub(crate) status: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) stripe_subscription_id: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) stripe_customer_id: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
    #[serde(skip)]
    standing: EventStatus,
}

/// Lists them.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let database = Database::from_env(settings::master()?)?;
    database.refuse_old_schema().await?;
    // One more than is shown tells whether there are more.
    let found = database.store.events(&args.narrow.of(&args.status), args.limit + 1).await;
    let mut events: Vec<Event> = found.map_err(|error| database.failed(&error))?.into_iter().map(Event::from).collect();
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let more = events.len() > limit;
    events.truncate(limit);
    output.print(&List { events, more });
    Ok(Exit::Done)
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        Self {
            event_id: row.id,
            event_type: row.event_type,
            status: row.status.as_str(),
            reason: row.reason,
            stripe_subscription_id: row.subscription,
            tenant_id: row.tenant.map(|tenant| tenant.to_string()),
            stripe_customer_id: row.customer,
            received_at: row.received_at,
            standing: row.status,
        }
    }
}

impl Report for List {
    fn text(&self) -> String {
        if self.events.is_empty() {
            return "no events fit; one that was never delivered is not in the inbox".to_owned();
        }
        let mut table = Table::new(&["received", "event", "status", "type", "about"]).status(2);
        self.events.iter().for_each(|event| table.push(event.cells()));
        let mut text = table.on(screen::width());
        if self.more {
            let shown = self.events.len();
            text.push_str(&format!(
                "\n\nThe newest {shown}; there are more. See them with --limit, or narrow it down."
            ));
        }
        text
    }
}

impl Event {
    /// Such that a row fits a line of 140 characters: ids whole, of the rest what tells rows apart.
    fn cells(&self) -> Vec<String> {
        vec![
            self.received_at.format("%m-%d %H:%M:%SZ").to_string(),
            self.event_id.clone(),
            self.status.to_owned(),
            short(&self.event_type),
            self.about(),
        ]
    }

    /// Whom it is about and why it stands where it stands, first what a reader looks for.
    fn about(&self) -> String {
        let whom = self.stripe_subscription_id.as_ref().or(self.stripe_customer_id.as_ref());
        let whom = whom.or(self.tenant_id.as_ref());
        let parts = match self.standing {
            EventStatus::Failed | EventStatus::Parked | EventStatus::Ignored => [self.reason.as_ref(), whom],
            EventStatus::Pending | EventStatus::Completed | EventStatus::Superseded => [whom, self.reason.as_ref()],
        };
        parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ")
    }
}

/// Most of what matters is about subscriptions, so a type need not say all of it.
pub(crate) fn short(event_type: &str) -> String {
    event_type.replace("customer.subscription.", "…subscription.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    fn event(id: &str, standing: EventStatus, reason: Option<&str>) -> Event {
        Event {
            event_id: id.to_owned(),
            event_type: "customer.subscription.updated".to_owned(),
            status: standing.as_str(),
            reason: reason.map(str::to_owned),
            stripe_subscription_id: Some("sub_1MowQVLkdIwHu7ixeRlqHVzs".to_owned()),
            tenant_id: None,
            stripe_customer_id: None,
            received_at: DateTime::from_timestamp(1_795_300_654, 0).expect("a moment"),
            standing,
        }
    }

    #[test]
    fn it_looks_as_before() {
        let events = vec![
            event("evt_1NG8Du2eZvKYlo2CUI79vXWy", EventStatus::Failed, Some("ConflictError: two tenants claim it")),
            event("evt_1NG8Du2eZvKYlo2CUI79vXWz", EventStatus::Pending, None),
            event("evt_1NG8Du2eZvKYlo2CUI79vXXa", EventStatus::Completed, None),
        ];
        snapshot::check("events_list", &List { events, more: false });
    }
}
