//! What a replay would do, before it does it.

use std::collections::BTreeMap;

use domain::event::EventStatus;
use schemars::JsonSchema;
use serde::Serialize;
use store::EventRow;

use super::list::Event;
use super::words;
use crate::confirm;
use crate::failure::Failure;
use crate::output::Report;
use crate::screen;
use crate::table::Table;

/// What there is to say where there are none.
pub(super) const NOTHING_FITS: &str = "no events fit; there is nothing to handle again";

/// The events of a replay.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plan {
    counts: Vec<Count>,
    events: Vec<Event>,
}

/// So many of them are alike.
#[derive(Debug, Serialize, JsonSchema)]
struct Count {
    #[schemars(with = "EventStatus")]
    status: &'static str,
    #[serde(rename = "type")]
    event_type: String,
    events: usize,
    /// Whether a replay does anything to them.
    replayed: bool,
}

impl Plan {
    pub(super) fn new(rows: Vec<EventRow>) -> Self {
        let mut counted: BTreeMap<(EventStatus, String), usize> = BTreeMap::new();
        for row in &rows {
            *counted.entry((row.status, row.event_type.clone())).or_default() += 1;
        }
        let counts = counted.into_iter().map(|((status, event_type), events)| Count {
            status: status.as_str(),
            event_type,
            events,
            replayed: status.is_open(),
        });
        Self { counts: counts.collect(), events: rows.into_iter().map(Event::from).collect() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether to go on: asked where somebody can answer.
    pub(super) fn confirmed(&self) -> Result<bool, Failure> {
        let what = format!("{} would be handled again", words::events(self.len()));
        confirm::refuse_unasked(&what, "--dry-run")?;
        Ok(confirm::said_yes(&self.text(), "Handle them again?"))
    }
}

impl Report for Plan {
    fn text(&self) -> String {
        if self.events.is_empty() {
            return NOTHING_FITS.to_owned();
        }
        let mut table = Table::new(&["status", "type", "events", ""]).status(0);
        for Count { status, event_type, events, replayed } in &self.counts {
            let note = if *replayed { "" } else { "left as they are" };
            table.push(vec![(*status).to_owned(), event_type.clone(), events.to_string(), note.to_owned()]);
        }
        let replayed = self.counts.iter().filter(|count| count.replayed).map(|count| count.events).sum();
        format!("{}\n\n{} would be handled again.", table.on(screen::width()), words::events(replayed))
    }
}
