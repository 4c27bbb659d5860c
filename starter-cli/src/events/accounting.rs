//! `tenantry events accounting`: every event that was answered 2xx is there, and has its status.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::event::EventStatus;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use store::{OldestEvent, TypeAccount};

use super::words;
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows};
use crate::screen;
use crate::settings;
use crate::table::Table;

const HELP: &str = "\
Examples:
  tenantry events accounting
  tenantry events accounting --output json

What was received is counted when it is taken in, apart from the events, so that one that is gone
is missed: received = completed + superseded + ignored + parked + pending + failed.
Exit code 6 when that is not so, or when a pending event can never be handed over.";

/// Nothing to choose.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {}

/// The whole inbox.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Accounting {
    adds_up: bool,
    total: Line,
    types: Vec<Line>,
    oldest: Vec<Oldest>,
    findings: Vec<String>,
}

/// The events of one type, or of all.
#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    #[serde(rename = "type")]
    name: String,
    received: i64,
    #[serde(flatten)]
    #[schemars(schema_with = "by_status")]
    held: BTreeMap<&'static str, i64>,
    /// Received and not there; less than 0 where more are there than were received.
    missing: i64,
}

/// What has waited longest of those that are alike.
#[derive(Debug, Serialize, JsonSchema)]
struct Oldest {
    #[serde(rename = "type")]
    event_type: String,
    #[schemars(with = "EventStatus")]
    status: &'static str,
    event_id: String,
    received_at: DateTime<Utc>,
}

fn by_status(_: &mut SchemaGenerator) -> Schema {
    let names = EventStatus::ALL.map(EventStatus::as_str);
    let counts: BTreeMap<&str, Schema> =
        names.into_iter().map(|name| (name, json_schema!({"type": "integer", "minimum": 0}))).collect();
    json_schema!({"type": "object", "properties": counts, "required": names})
}

/// Counts.
pub(super) async fn run(_args: Args, output: Output) -> Result<Exit, Failure> {
    let database = Database::from_env(settings::master()?)?;
    database.refuse_old_schema().await?;
    let failed = |error: store::Error| database.failed(&error);
    let types = database.store.accounting().await.map_err(failed)?;
    let oldest = database.store.oldest_events(&EventStatus::OPEN).await.map_err(failed)?;
    let stuck = database.store.stuck_events().await.map_err(failed)?;
    let findings = judge(&types, &stuck);
    output.print(&Accounting {
        adds_up: findings.is_empty(),
        total: Line::all(&types),
        types: types.iter().map(Line::of).collect(),
        oldest: oldest.into_iter().map(Oldest::from).collect(),
        findings: findings.clone(),
    });
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Findings })
}

/// What does not add up, in a sentence each.
pub(crate) fn judge(types: &[TypeAccount], stuck: &[String]) -> Vec<String> {
    let differences = types.iter().map(Line::of).filter_map(|line| {
        let count = words::events(usize::try_from(line.missing.unsigned_abs()).unwrap_or(usize::MAX));
        match line.missing {
            0 => None,
            1.. => Some(format!("{count} of type {} received and not there any more", line.name)),
            ..0 => Some(format!("{count} of type {} there and never counted as received", line.name)),
        }
    });
    let stuck =
        stuck.iter().map(|id| format!("{id} is pending and can never be handed over: tenantry events show {id}"));
    differences.chain(stuck).collect()
}

impl Line {
    fn of(account: &TypeAccount) -> Self {
        let TypeAccount { event_type, received, held } = account;
        Self::new(event_type.clone(), *received, held)
    }

    fn all(types: &[TypeAccount]) -> Self {
        let mut held = BTreeMap::new();
        for (status, count) in types.iter().flat_map(|account| &account.held) {
            *held.entry(*status).or_default() += count;
        }
        Self::new("all".to_owned(), types.iter().map(|account| account.received).sum(), &held)
    }

    fn new(name: String, received: i64, held: &BTreeMap<EventStatus, i64>) -> Self {
        let count = |status| (EventStatus::as_str(status), held.get(&status).copied().unwrap_or_default());
        let missing = received - held.values().sum::<i64>();
        Self { name, received, held: EventStatus::ALL.into_iter().map(count).collect(), missing }
    }

    fn held_in(&self, status: EventStatus) -> i64 {
        self.held.get(status.as_str()).copied().unwrap_or_default()
    }

    fn cells(&self, columns: &[EventStatus]) -> Vec<String> {
        let counts = columns.iter().map(|status| self.held_in(*status).to_string());
        let verdict = match self.missing {
            0 => "yes".to_owned(),
            1.. => format!("{} missing", self.missing),
            ..0 => format!("{} too many", -self.missing),
        };
        [self.name.clone(), self.received.to_string()].into_iter().chain(counts).chain([verdict]).collect()
    }
}

/// In the order of the sum.
const COLUMNS: [EventStatus; 6] = [
    EventStatus::Completed,
    EventStatus::Superseded,
    EventStatus::Ignored,
    EventStatus::Parked,
    EventStatus::Pending,
    EventStatus::Failed,
];

impl From<OldestEvent> for Oldest {
    fn from(event: OldestEvent) -> Self {
        let OldestEvent { event_type, status, id, received_at } = event;
        Self { event_type, status: status.as_str(), event_id: id, received_at }
    }
}

impl Report for Accounting {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        self.findings.iter().for_each(|finding| rows.push("finding", finding));
        let verdict = if self.adds_up { "yes, every event is accounted for" } else { "no, see above" };
        rows.push_status("adds up", verdict);
        let width = screen::width();
        let parts = [Some(self.counted().on(width)), self.waiting().map(|table| table.on(width)), Some(rows.on(width))];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

impl Accounting {
    /// Statuses that no event has are left out.
    fn counted(&self) -> Table {
        let columns: Vec<EventStatus> = COLUMNS.into_iter().filter(|status| self.total.held_in(*status) != 0).collect();
        let counts = columns.iter().map(|status| status.as_str());
        let headers: Vec<&str> = ["type", "received"].into_iter().chain(counts).chain(["adds up"]).collect();
        let mut table = Table::new(&headers).numbers(1..headers.len() - 1).status(headers.len() - 1);
        self.types.iter().for_each(|line| table.push(line.cells(&columns)));
        table.push(self.total.cells(&columns));
        table
    }

    /// The oldest of each that wait; none where nothing does.
    fn waiting(&self) -> Option<Table> {
        let mut table = Table::new(&["oldest", "status", "received", "type"]).status(1);
        for Oldest { event_type, status, event_id, received_at } in &self.oldest {
            table.push(vec![
                event_id.clone(),
                (*status).to_owned(),
                format!("{} ago", words::age(*received_at)),
                event_type.clone(),
            ]);
        }
        (!self.oldest.is_empty()).then_some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(received: i64, held: &[(EventStatus, i64)], expected: &[&str]) {
        let held = held.iter().copied().collect();
        assert_eq!(judge(&[TypeAccount { event_type: "a.b".to_owned(), received, held }], &[]), expected);
    }

    #[test]
    fn what_is_received_is_what_is_there() {
        check(3, &[(EventStatus::Completed, 2), (EventStatus::Parked, 1)], &[]);
        check(3, &[(EventStatus::Completed, 2)], &["1 event of type a.b received and not there any more"]);
        check(0, &[(EventStatus::Failed, 2)], &["2 events of type a.b there and never counted as received"]);
    }
}
