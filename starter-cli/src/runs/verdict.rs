//! What is to be said of a run, however it stands.

use domain::advice::word;
use domain::replay_batch::WORKFLOW_ID_PREFIX;
use serde_json::Value;

use super::explanation::{Again, after_the_end, meaning, starting_again};
use super::filter::kind_of;
use super::found::FoundRun;
use super::history::{History, Outcome, Step};
use super::next_command::Ended;
use super::stuck::{Stuck, WORKFLOW_TASK};
use super::timeline::spell;
use super::wire::FailedWith;
use super::workflow_type::WorkflowType;
use crate::events::age;
use crate::output::time;

/// What is said, in sentences, and the command to run next.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) sentences: Vec<String>,
    pub(super) again: Again,
    pub(super) next: String,
    /// The step that it is about.
    pub(super) step: Option<Step>,
}

/// A run with all that is known of it.
struct Case<'a> {
    run: &'a FoundRun,
    history: &'a History,
}

/// Says why the run stands where it stands.
pub(super) fn judge(run: &FoundRun, history: &History) -> Verdict {
    let case = Case { run, history };
    match (run.status, &run.stuck) {
        ("running", Some(stuck)) => case.stuck(stuck),
        ("running", None) => case.running(),
        ("completed", _) => case.completed(),
        ("failed", _) => case.failed(),
        ("continued_as_new", _) => case.continued(),
        (other, _) => case.ended(other),
    }
}

impl Case<'_> {
    fn failed(&self) -> Verdict {
        let unnamed = FailedWith { kind: None, message: "it left no reason".to_owned() };
        let failure = self.history.failure.as_ref().unwrap_or(&unnamed);
        let step = self.failed_step(&failure.message).cloned();
        let place = step.as_ref().map_or_else(|| "before its first step".to_owned(), at_the_step);
        let message = without_the_answer(&failure.message).trim_end_matches('.');
        let kind = failure.kind.as_deref().and_then(kind_of);
        let (again, meaning) = match (kind, &failure.kind) {
            (Some(kind), _) => {
                let (again, meaning) = meaning(kind);
                (after_the_end(again), meaning.to_owned())
            }
            (None, Some(name)) => (
                Again::Unknown,
                format!(
                    "{name} is no failure that this build knows: it was left by a newer build, or by another program."
                ),
            ),
            (None, None) => (Again::Unknown, "It has no type, so it was not left by a step of ours.".to_owned()),
        };
        let what = format!("The {} failed {place}: {message}.", self.noun());
        let ended = Ended { run: self.run, input: self.history.input.as_ref(), kind, message, again };
        let next = ended.command();
        let starting_again = starting_again(self.workflow_type(), again).to_owned();
        Verdict { sentences: vec![what, meaning, starting_again], again, next, step }
    }

    /// The one whose failure ended the run. Others may have failed before or after it, such as one
    /// that looks once more.
    fn failed_step(&self, message: &str) -> Option<&Step> {
        let has_failed = |step: &&Step| matches!(step.outcome, Outcome::Failed | Outcome::TimedOut);
        let failed: Vec<&Step> = self.history.steps.iter().filter(has_failed).collect();
        let is_said = |step: &&&Step| step.last_error.as_ref().is_some_and(|error| message.contains(&error.message));
        failed.iter().find(is_said).or(failed.last()).copied()
    }

    fn stuck(&self, stuck: &Stuck) -> Verdict {
        if stuck.activity == WORKFLOW_TASK {
            return self.undecided(stuck);
        }
        let step = self.history.steps.iter().rev().find(|step| step.ended_at.is_none() && step.name == stuck.activity);
        let place =
            step.map_or_else(|| format!("its step {}", stuck.activity), |step| format!("its step {}", step.named()));
        let tried = match stuck.next_try_at {
            Some(_) => format!("tried {} times so far", stuck.attempt - 1),
            None => format!("at try {}", stuck.attempt),
        };
        let (noun, since, ago) = (self.noun(), time(stuck.since), age(stuck.since));
        let what = format!("The {noun} has not got past {place} since {since}, {ago} ago, {tried}.");
        let last = stuck.last_error.as_ref().map_or_else(
            || "No worker has taken it up: none runs, or none has room.".to_owned(),
            |error| format!("The last try ended with: {}.", error.trim_end_matches('.')),
        );
        let meaning = stuck.kind.as_deref().and_then(kind_of).map(|kind| meaning(kind).1.to_owned());
        let goes_on = match (stuck.next_try_at, &stuck.last_error) {
            (Some(at), _) => format!("The next try is at {}; it is not to be started again.", time(at)),
            (None, Some(_)) => "The next try is under way; it is not to be started again.".to_owned(),
            (None, None) => "It goes on by itself as soon as one does.".to_owned(),
        };
        let sentences = [Some(what), Some(last), meaning, Some(goes_on)].into_iter().flatten().collect();
        Verdict { sentences, again: Again::ByItself, next: "tenantry doctor".to_owned(), step: step.cloned() }
    }

    /// No step is under way, and no worker says which comes next.
    fn undecided(&self, stuck: &Stuck) -> Verdict {
        let since = format!("since {}, {} ago", time(stuck.since), age(stuck.since));
        let noun = self.noun();
        let (what, next) = match &self.history.undecided {
            Some(failure) => (
                format!(
                    "A worker could not tell what comes next in the {noun}, {since}, at try {}: {}.",
                    stuck.attempt,
                    failure.line().trim_end_matches('.')
                ),
                if failure.kind.as_deref() == Some(NONDETERMINISM) { CHANGED } else { UNABLE },
            ),
            None => (format!("The {noun} waits for a worker to say what comes next, {since}, and none has."), AWAY),
        };
        let sentences = vec![what, next.to_owned()];
        Verdict { sentences, again: Again::ByItself, next: "tenantry doctor".to_owned(), step: None }
    }

    fn running(&self) -> Verdict {
        let under_way = self.history.steps.iter().filter(|step| step.ended_at.is_none());
        let step = under_way.clone().next().cloned();
        let named: Vec<String> = under_way.map(|step| format!("{}, try {}", step.named(), step.tries.max(1))).collect();
        let stands = if named.is_empty() {
            "it is between two of its steps".to_owned()
        } else {
            format!("under way: {}", named.join("; "))
        };
        let what = format!("The {} has run for {}; {}; {stands}.", self.noun(), age(self.run.started_at), self.done());
        let sentences = vec![what, "Nobody has to do anything.".to_owned()];
        let next = format!("tenantry runs watch {}", word(&self.run.workflow_id));
        Verdict { sentences, again: Again::NotNeeded, next, step }
    }

    fn completed(&self) -> Verdict {
        let took = self.run.closed_at.map(|closed| spell(closed - self.run.started_at)).unwrap_or_default();
        let mut sentences = vec![format!("The {} is done; it took {took}.", self.noun())];
        let warnings = self.history.result.as_ref().and_then(|result| result.get("warnings")?.as_array());
        let warnings = warnings.into_iter().flatten().filter_map(Value::as_str);
        sentences.extend(warnings.map(|warning| format!("It leaves a warning: {}.", warning.trim_end_matches('.'))));
        if let Some((what, next)) = self.left_by_a_batch() {
            sentences.push(what);
            return Verdict { sentences, again: Again::NotNeeded, next, step: None };
        }
        sentences.push("Nothing has to be done, and it is not started again.".to_owned());
        let next = match (self.workflow_type(), &self.run.tenant_id, &self.run.stripe_subscription_id) {
            (Some(WorkflowType::SyncSubscription), _, Some(subscription)) => {
                format!("tenantry events list --subscription {}", word(subscription))
            }
            (Some(_) | None, Some(tenant), _) => format!("tenantry tenant why {}", word(tenant)),
            (Some(_) | None, None, _) => format!("tenantry runs show {}", word(&self.run.workflow_id)),
        };
        Verdict { sentences, again: Again::NotNeeded, next, step: None }
    }

    /// A batch that was stopped is done too, and so is one whose runs failed again.
    fn left_by_a_batch(&self) -> Option<(String, String)> {
        let name = self.run.workflow_id.strip_prefix(WORKFLOW_ID_PREFIX)?;
        let counts = self.history.result.as_ref()?.get("counts")?;
        let count = |of: &str| counts.get(of).and_then(Value::as_u64).unwrap_or_default();
        match (count("not_started"), count("failed")) {
            (0, 0) => None,
            (0, failed) => Some((
                format!("Of its runs {failed} failed again, each with a reason of its own."),
                format!("tenantry runs batch show {}", word(name)),
            )),
            (left, _) => Some((
                format!("It was stopped before it had started {left} of its runs, which a resume starts."),
                format!("tenantry runs batch resume {}", word(name)),
            )),
        }
    }

    fn continued(&self) -> Verdict {
        let what =
            format!("This run of the {} is done with its part, and a newer one goes on from there.", self.noun());
        let next = format!("tenantry runs why {}", word(&self.run.workflow_id));
        Verdict { sentences: vec![what], again: Again::NotNeeded, next, step: None }
    }

    /// By a person, or by time that its start allowed.
    fn ended(&self, status: &str) -> Verdict {
        let reason = self.history.reason.as_ref().map_or_else(String::new, |reason| format!(" (\"{reason}\")"));
        let noun = self.noun();
        let what = match status {
            "cancelled" => format!("A person cancelled the {noun}{reason}; a step under way was waited for."),
            "terminated" => format!(
                "A person terminated the {noun}{reason}: a step under way was not waited for, and may have taken \
                 effect, which does no harm, since every step may run twice."
            ),
            "timed_out" => format!(
                "The {noun} ran out of the time that its start allowed; ours allow all the time there is, so another \
                 program started it, or a command by hand."
            ),
            other => format!("The {noun} is {other}, which this build does not know."),
        };
        let step = self.history.steps.iter().find(|step| step.outcome == Outcome::Abandoned).cloned();
        let again = Again::Helps;
        let is_begun = self.history.steps.iter().any(|step| step.outcome == Outcome::Done);
        let stays = format!("{}{}", capitalised(&self.done()), if is_begun { ", and that stays." } else { "." });
        let starting_again = starting_again(self.workflow_type(), again).to_owned();
        let ended = Ended { run: self.run, input: self.history.input.as_ref(), kind: None, message: "", again };
        let next = ended.command();
        Verdict { sentences: vec![what, stays, starting_again], again, next, step }
    }

    /// The steps that are done, by name.
    fn done(&self) -> String {
        let is_done = |step: &&Step| step.outcome == Outcome::Done;
        let done: Vec<&str> = self.history.steps.iter().filter(is_done).map(|step| step.name.as_str()).collect();
        match done.as_slice() {
            [] => "no step is done".to_owned(),
            [one] => format!("{one} is done"),
            few if few.len() <= NAMED_MAX => format!("{} are done", few.join(", ")),
            many => format!("{} steps are done", many.len()),
        }
    }

    fn workflow_type(&self) -> Option<WorkflowType> {
        WorkflowType::of(&self.run.workflow_type)
    }

    fn noun(&self) -> &'static str {
        self.workflow_type().map_or("run", WorkflowType::noun)
    }
}

/// A worker's code decides otherwise than the history says that it did.
const NONDETERMINISM: &str = "NON_DETERMINISTIC_ERROR";
const CHANGED: &str = "The code that runs now does not fit what the run has done so far, as after a deploy that changed \
                       the workflow. It goes on by itself once the workers run the earlier code again, or one that \
                       keeps to it (patched).";
const UNABLE: &str = "The build that runs now does not know this workflow, or stumbles over it. It goes on by itself once \
                      the workers run a build that does.";
const AWAY: &str = "It goes on by itself as soon as a worker that knows it runs.";

/// More steps than any onboarding has are counted.
const NAMED_MAX: usize = 8;

/// Without Stripe's answer word for word at its end, which `runs show` has.
fn without_the_answer(message: &str) -> &str {
    match message.rsplit_once(" (") {
        Some((said, answer)) if answer.contains(": HTTP ") => said,
        Some(_) | None => message,
    }
}

fn at_the_step(step: &Step) -> String {
    let tries = if step.tries > 1 { format!(", after {} tries", step.tries) } else { String::new() };
    format!("at its step {}{tries}", step.named())
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_this_build_does_not_know_is_no_reason_to_guess() {
        let mut history = History::default();
        let unknown = |kind: Option<&str>| Some(FailedWith { kind: kind.map(str::to_owned), message: "no".to_owned() });
        for (kind, says) in
            [(Some("NewerError"), "NewerError is no failure that this build knows"), (None, "It has no type")]
        {
            history.failure = unknown(kind);
            let verdict = judge(&FoundRun::of_test("id_1", "createTenantWorkflow", "failed"), &history);
            let said = verdict.sentences.join(" ");
            assert!(
                said.starts_with("The onboarding failed before its first step: no. ") && said.contains(says),
                "{said}"
            );
            assert_eq!((verdict.again, verdict.next.as_str()), (Again::Unknown, "tenantry runs replay id_1"));
        }
        let verdict = judge(&FoundRun::of_test("id_1", "newerWorkflow", "failed"), &history);
        assert!(verdict.sentences.join(" ").contains("so it cannot judge it"), "{verdict:?}");
        assert_eq!(verdict.next, "tenantry runs show id_1");
    }

    #[test]
    fn of_an_answer_of_stripes_the_words_are_enough() {
        let said = "sub_1 does not exist; correct it (GET /v1/subscriptions/sub_1: HTTP 404 resource_missing)";
        assert_eq!(without_the_answer(said), "sub_1 does not exist; correct it");
        assert_eq!(without_the_answer("it failed (last: no)"), "it failed (last: no)");
    }

    #[test]
    fn every_way_to_end_is_told() {
        for (status, says) in [
            ("completed", "The sync is done"),
            ("cancelled", "A person cancelled the sync (\"ticket 4711\")"),
            ("terminated", "A person terminated the sync (\"ticket 4711\")"),
            ("timed_out", "The sync ran out of the time"),
            ("continued_as_new", "a newer one goes on from there"),
            ("running", "it is between two of its steps"),
            ("forgotten", "The sync is forgotten"),
        ] {
            let history = History { reason: Some("ticket 4711".to_owned()), ..History::default() };
            let said = judge(&FoundRun::of_test("id_1", "syncSubscriptionWorkflow", status), &history);
            assert!(said.sentences.join(" ").contains(says) && said.next.starts_with("tenantry "), "{said:?}");
        }
    }
}
