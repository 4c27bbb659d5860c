//! `tenantry events replay`: has events handled again, any number of times.
//!
//! An event is first made pending, in the database, and then handed over: whatever happens in
//! between, the relay finds it.

use std::io::Write;
use std::time::Duration;

use clap::value_parser;
use domain::event::EventStatus;
use domain::ids::EventId;
use domain::shim_settings::ShimSettings;
use store::DueEvent;
use temporalio_client::Client;

use super::filter::{Narrow, status};
use super::hand_over::hand_over;
use super::plan::{NOTHING_FITS, Plan};
use super::settled::{Replayed, Replays};
use super::{show, words};
use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::{self, lookup};
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry events replay evt_1NG8Du2eZvKYlo2CUI79vXWy --wait
  tenantry events replay --status failed --dry-run
  tenantry events replay --status failed --since 2d --yes --wait --timeout 300
  tenantry events replay --status parked --customer cus_QXg1oyoEfW2bZ3

Safe any number of times: the subscription is read at Stripe again, and an event that is
completed or superseded is left alone. An ignored one cannot be replayed (exit code 4).
Without Temporal the events are pending, and are handed over once it is back (exit code 5).";

/// Between two looks at what became of them.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How often a long replay says how far it is.
const PROGRESS_EVERY: usize = 100;

/// Which events.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The events, by their ids
    #[arg(value_name = "EVT", required_unless_present = "status", conflicts_with = "status")]
    events: Vec<EventId>,
    /// All in this state; give it again for several. In any other there is nothing left to be done
    #[arg(long, value_name = "STATUS", value_parser = status(EventStatus::OPEN))]
    status: Vec<EventStatus>,
    #[command(flatten)]
    narrow: Narrow,
    /// No more than the newest so many of them
    #[arg(long, value_name = "N", requires = "status", value_parser = value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only say which events it would be
    #[arg(long)]
    dry_run: bool,
    /// Do not ask, also where --status finds several
    #[arg(long)]
    yes: bool,
    /// Wait until each is settled, and show how (exit code 1 if one failed again)
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Wait no longer than this; the events are handled all the same
    #[arg(long, value_name = "SECS", requires = "wait", value_parser = value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

/// Has them handled again.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    if !args.events.is_empty() && args.narrow.is_given() {
        let message = "--subscription, --customer, --type and --since narrow down --status, and events were named";
        return Err(Failure::new(Exit::Usage, message, "name events, or take --status failed"));
    }
    let database = Database::from_env(settings::master()?)?;
    let temporal = TemporalConfig::from_env(lookup)?;
    let redispatch_after = ShimSettings::redispatch_after(lookup).map_err(Failure::setting)?;
    database.refuse_old_schema().await?;
    let chosen = match args.events.is_empty() {
        true => fitting(&args, &database, output).await?,
        false if args.dry_run => return say(&args.events, &database, output).await,
        false => Some(named(&args.events)),
    };
    match chosen {
        Some(ids) => replay(&Replay { args: &args, database, temporal, redispatch_after, output }, ids).await,
        None => Ok(Exit::Done),
    }
}

/// The events that were named, each once.
fn named(events: &[EventId]) -> Vec<EventId> {
    let mut ids: Vec<EventId> = Vec::new();
    for id in events {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    ids
}

/// The events that fit the flags, unless there is nothing to do or nobody wants it.
async fn fitting(args: &Args, database: &Database, output: Output) -> Result<Option<Vec<EventId>>, Failure> {
    let found = database.store.events(&args.narrow.of(&args.status), args.limit.unwrap_or(u32::MAX)).await;
    let rows = found.map_err(|error| database.failed(&error))?;
    let ids = rows.iter().filter_map(|row| row.id.parse().ok()).collect();
    let plan = Plan::new(rows);
    if args.dry_run {
        output.print(&plan);
        return Ok(None);
    }
    if plan.len() > 1 && !args.yes && !plan.confirmed()? {
        return Ok(nothing("nothing was done", output));
    }
    match plan.len() {
        0 => Ok(nothing(NOTHING_FITS, output)),
        _ => Ok(Some(ids)),
    }
}

/// For a program a replay of no events, which has the shape of every other.
fn nothing(said: &str, output: Output) -> Option<Vec<EventId>> {
    match output {
        Output::Text => drop(writeln!(std::io::stdout(), "{said}")),
        Output::Json => Replays::new(&[], output).print(),
    }
    None
}

/// `--dry-run` of events that were named.
async fn say(ids: &[EventId], database: &Database, output: Output) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for id in &named(ids) {
        let found = database.store.event(id).await.map_err(|error| database.failed(&error))?;
        rows.push(found.ok_or_else(|| show::not_found(id, database))?.row);
    }
    output.print(&Plan::new(rows));
    Ok(Exit::Done)
}

struct Replay<'a> {
    args: &'a Args,
    database: Database,
    temporal: TemporalConfig,
    /// When the relay may hand it over once more, as the relay counts it.
    redispatch_after: Duration,
    output: Output,
}

/// One after the other, each said at once: who ends it early knows how far it came.
async fn replay(replay: &Replay<'_>, ids: Vec<EventId>) -> Result<Exit, Failure> {
    let (mut client, mut trouble) = match replay.temporal.connect().await {
        Ok(client) => (Some(client), None),
        Err(failure) => (None, Some(failure)),
    };
    let mut replays = Replays::new(&ids, replay.output);
    for (n, id) in ids.iter().enumerate() {
        let one = match replay.one(id, client.as_ref()).await {
            Ok(one) => one,
            Err(Stopped::Temporal(one, failure)) => {
                // Whatever keeps Temporal from taking this one keeps it from taking the next.
                client = None;
                trouble = Some(failure);
                one
            }
            Err(Stopped::Database(failure)) => {
                replays.print();
                return Err(failure);
            }
        };
        replays.add(one);
        if replay.output == Output::Text && (n + 1) % PROGRESS_EVERY == 0 {
            eprintln!("{} of {}", n + 1, words::events(ids.len()));
        }
    }
    let mut late = None;
    if replay.args.wait && trouble.is_none() {
        late = replay.follow(&mut replays).await?;
    }
    replays.print();
    replays.verdict(trouble.as_ref(), late, &replay.database)
}

/// Why one was not handed over.
enum Stopped {
    /// It is pending all the same.
    Temporal(Replayed, Failure),
    Database(Failure),
}

impl Replay<'_> {
    async fn one(&self, id: &EventId, client: Option<&Client>) -> Result<Replayed, Stopped> {
        let reopened = self.database.store.reopen_event(id).await.map_err(|error| self.database_failed(&error))?;
        let Some(reopened) = reopened else { return Ok(Replayed::missing(id)) };
        let mut one = Replayed::of(id, &reopened);
        let (Some(subscription), Some(due_again)) = (reopened.subscription, reopened.due) else {
            return Ok(one);
        };
        let Some(client) = client else { return Ok(one) };
        let event = DueEvent { id: id.clone(), subscription, due_again };
        let run = match hand_over(client, &self.temporal, &event).await {
            Ok(run) => run,
            Err(failure) => return Err(Stopped::Temporal(one, failure)),
        };
        let noted = self.database.store.mark_dispatched(std::slice::from_ref(&event), self.redispatch_after).await;
        noted.map_err(|error| self.database_failed(&error))?;
        one.handed_over(&event.subscription, run, &self.temporal);
        Ok(one)
    }

    fn database_failed(&self, error: &store::Error) -> Stopped {
        Stopped::Database(self.database.failed(error))
    }

    /// Waits until all that were handed over are settled. Answers how long it waited where that was
    /// not long enough.
    async fn follow(&self, replays: &mut Replays) -> Result<Option<u32>, Failure> {
        match self.args.timeout {
            None => self.until_settled(replays).await.map(|()| None),
            Some(secs) => {
                let limit = Duration::from_secs(secs.into());
                match tokio::time::timeout(limit, self.until_settled(replays)).await {
                    Ok(ended) => ended.map(|()| None),
                    Err(_) => Ok(Some(secs)),
                }
            }
        }
    }

    async fn until_settled(&self, replays: &mut Replays) -> Result<(), Failure> {
        loop {
            let open = replays.open();
            let stand = self.database.store.event_statuses(&open).await;
            for (id, status, reason) in stand.map_err(|error| self.database.failed(&error))? {
                if status != EventStatus::Pending {
                    replays.settle(&id, status, reason);
                }
            }
            if replays.open().is_empty() {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}
