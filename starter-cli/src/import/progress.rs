//! How far an import is: a bar on a terminal, a line now and then where there is none, nothing for
//! a program. All of it on stderr.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use domain::import_customers::{ImportPhase, ImportState};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

const BETWEEN_LINES: Duration = Duration::from_secs(5);
const SPINNER: &str = "{spinner} {msg}";
const BAR: &str = "[{bar:24}] {msg}";

/// Tells a person how far it is.
pub(super) struct Progress {
    how: How,
    seen: RefCell<Seen>,
}

enum How {
    Bar(ProgressBar),
    Lines,
    Silently,
}

/// What was said, and what a rate is reckoned from.
#[derive(Debug, Default)]
struct Seen {
    phase: ImportPhase,
    /// When the phase was first seen, and how far it was then.
    since: Option<(Instant, u64)>,
    /// The most that was to do at once; what is left of it shrinks.
    follow_ups: u64,
    said: Option<(Instant, String)>,
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
        let how = match (std::io::stderr().is_terminal(), output) {
            (true, _) => How::Bar(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())),
            (false, Output::Text) => How::Lines,
            (false, Output::Json) => How::Silently,
        };
        Self { how, seen: RefCell::default() }
    }

    /// Where it stands now.
    pub(super) fn show(&self, state: &ImportState, now: Instant) {
        let (part, text) = self.seen.borrow_mut().next(state, now);
        match (&self.how, part.all) {
            (How::Bar(bar), Some(all)) => {
                bar.set_style(style(BAR));
                bar.set_length(all);
                bar.set_position(part.done);
                bar.set_message(text);
            }
            (How::Bar(_), None) | (How::Lines | How::Silently, _) => self.say_at(&text, now),
        }
    }

    /// In a few words, where there is nothing to count.
    pub(super) fn say(&self, text: &str) {
        self.say_at(text, Instant::now());
    }

    fn say_at(&self, text: &str, now: Instant) {
        match &self.how {
            How::Bar(bar) => {
                bar.set_style(style(SPINNER));
                bar.set_message(text.to_owned());
                bar.tick();
            }
            How::Lines if self.seen.borrow_mut().is_news(text, now) => eprintln!("{text}"),
            How::Lines | How::Silently => {}
        }
    }

    /// Once, whatever stands there.
    pub(super) fn note(&self, text: &str) {
        match &self.how {
            How::Bar(bar) => bar.println(text),
            How::Lines => eprintln!("{text}"),
            How::Silently => {}
        }
    }

    /// Takes the bar away: what it said is in the report.
    pub(super) fn end(&self) {
        match &self.how {
            How::Bar(bar) => bar.finish_and_clear(),
            How::Lines | How::Silently => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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
        let rate = rate(part.done.saturating_sub(first), now.duration_since(since));
        (part, sentence(state, part, rate))
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

    /// Whether a reader of lines should get this one: another phase at once, the rest now and then.
    fn is_news(&mut self, text: &str, now: Instant) -> bool {
        let begins = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
        let is_news = self.said.as_ref().is_none_or(|(at, said)| {
            begins(said) != begins(text) || said != text && now.duration_since(*at) >= BETWEEN_LINES
        });
        if is_news {
            self.said = Some((now, text.to_owned()));
        }
        is_news
    }
}

/// A second; none before there is enough to say.
fn rate(done: u64, took: Duration) -> Option<f64> {
    (done > 0 && took >= Duration::from_millis(900)).then(|| done as f64 / took.as_secs_f64())
}

/// `writing: 1200 of 10000 tenants, 310 a second, 28 s left`.
fn sentence(state: &ImportState, part: Part, rate: Option<f64>) -> String {
    let Part { done, all, what } = part;
    let phase = state.phase.as_str().replace('_', " ");
    let counted = match all {
        Some(all) => format!("{done} of {all} {what}"),
        None => format!("{} pages, {done} {what}", state.pages),
    };
    let stopping = if state.stopping { ", stopping" } else { "" };
    let Some(rate) = rate else { return format!("{phase}: {counted}{stopping}") };
    let left = all.map(|all| format!(", {} left", time((all.saturating_sub(done)) as f64 / rate))).unwrap_or_default();
    let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    format!("{phase}: {counted}, {rate} a second{left}{stopping}")
}

/// Seconds below a minute, then minutes, then hours.
fn time(secs: f64) -> String {
    match secs {
        secs if secs < 60.0 => format!("{secs:.0} s"),
        secs if secs < 3_600.0 => format!("{:.0} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_line_is_printed_for_a_new_phase_and_now_and_then() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let mut news = |text: &str, secs: u64| seen.is_news(text, start + Duration::from_secs(secs));
        assert_eq!([news("reading: 1", 0), news("reading: 2", 1), news("writing: 1", 2)], [true, false, true]);
        assert_eq!([news("writing: 1", 60), news("writing: 2", 60)], [false, true]);
    }
}
