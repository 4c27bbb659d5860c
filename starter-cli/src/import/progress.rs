//! How far an import is, in the words of its phases.

use std::cell::RefCell;
use std::time::Instant;

use domain::import_customers::{ImportPhase, ImportState};

use crate::output::Output;
use crate::progress;

/// Tells a person how far it is.
pub(super) struct Progress {
    shown: progress::Progress,
    seen: RefCell<Seen>,
}

/// What a rate is reckoned from.
#[derive(Debug, Default)]
struct Seen {
    phase: ImportPhase,
    /// When the phase was first seen, and how far it was then.
    since: Option<(Instant, u64)>,
    /// The most that was to do at once; what is left of it shrinks.
    follow_ups: u64,
}

/// How much of a phase is done; of reading nobody knows how much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    done: u64,
    all: Option<u64>,
    what: &'static str,
}

impl Progress {
    /// On stderr, if somebody reads there.
    pub(super) fn on_stderr(output: Output) -> Self {
        Self { shown: progress::Progress::on_stderr(output), seen: RefCell::default() }
    }

    /// Where it stands now.
    pub(super) fn show(&self, state: &ImportState, now: Instant) {
        let (part, text) = self.seen.borrow_mut().next(state, now);
        match part.all {
            Some(all) => self.shown.count(part.done, all, text, now),
            None => self.shown.say(&text, now),
        }
    }

    /// In a few words, where there is nothing to count.
    pub(super) fn say(&self, text: &str) {
        self.shown.say(text, Instant::now());
    }

    /// Once, whatever stands there.
    pub(super) fn note(&self, text: &str) {
        self.shown.note(text);
    }

    /// Takes the bar away: what it said is in the report.
    pub(super) fn end(&self) {
        self.shown.end();
    }
}

impl Seen {
    /// How much is done, and the words for it.
    fn next(&mut self, state: &ImportState, now: Instant) -> (Part, String) {
        self.follow_ups = self.follow_ups.max(state.progress.follow_ups);
        let part = self.part(state);
        if self.since.is_none() || self.phase != state.phase {
            self.phase = state.phase;
            self.since = Some((now, part.done));
        }
        let (since, first) = self.since.unwrap_or((now, part.done));
        let left = part.all.map(|all| all.saturating_sub(part.done));
        let pace = progress::pace(part.done.saturating_sub(first), now.duration_since(since), left);
        (part, sentence(state, part, &pace))
    }

    fn part(&self, state: &ImportState) -> Part {
        let progress = &state.progress;
        let of_tenants = |done| Part { done, all: Some(progress.tenants), what: "tenants" };
        match state.phase {
            ImportPhase::Opening | ImportPhase::Reading => Part { done: state.rows, all: None, what: "objects" },
            ImportPhase::Judging => of_tenants(progress.judged),
            ImportPhase::Writing | ImportPhase::Done => of_tenants(progress.totals.sum()),
            ImportPhase::FollowingUp => {
                Part { done: self.follow_ups - progress.follow_ups, all: Some(self.follow_ups), what: "subscriptions" }
            }
        }
    }
}

/// `writing: 1200 of 10000 tenants, 310 a second, 28 s left`.
fn sentence(state: &ImportState, part: Part, pace: &str) -> String {
    let Part { done, all, what } = part;
    let phase = state.phase.as_str().replace('_', " ");
    let counted = match all {
        Some(all) => format!("{done} of {all} {what}"),
        None => format!("{} pages, {done} {what}", state.pages),
    };
    let stopping = if state.stopping { ", stopping" } else { "" };
    format!("{phase}: {counted}{pace}{stopping}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::import_customers::{TenantProgress, Totals};

    use super::*;

    fn state(phase: ImportPhase, progress: TenantProgress) -> ImportState {
        ImportState { phase, pages: 7, rows: 650, progress, ..ImportState::default() }
    }

    fn writing(imported: u64) -> ImportState {
        let totals = Totals { imported, ..Totals::default() };
        state(ImportPhase::Writing, TenantProgress { tenants: 1_000, totals, ..TenantProgress::default() })
    }

    #[test]
    fn rate_and_time_left_are_of_the_phase_alone() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut said = |state: &ImportState, secs: u64| seen.next(state, at(secs)).1;
        let reading = state(ImportPhase::Reading, TenantProgress::default());
        assert_eq!(said(&reading, 0), "reading: 7 pages, 650 objects");
        // 200 were written before this command looked.
        assert_eq!(said(&writing(200), 100), "writing: 200 of 1000 tenants");
        assert_eq!(said(&writing(600), 104), "writing: 600 of 1000 tenants, 100 a second, 4 s left");
        assert_eq!(said(&writing(604), 504), "writing: 604 of 1000 tenants, 1.0 a second, 7 min left");
        let stopping = ImportState { stopping: true, ..writing(604) };
        assert!(said(&stopping, 504).ends_with(" left, stopping"));
    }

    #[test]
    fn what_is_left_to_follow_up_shrinks() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let following =
            |n| state(ImportPhase::FollowingUp, TenantProgress { follow_ups: n, ..TenantProgress::default() });
        let mut part = |n| seen.next(&following(n), start).0;
        assert_eq!((part(40).done, part(40).all), (0, Some(40)));
        assert_eq!((part(10).done, part(10).all), (30, Some(40)));
    }
}
