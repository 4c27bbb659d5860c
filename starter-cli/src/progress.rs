//! How far something is that takes a while: a bar on a terminal, a line now and then where there is
//! none, nothing for a program. All of it on stderr.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;
use crate::style::stderr_can_move;

const BETWEEN_LINES: Duration = Duration::from_secs(5);
const SPINNER: &str = "{spinner} {msg}";
const BAR: &str = "[{bar:24}] {msg}";

/// Tells a person how far it is.
pub(crate) struct Progress {
    how: How,
    said: RefCell<Said>,
}

enum How {
    Bar(ProgressBar),
    Lines,
    Silently,
}

/// The last line, and when.
#[derive(Debug, Default)]
struct Said(Option<(Instant, String)>);

impl Progress {
    /// On stderr, if somebody reads there.
    pub(crate) fn on_stderr(output: Output) -> Self {
        let how = match (stderr_can_move(), output) {
            (true, _) => How::Bar(ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())),
            (false, Output::Text) => How::Lines,
            (false, Output::Json) => How::Silently,
        };
        Self { how, said: RefCell::default() }
    }

    /// So much of so much, and the words for it.
    pub(crate) fn count(&self, done: u64, all: u64, text: String, now: Instant) {
        match &self.how {
            How::Bar(bar) => {
                bar.set_style(style(BAR));
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(text);
            }
            How::Lines | How::Silently => self.say(&text, now),
        }
    }

    /// In a few words, where there is nothing to count.
    pub(crate) fn say(&self, text: &str, now: Instant) {
        match &self.how {
            How::Bar(bar) => {
                bar.set_style(style(SPINNER));
                bar.set_message(text.to_owned());
                bar.tick();
            }
            How::Lines if self.said.borrow_mut().is_news(text, now) => eprintln!("{text}"),
            How::Lines | How::Silently => {}
        }
    }

    /// Once, whatever stands there.
    pub(crate) fn note(&self, text: &str) {
        match &self.how {
            How::Bar(bar) => bar.println(text),
            How::Lines => eprintln!("{text}"),
            How::Silently => {}
        }
    }

    /// Takes the bar away: what it said is in the report.
    pub(crate) fn end(&self) {
        match &self.how {
            How::Bar(bar) => bar.finish_and_clear(),
            How::Lines | How::Silently => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Said {
    /// Whether a reader of lines should get this one: what begins otherwise at once, the rest now
    /// and then.
    fn is_news(&mut self, text: &str, now: Instant) -> bool {
        let begins = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
        let is_news = self.0.as_ref().is_none_or(|(at, said)| {
            begins(said) != begins(text) || said != text && now.duration_since(*at) >= BETWEEN_LINES
        });
        if is_news {
            self.0 = Some((now, text.to_owned()));
        }
        is_news
    }
}

/// How many a second since that was first seen, and how long the rest takes at that rate; empty
/// before there is enough to say.
pub(crate) fn pace(done: u64, took: Duration, left: Option<u64>) -> String {
    if done == 0 || took < Duration::from_millis(900) {
        return String::new();
    }
    let rate = done as f64 / took.as_secs_f64();
    let left = left.map(|left| format!(", {} left", time(left as f64 / rate))).unwrap_or_default();
    if rate < 10.0 { format!(", {rate:.1} a second{left}") } else { format!(", {rate:.0} a second{left}") }
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
    use super::*;

    #[test]
    fn a_line_is_printed_for_a_new_phase_and_now_and_then() {
        let (mut said, start) = (Said::default(), Instant::now());
        let mut news = |text: &str, secs: u64| said.is_news(text, start + Duration::from_secs(secs));
        assert_eq!([news("reading: 1", 0), news("reading: 2", 1), news("writing: 1", 2)], [true, false, true]);
        assert_eq!([news("writing: 1", 60), news("writing: 2", 60)], [false, true]);
    }

    #[test]
    fn a_pace_is_told_once_there_is_one() {
        let check = |done, secs, left, expected: &str| {
            assert_eq!(pace(done, Duration::from_secs(secs), left), expected);
        };
        check(0, 100, Some(9), "");
        check(400, 4, Some(400), ", 100 a second, 4 s left");
        check(404, 404, Some(396), ", 1.0 a second, 7 min left");
        check(20, 4, None, ", 5.0 a second");
    }
}
