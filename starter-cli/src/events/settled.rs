//! What became of a replay, event by event and in all.

use std::io::Write;

use domain::event::EventStatus;
use domain::ids::{EventId, StripeSubscriptionId};
use domain::sync_subscription::SyncSubscriptionInput;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use store::Reopened;

use super::words;
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::screen;
use crate::temporal::TemporalConfig;

/// What was done with one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Did {
    /// Its sync was told of it.
    HandedOver,
    /// It is pending, and the relay hands it over.
    WaitsForTemporal,
    /// It is settled already.
    NothingToDo,
    /// It is ignored, which stays so.
    Refused,
    /// There is no such event.
    NotFound,
    /// No hand-over takes its subscription's id.
    Unfit,
}

/// One event of a replay.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Replayed {
    event_id: String,
    pub(super) did: Did,
    #[serde(serialize_with = "name")]
    before: Option<EventStatus>,
    /// Where it stands now, as far as it was followed.
    #[serde(serialize_with = "name")]
    pub(super) status: Option<EventStatus>,
    reason: Option<String>,
    workflow_id: Option<String>,
    run_id: Option<String>,
    link: Option<String>,
}

fn name<S: Serializer>(status: &Option<EventStatus>, serializer: S) -> Result<S::Ok, S::Error> {
    status.map(EventStatus::as_str).serialize(serializer)
}

impl Replayed {
    /// An event that is there.
    pub(super) fn of(id: &EventId, reopened: &Reopened) -> Self {
        let did = match reopened.before {
            EventStatus::Completed | EventStatus::Superseded => Did::NothingToDo,
            EventStatus::Ignored => Did::Refused,
            EventStatus::Pending | EventStatus::Parked | EventStatus::Failed => match reopened.is_pending() {
                true => Did::WaitsForTemporal,
                false => Did::Unfit,
            },
        };
        let status = if reopened.is_pending() { EventStatus::Pending } else { reopened.before };
        let reason = reopened.reason.clone();
        Self { did, before: Some(reopened.before), status: Some(status), reason, ..Self::missing(id) }
    }

    /// It was: to the sync of that subscription, of which this run was told.
    pub(super) fn handed_over(&mut self, subscription: &StripeSubscriptionId, run: String, temporal: &TemporalConfig) {
        let workflow = SyncSubscriptionInput::new(subscription.clone()).workflow_id();
        self.link = temporal.link(&workflow, &run);
        (self.did, self.workflow_id, self.run_id) = (Did::HandedOver, Some(workflow), Some(run));
    }

    /// One that is not.
    pub(super) fn missing(id: &EventId) -> Self {
        Self {
            event_id: id.to_string(),
            did: Did::NotFound,
            before: None,
            status: None,
            reason: None,
            workflow_id: None,
            run_id: None,
            link: None,
        }
    }

    fn said(&self) -> String {
        let before = self.before.map_or("", EventStatus::as_str);
        match self.did {
            Did::HandedOver => {
                format!("was {before}, handed over to {}", self.workflow_id.as_deref().unwrap_or_default())
            }
            Did::WaitsForTemporal => format!("was {before}, is pending; the relay hands it over"),
            Did::NothingToDo => format!("already {before}; nothing was done"),
            Did::Refused => format!("{before}: {}", self.reason.as_deref().unwrap_or("nothing of ours changes by it")),
            Did::NotFound => "not found".to_owned(),
            Did::Unfit => "cannot be handed over: its subscription's id cannot be read".to_owned(),
        }
    }

    fn said_of_the_end(&self) -> String {
        let status = self.status.map_or("", EventStatus::as_str);
        self.reason.as_ref().map_or_else(|| status.to_owned(), |reason| format!("{status}: {reason}"))
    }
}

/// All events of a replay. For a person each line is printed when it is known, for a program
/// all at the end.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Replays {
    events: Vec<Replayed>,
    #[serde(skip)]
    open: Vec<EventId>,
    #[serde(skip)]
    width: usize,
    #[serde(skip)]
    output: Output,
}

impl Replays {
    pub(super) fn new(ids: &[EventId], output: Output) -> Self {
        let width = ids.iter().map(|id| id.as_str().len()).max().unwrap_or_default();
        Self { events: Vec::new(), open: Vec::new(), width, output }
    }

    /// One more was dealt with.
    pub(super) fn add(&mut self, one: Replayed) {
        self.line(&one.event_id, &one.said());
        if let (Did::HandedOver, Ok(id)) = (one.did, one.event_id.parse()) {
            self.open.push(id);
        }
        self.events.push(one);
    }

    /// Handed over, and not seen settled.
    pub(super) fn open(&self) -> Vec<EventId> {
        self.open.clone()
    }

    /// One of those is settled now.
    pub(super) fn settle(&mut self, id: &str, status: EventStatus, reason: Option<String>) {
        self.open.retain(|open| open.as_str() != id);
        if let Some(n) = self.events.iter().position(|one| one.event_id == id) {
            (self.events[n].status, self.events[n].reason) = (Some(status), reason);
            self.line(id, &self.events[n].said_of_the_end());
        }
    }

    fn line(&self, id: &str, said: &str) {
        if self.output == Output::Json {
            return;
        }
        let room = screen::width().map(|screen| screen.saturating_sub(self.width + 2));
        for (n, part) in screen::fold(said, room).into_iter().enumerate() {
            let id = if n == 0 { id } else { "" };
            let _ = writeln!(std::io::stdout(), "{id:width$}  {part}", width = self.width);
        }
    }

    /// The document, for a program.
    pub(super) fn print(&self) {
        if self.output == Output::Json {
            let _ = writeln!(std::io::stdout(), "{}", output::json(self));
        }
    }

    /// How it ended as a whole; `trouble` is what kept Temporal from taking events, `late` the
    /// seconds that were not enough.
    pub(super) fn verdict(
        &self,
        trouble: Option<&Failure>,
        late: Option<u32>,
        database: &Database,
    ) -> Result<Exit, Failure> {
        let those = |did: Did| self.events.iter().filter(move |one| one.did == did);
        let first = |did: Did| those(did).next().map(|one| one.event_id.as_str());
        if let Some(trouble) = trouble.filter(|_| first(Did::WaitsForTemporal).is_some()) {
            let waiting = words::events(those(Did::WaitsForTemporal).count());
            let next =
                format!("nothing is lost: {waiting} pending, which the relay hands over later; {}", trouble.next());
            return Err(Failure::new(trouble.exit(), trouble.message(), next));
        }
        let failed: Vec<_> = those(Did::HandedOver).filter(|one| one.status == Some(EventStatus::Failed)).collect();
        if let Some(one) = failed.first() {
            let message = format!("{} failed again", words::events(failed.len()));
            return Err(Failure::new(Exit::Failed, message, format!("tenantry events show {}", one.event_id)));
        }
        if let (Some(secs), Some(id)) = (late, self.open.first()) {
            let message = format!("{} still pending after {secs} seconds", words::events(self.open.len()));
            let next = format!(
                "it is handled all the same; see whether a worker runs: tenantry doctor, tenantry events show {id}"
            );
            return Err(Failure::new(Exit::Failed, message, next));
        }
        if let Some(id) = first(Did::NotFound).and_then(|id| id.parse().ok()) {
            return Err(super::show::not_found(&id, database));
        }
        if let Some(id) = first(Did::Unfit) {
            let message = format!("{id} speaks of a subscription whose id cannot be read");
            return Err(Failure::new(Exit::Failed, message, format!("tenantry events show {id} --payload")));
        }
        match first(Did::Refused) {
            Some(id) if those(Did::Refused).count() == self.events.len() => {
                let message = format!("{id} is ignored: nothing of ours changes by it, so there is nothing to replay");
                Err(Failure::new(Exit::Refused, message, format!("tenantry events show {id}")))
            }
            Some(_) | None => Ok(Exit::Done),
        }
    }
}
