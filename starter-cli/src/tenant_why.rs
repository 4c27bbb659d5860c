//! `tenantry tenant why`: how a tenant came to its licence count, for a person who knows nothing of
//! our tables.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::audit::Cause;
use domain::sync_subscription::SyncSubscriptionInput;
use schemars::JsonSchema;
use serde::Serialize;
use store::{LicenseStory, StoryChange, ToldEvent, Whose};

use crate::database::Database;
use crate::events::{Event, short};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows, licences, time};
use crate::screen;
use crate::settings::{self, lookup};
use crate::standing::Standing;
use crate::temporal::TemporalConfig;
use crate::tenant_show::{not_found, whose};

const HELP: &str = "\
Examples:
  tenantry tenant why cus_QXg1oyoEfW2bZ3
  tenantry tenant why 190f0b43-fe35-5e35-ba10-4f73c2b88e4d
  tenantry tenant why sub_1MowQVLkdIwHu7ix --output json

Tells how the tenant was made, every change of its licence count with its cause, and what holds
now. It does not ask Stripe.";

/// Which tenant.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The tenant's id, its customer's or that of one of its subscriptions
    #[arg(value_name = "TENANT|cus_…|sub_…", value_parser = whose)]
    whose: Whose,
}

/// Explains it.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let database = Database::from_env(settings::master()?)?;
    let temporal = TemporalConfig::from_env(lookup)?;
    database.refuse_old_schema().await?;
    let found = database.store.license_story(&args.whose).await.map_err(|error| database.failed(&error))?;
    let Some(story) = found else { return Err(not_found(&args.whose, &database.config.place())) };
    let standing = Standing::new(&story.tenant, &story.derived, database.store.rules());
    output.print(&Why::new(story, standing, &temporal));
    Ok(Exit::Done)
}

/// The explanation.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Why {
    tenant_id: String,
    stripe_customer_id: Option<String>,
    /// `null` is no limit.
    licensed_user_count: Option<i32>,
    made: Made,
    changes: Vec<Change>,
    now: Standing,
    open_events: Vec<Event>,
}

/// Where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
struct Made {
    at: DateTime<Utc>,
    workflow_id: Option<String>,
    run_id: Option<String>,
    link: Option<String>,
}

/// A change of its count.
#[derive(Debug, Serialize, JsonSchema)]
struct Change {
    changed_at: DateTime<Utc>,
    from: Option<i32>,
    to: i32,
    cause: String,
    explanation: String,
    stripe_subscription_id: Option<String>,
    events: Vec<Told>,
    workflow_id: String,
    run_id: String,
    link: Option<String>,
}

/// An event that led to a change.
#[derive(Debug, Serialize, JsonSchema)]
struct Told {
    event_id: String,
    /// None where the event is not kept any more.
    #[serde(rename = "type")]
    event_type: Option<String>,
    kind: Option<String>,
    twin_event_ids: Vec<String>,
    /// The kind and id of it and of its twins.
    #[serde(skip)]
    pair: BTreeSet<(String, String)>,
}

impl Why {
    fn new(story: LicenseStory, now: Standing, temporal: &TemporalConfig) -> Self {
        let LicenseStory { tenant, changes, told, open_events, derived: _ } = story;
        let maker = tenant.created_by_workflow.as_deref().zip(tenant.created_by_run.as_deref());
        let told = |id: String| Told::new(told.get(&id), id);
        Self {
            tenant_id: tenant.tenant.to_string(),
            stripe_customer_id: tenant.stripe_customer_id,
            licensed_user_count: tenant.licensed_user_count,
            made: Made {
                at: tenant.created_at,
                link: maker.and_then(|(workflow, run)| temporal.link(workflow, run)),
                workflow_id: tenant.created_by_workflow,
                run_id: tenant.created_by_run,
            },
            changes: changes.into_iter().map(|change| Change::new(change, told, temporal)).collect(),
            now,
            open_events: open_events.into_iter().map(Event::from).collect(),
        }
    }
}

impl Change {
    fn new(change: StoryChange, told: impl Fn(String) -> Told, temporal: &TemporalConfig) -> Self {
        let events: Vec<Told> = change.event_ids.into_iter().map(told).collect();
        let subscription = change.subscription;
        Self {
            changed_at: change.changed_at,
            from: change.from_count,
            to: change.to_count,
            explanation: explain(&change.cause, &change.workflow_id, subscription.as_deref(), &events),
            cause: change.cause,
            stripe_subscription_id: subscription,
            events,
            link: temporal.link(&change.workflow_id, &change.run_id),
            workflow_id: change.workflow_id,
            run_id: change.run_id,
        }
    }
}

/// The cause in a sentence.
fn explain(cause: &str, workflow_id: &str, counting: Option<&str>, events: &[Told]) -> String {
    let Some(known) = Cause::of_name(cause) else {
        return format!("for a reason that this build does not know: {cause}");
    };
    let changed = SyncSubscriptionInput::subscription_of(workflow_id);
    let counts = match counting {
        Some(counting) if Some(counting) == changed => "it is the one that counts".to_owned(),
        Some(counting) => format!("{counting} is the subscription that counts"),
        None => "no subscription entitles to licences any more".to_owned(),
    };
    match known {
        Cause::InitialLicenseCount => {
            "the purchase named this number, and Stripe had no subscription to say another".to_owned()
        }
        Cause::SubscriptionImport => format!("the subscription was imported from Stripe; {counts}"),
        Cause::SubscriptionEvent => {
            format!("{} said that {} changed; {counts}", speakers(events), changed.unwrap_or("a subscription"))
        }
        Cause::Reconciliation => {
            format!("a comparison with Stripe found a change that no event had told; {counts}")
        }
        Cause::LicenseChange => format!("it was asked for here; {counts}"),
        Cause::Derivation => format!("the count was worked out again from what was stored; {counts}"),
    }
}

fn speakers(events: &[Told]) -> String {
    match events {
        [] => "Stripe".to_owned(),
        [event] => format!("Stripe's event {}", event.words()),
        events => format!("{} of Stripe's events", events.len()),
    }
}

/// The events of a change, a line for each telling, where the sentence does not say all.
fn tellings(events: &[Told]) -> Vec<String> {
    let mut said = BTreeSet::new();
    let mut lines = Vec::new();
    for event in events.iter().filter(|event| event.pair.len() < 2 || said.insert(&event.pair)) {
        match (event.pair.len(), events.len()) {
            (0 | 1, 1) => {}
            (0 | 1, _) => lines.push(event.words()),
            (_, 1) => lines.push(format!("told twice: {}", event.both())),
            (_, _) => lines.push(format!("{}, told twice: {}", event.change(), event.both())),
        }
    }
    lines
}

impl Told {
    fn new(event: Option<&ToldEvent>, event_id: String) -> Self {
        let twins = event.map(|event| event.twins.as_slice()).unwrap_or_default();
        let this = event.map(|event| (event.kind.clone(), event_id.clone()));
        Self {
            event_type: event.map(|event| event.event_type.clone()),
            kind: event.map(|event| event.kind.clone()),
            twin_event_ids: twins.iter().map(|twin| twin.id.clone()).collect(),
            pair: this.into_iter().chain(twins.iter().map(|twin| (twin.kind.clone(), twin.id.clone()))).collect(),
            event_id,
        }
    }

    fn words(&self) -> String {
        let kind = self.event_type.as_deref().unwrap_or("not kept any more");
        format!("{} ({kind})", self.event_id)
    }

    /// What it tells of: a thin event's type is the snapshot's with a prefix, see
    /// <https://docs.stripe.com/event-destinations#thin-events>.
    fn change(&self) -> String {
        let name = self.event_type.as_deref().unwrap_or("not kept any more");
        short(name.strip_prefix("v1.").unwrap_or(name))
    }

    fn both(&self) -> String {
        self.pair.iter().map(|(kind, id)| format!("{id} ({kind})")).collect::<Vec<_>>().join(", ")
    }
}

impl Report for Why {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("tenant", &self.tenant_id);
        rows.push("customer", self.stripe_customer_id.as_deref().unwrap_or("none"));
        rows.push("licences", licences(self.licensed_user_count));
        rows.push("", "");
        self.push_made(&mut rows);
        self.changes.iter().for_each(|change| change.push(&mut rows, self.made.run_id.as_deref()));
        if self.changes.is_empty() {
            rows.push("", "");
            rows.push("changes", "none: its count was never changed");
        }
        rows.push("", "");
        rows.push("now", self.now.sentence(self.licensed_user_count));
        self.now.notes().into_iter().for_each(|note| rows.push("", note));
        self.push_open_events(&mut rows);
        rows.on(screen::width())
    }
}

impl Why {
    fn push_made(&self, rows: &mut Rows) {
        let Made { at, workflow_id, run_id, link } = &self.made;
        let from = self.changes.first().map(|change| match change.from {
            Some(count) => format!(", with {} to begin with", licences_word(count)),
            None => ", without a limit to begin with".to_owned(),
        });
        rows.push("made", format!("{}{}", time(*at), from.unwrap_or_default()));
        match (workflow_id, run_id) {
            (Some(workflow), Some(run)) => rows.push("", format!("by the onboarding {workflow}, run {run}")),
            (_, _) => rows.push("", "not by an onboarding"),
        }
        rows.push_some("", link.as_ref());
    }

    fn push_open_events(&self, rows: &mut Rows) {
        for (n, event) in self.open_events.iter().enumerate() {
            let label = if n == 0 { "open" } else { "" };
            let why = event.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            rows.push(label, format!("{} ({}), {}{why}", event.event_id, event.event_type, event.status));
            rows.push("", format!("tenantry events show {}", event.event_id));
        }
    }
}

fn licences_word(count: i32) -> String {
    if count == 1 { "1 licence".to_owned() } else { format!("{count} licences") }
}

impl Change {
    fn push(&self, rows: &mut Rows, maker: Option<&str>) {
        let Self { changed_at, from, to, workflow_id, run_id, .. } = self;
        rows.push("", "");
        rows.push("changed", format!("{}, {} -> {to}", time(*changed_at), licences(*from)));
        rows.push("", &self.explanation);
        tellings(&self.events).into_iter().for_each(|telling| rows.push("", telling));
        if maker == Some(run_id) {
            return rows.push("", "by the same run");
        }
        rows.push("", format!("by {workflow_id}, run {run_id}"));
        rows.push_some("", self.link.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Twin;

    fn check(cause: &str, counting: Option<&str>, events: &[(&str, Option<&str>)], expected: &str) {
        let told = |(id, event_type): &(&str, Option<&str>)| Told {
            event_type: event_type.map(str::to_owned),
            ..Told::new(None, (*id).to_owned())
        };
        let events: Vec<Told> = events.iter().map(told).collect();
        assert_eq!(explain(cause, "sync-subscription-sub_1", counting, &events), expected);
    }

    #[test]
    fn a_cause_is_a_sentence() {
        let deleted = ("evt_1", Some("customer.subscription.deleted"));
        let from = "Stripe's event evt_1 (customer.subscription.deleted) said that sub_1 changed; ";
        let cause = "subscription_event";
        check(cause, Some("sub_1"), &[deleted], &format!("{from}it is the one that counts"));
        check(cause, Some("sub_2"), &[deleted], &format!("{from}sub_2 is the subscription that counts"));
        check(cause, None, &[deleted], &format!("{from}no subscription entitles to licences any more"));
        let both = "2 of Stripe's events said that sub_1 changed; it is the one that counts";
        check(cause, Some("sub_1"), &[deleted, ("evt_2", None)], both);
        check("moonlight", None, &[], "for a reason that this build does not know: moonlight");
    }

    #[test]
    fn a_change_that_was_told_twice_is_said_once() {
        let event = |kind: &str, twin: &str, its_kind: &str| {
            let twins = vec![Twin { of: String::new(), id: twin.to_owned(), kind: its_kind.to_owned() }];
            ToldEvent { event_type: "customer.subscription.updated".to_owned(), kind: kind.to_owned(), twins }
        };
        let told = |event: ToldEvent, id: &str| Told::new(Some(&event), id.to_owned());
        let thin = || told(event("thin", "evt_2", "snapshot"), "evt_1");
        let snapshot = told(event("snapshot", "evt_1", "thin"), "evt_2");
        let gone = || Told::new(None, "evt_3".to_owned());
        let both = "told twice: evt_2 (snapshot), evt_1 (thin)";
        assert_eq!(tellings(&[thin()]), [both]);
        let all = [&format!("…subscription.updated, {both}"), "evt_3 (not kept any more)"];
        assert_eq!(tellings(&[thin(), snapshot, gone()]), all);
        assert_eq!(tellings(&[gone()]), [""; 0]);
    }
}
